"""Fixtures and reports for pytest."""
