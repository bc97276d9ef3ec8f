"""The functions that the emulator knows, and the ways to invoke them.

``coordinator`` starts the execution of a durable function that another one invokes; ``driver`` calls the rest.
"""
