"""Steps with time limits of their own."""
