"""The subcommands of ``ringcross``, one file each; they parse options and print results."""
