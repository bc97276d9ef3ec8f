"""Places that keep executions: memory, or a SQLite file."""
