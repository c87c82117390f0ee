"""Figures, drawn from data to SVG."""
