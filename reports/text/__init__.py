"""Numbers, units and the fixed sentences about each clock."""
