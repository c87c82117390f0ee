"""One file per subcommand of ``ringcross``; each is thin and calls the packages below."""
