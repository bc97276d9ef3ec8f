"""The checks, a module for each group; ``registry`` lists them."""
