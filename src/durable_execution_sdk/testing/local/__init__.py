"""The test runner on the embedded engine."""
