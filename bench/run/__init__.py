"""A run, from its options to its folder: boots, rounds, records."""
