"""Select, compare and check measured data."""
