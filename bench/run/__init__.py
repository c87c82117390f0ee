"""Runs: from the options to the boots, the measurements and the run folder."""
