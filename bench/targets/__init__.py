"""Where a kernel under test runs: in QEMU, or this machine itself."""
