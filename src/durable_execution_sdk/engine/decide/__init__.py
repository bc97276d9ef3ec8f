"""Decisions: the events that follow from a command, or from the time."""
