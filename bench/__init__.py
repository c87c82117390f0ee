"""ringcross: what it costs to cross between user space and the Linux kernel."""
