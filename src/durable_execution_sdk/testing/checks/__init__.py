"""Checks of a whole workflow: crashes, schedules, replay, golden histories."""
