"""The functions that the emulator knows, and the ways to invoke them."""
