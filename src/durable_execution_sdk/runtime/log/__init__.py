"""The log of an execution, as an invocation reads and writes it."""
