"""The contract that the SDK and the service share: data, limits, error codes, and their JSON."""
