"""What may happen to an operation: one module, and one table, for each of the six wire types."""
