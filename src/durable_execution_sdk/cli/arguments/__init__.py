"""Arguments of the command: moments, durations, names of executions, and names that a shell completes."""
