"""Recorded histories, played again by the current code: nothing runs, nothing is recorded."""
