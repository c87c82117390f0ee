"""What a run measures: cells, factors, plans, controls and options."""
