"""What to measure: cells, factors, plans and options."""
