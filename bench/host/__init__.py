"""The machine that the harness runs on: its installed packages and its settings."""
