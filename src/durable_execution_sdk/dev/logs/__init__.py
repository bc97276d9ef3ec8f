"""Lines, invocations and code positions of functions, kept beside the store."""
