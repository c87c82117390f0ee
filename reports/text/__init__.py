"""Numbers, units and the fixed sentences of each clock."""
