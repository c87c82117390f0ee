"""The machine that the harness runs on: what is installed, and how it is set."""
