"""``python -m bench`` is ``ringcross``."""

from bench.commands.cli import main

main(prog_name="ringcross")
