"""The futures that asyncio's futures, task groups and shields refer to.

asyncio has no public access to these. In a version that keeps them elsewhere, they count as unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

__all__ = ["callbacks_of", "children_of", "is_chained", "shielded_by", "tasks_of"]


def children_of(future: object) -> list[object] | None:
    """Return the futures that a gathering future waits for; ``None`` for another future."""
    children: object = getattr(future, "_children", None)
    return list(cast("list[object]", children)) if isinstance(children, list) else None


def tasks_of(group: object) -> list[object]:
    """Return the tasks of a task group."""
    return list(getattr(group, "_tasks", ()))


def callbacks_of(future: object) -> Iterator[Any]:
    """Iterate over a future's callbacks."""
    for each in getattr(future, "_callbacks", None) or ():
        yield each[0]


def shielded_by(future: object) -> object | None:
    """Return the future that ``asyncio.shield`` protects by this one; ``None`` if it is no shield."""
    for callback in callbacks_of(future):
        if getattr(callback, "__qualname__", "") == "shield.<locals>._outer_done_callback":
            cells = dict(
                zip(callback.__code__.co_freevars, callback.__closure__ or (), strict=False)
            )
            return cells["inner"].cell_contents if "inner" in cells else None
    return None


def is_chained(future: object) -> bool:
    """Return ``True`` if a future of ``concurrent.futures`` completes this one."""
    chained = "_chain_future.<locals>._call_check_cancel"
    return any(getattr(each, "__qualname__", "") == chained for each in callbacks_of(future))
