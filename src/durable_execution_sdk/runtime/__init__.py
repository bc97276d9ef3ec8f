"""One invocation of a workflow: replay, scheduling, and the recording of operations."""
