"""Forks on any service: an execution whose log begins with the history of another one. ``seeding`` has the essay."""
