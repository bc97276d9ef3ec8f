"""JSON schemas of types, and checks of JSON against them."""
