"""Durable contexts: their state, and the scopes of ids in them."""
