"""Executions as text: in the terminal and in the messages of tests."""
