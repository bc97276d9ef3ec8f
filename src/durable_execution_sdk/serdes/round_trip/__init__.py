"""Proof that a written value is read back as it was."""
