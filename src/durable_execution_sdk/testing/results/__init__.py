"""Results of test executions, and their operations."""
