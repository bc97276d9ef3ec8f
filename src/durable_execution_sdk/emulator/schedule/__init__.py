"""Index of due work and deadlines, for all executions and by family."""
