"""Statements about measured data: selection, comparison, diagnostics."""
