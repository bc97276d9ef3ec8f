"""The only place where the emulator makes up something that is not derived from the log."""

from __future__ import annotations

import uuid
from collections.abc import Callable

Ids = Callable[[], str]
"""Gives a text that was never given before; tests give their own, to see the same ids each time."""


def unique_id() -> str:
    """A random UUID: for run ids, request ids and names that nobody chose."""
    return str(uuid.uuid4())
