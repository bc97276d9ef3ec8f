"""The life of an operation: its arguments, its claim, its attempts, its payloads and its outcome."""
