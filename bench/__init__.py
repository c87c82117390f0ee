"""ringcross: a benchmark of the channels between user space and the Linux kernel."""
