"""Views of an execution: for its handler, for observers, and as a history."""
