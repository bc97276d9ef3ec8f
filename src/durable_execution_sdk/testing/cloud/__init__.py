"""The test runner for functions that are deployed."""
