"""Descriptions of a workflow in which every task waits; loaded only for them."""
