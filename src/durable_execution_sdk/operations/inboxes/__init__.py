"""Inboxes: messages from outside, in the order in which they were accepted."""
