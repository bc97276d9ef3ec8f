"""Functions as processes behind Lambda's Runtime API."""
