"""Many branches of one operation: what ``map`` and ``parallel`` share."""
