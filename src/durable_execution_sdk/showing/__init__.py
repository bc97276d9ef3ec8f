"""Executions for people to read: in the terminal, in the messages of tests."""
