"""Arguments of the command: moments, durations, and names that a shell completes."""
