"""Faults that tests inject between an execution and its service."""
