"""JSON schemas of the types that code waits for, and checks of answers against them."""
