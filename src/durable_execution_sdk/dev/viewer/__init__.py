"""The page over executions that other programs run: those of a store, of a saved history, or of an endpoint."""
