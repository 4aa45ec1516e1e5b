"""Order, range, continuity and symmetry of the values."""
