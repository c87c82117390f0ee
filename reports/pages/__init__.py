"""Render the pages of a report from data and templates."""
