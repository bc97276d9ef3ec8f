"""The engine, running: executions in a store, a clock, and calls of functions."""
