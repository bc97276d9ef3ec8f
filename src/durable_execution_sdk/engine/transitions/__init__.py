"""The transition tables: one module for each of the six operation types of the wire."""
