"""Writers and readers of values, by the kind of their type."""
