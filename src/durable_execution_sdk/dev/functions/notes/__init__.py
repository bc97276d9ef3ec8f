"""Notes that the processes of Python functions send to the server: what the log does not have."""
