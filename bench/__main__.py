"""``python -m bench`` is ``ringcross``."""

from bench.cli import main

main(prog_name="ringcross")
