"""Random ids: the emulator's only source of values that the log does not determine."""

from __future__ import annotations

import uuid
from collections.abc import Callable

Ids = Callable[[], str]
"""Returns a new unique text with each call; tests pass a deterministic one."""


def unique_id() -> str:
    """Return a random UUID, for run ids, request ids and default names."""
    return str(uuid.uuid4())
