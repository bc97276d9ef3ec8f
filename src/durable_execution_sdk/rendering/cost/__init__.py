"""The cost of an execution, estimated from its history."""
