"""The identity of tasks, timers and futures of workflow code, by the function that makes them.

Each scope numbers them apart for each *row* (``contexts.scope`` says why): a coroutine function for tasks, the
calling function for timers and futures. Three tasks, in the handler's own scope::

    async with asyncio.TaskGroup() as group:
        group.create_task(pay("a"))        # row pay, 1:    path pay_1c9f2e07_1
        group.create_task(notify())        # row notify, 1: path notify_5b20d1aa_1
        group.create_task(pay("b"))        # row pay, 2:    path pay_1c9f2e07_2

The digits are a digest of the function's module and qualified name. Only the last part of the module's
name counts, and for ``__main__`` the name of its file. So a function has the same row under ``python
app.py``, under ``durable run app.py`` and in a package. Two functions with the same qualified name, in two
modules with the same last part, share a numbering; that only matters if one of them is added to a
workflow that runs. To rename or move a coroutine function gives its tasks another identity.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Coroutine, Sequence
from functools import lru_cache
from hashlib import blake2b
from types import CodeType, FrameType
from typing import Any, cast

from msgspec import Struct

from durable_execution_sdk.errors import DeterminismError

__all__ = [
    "ITEMS",
    "SMALL_BITS",
    "Row",
    "calling_row",
    "frame_of_asyncio",
    "futures_without_order",
    "given_to_as_completed",
    "row_of",
    "takes_over_scope",
]

_LONGEST_NAME = 20
# Hashes of one row are consecutive numbers, so that a small set of its things keeps the order of creation.
SMALL_BITS = 16
# Number of coroutine functions whose rows are cached.
_MOST_ROWS = 1_000
_rows: dict[tuple[CodeType, str], Row] = {}
_NO_WORD = r"[^A-Za-z0-9]+"  # compiled by the first use: most workflows make no task
_OURS = __name__.partition(".")[0]


class Row(Struct, frozen=True):
    """A group of things that are counted together. ``text`` stands in ids; hashes start at ``number``."""

    text: str
    number: int


# The row of tasks that iterate over the items of a map.
ITEMS = Row("items", 0)


@lru_cache(maxsize=4096)
def _row(module: str, qualname: str) -> Row:
    digest = blake2b(f"{module}:{qualname}".encode(), digest_size=4)
    name = re.sub(_NO_WORD, "", qualname.rpartition(".")[2])[:_LONGEST_NAME]
    number = int.from_bytes(digest.digest(), "big") << SMALL_BITS
    return Row(f"{name}_{digest.hexdigest()}", number)


def row_of(coroutine: Coroutine[object, object, object]) -> Row:
    """Return the row of a task: that of its coroutine's function, inside of anyio's wrapper."""
    key: Any = (getattr(coroutine, "cr_code", None), getattr(coroutine, "__qualname__", None))
    row = _rows.get(key)
    if row is not None:
        return row
    inner = _unwrapped(coroutine)
    frame = getattr(inner, "cr_frame", None)
    qualname = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    module = type(inner).__module__ if frame is None else _module_of(frame)
    row = _row(module, qualname)
    if frame is not None and inner is coroutine and len(_rows) < _MOST_ROWS:
        _rows[key] = row
    return row


def calling_row(depth: int) -> Row:
    """Return the row of the code that runs: its innermost function outside asyncio and the SDK.

    ``depth`` is the number of frames to skip, as in ``sys._getframe``.
    """
    frame: FrameType | None = sys._getframe(depth)  # noqa: SLF001 - who calls
    while frame is not None:
        module: str = frame.f_globals.get("__name__", "")
        package = module.partition(".")[0]
        if package not in ("asyncio", _OURS):
            return _row(_module_of(frame), frame.f_code.co_qualname)
        if module == _DRIVER or frame.f_code.co_name == "_run_once":
            break  # the frames from here on run the workflow, and are not its code
        frame = frame.f_back
    return _row("asyncio", "asyncio")


_DRIVER = f"{_OURS}.runtime.tasks"


def frame_of_asyncio(depth: int) -> FrameType | None:
    """Return the frame of ``asyncio.tasks`` that makes a task; ``None`` if other code makes it.

    ``depth`` is the number of frames to skip, as in ``sys._getframe``.
    """
    frame = sys._getframe(depth)  # noqa: SLF001 - who makes the task
    return frame if frame.f_globals.get("__name__") == "asyncio.tasks" else None


def takes_over_scope(maker: FrameType) -> bool:
    """Return ``True`` if ``asyncio.wait_for`` is about to make a task for its caller.

    Python 3.11 makes a task there, and later versions run the coroutine in the caller's task. If the new
    task takes the caller's scope, which is idle meanwhile, the ids are the same in all versions.
    """
    if sys.version_info >= (3, 12):
        return False
    frame: FrameType | None = maker
    while frame is not None and frame.f_globals.get("__name__") == "asyncio.tasks":
        if frame.f_code is asyncio.wait_for.__code__:
            timeout = frame.f_locals.get("timeout")
            return timeout is not None and timeout > 0
        frame = frame.f_back
    return False


def futures_without_order(depth: int) -> int:
    """Count the operands of ``asyncio.wait`` whose hash is their address.

    It is called when ``asyncio.wait`` makes the future on which it blocks, and returns 0 for other callers.
    """
    frame = sys._getframe(depth)  # noqa: SLF001 - who makes the future
    if frame.f_code.co_name != "_wait" or frame.f_globals.get("__name__") != "asyncio.tasks":
        return 0
    waited_for: Any = frame.f_locals.get("fs", ())
    by_address: object = object.__hash__
    return sum(type(future).__hash__ is by_address for future in waited_for)


def _unwrapped(coroutine: object) -> object:
    """Return the coroutine that a wrapper of anyio runs for a task group, or the coroutine itself."""
    while True:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is None or not frame.f_globals.get("__name__", "").startswith("anyio."):
            return coroutine
        wrapped: object = frame.f_locals.get("coro")
        if wrapped is None:
            wrapped = getattr(frame.f_locals.get("self"), "_coro", None)
        if not asyncio.iscoroutine(wrapped):
            return coroutine
        coroutine = wrapped


def _module_of(frame: FrameType) -> str:
    """Return the last part of a module's name; for the main module, the name that it has when imported."""
    name: str = frame.f_globals.get("__name__", "")
    if name == "__main__":
        spec = frame.f_globals.get("__spec__")
        file: str = frame.f_globals.get("__file__") or ""
        name = spec.name if spec is not None else _stem(file) or name
    return name.rpartition(".")[2]


def _stem(file: str) -> str:
    return file.replace("\\", "/").rpartition("/")[2].removesuffix(".py").removesuffix(".pyc")


_COMPLETED = frozenset({"as_completed", "_AsCompletedIterator.__init__"})


def given_to_as_completed(maker: FrameType, coroutine: object) -> Sequence[object] | None:
    """Return the operands of ``asyncio.as_completed`` if that makes the task of this coroutine.

    It starts coroutines in the order of a set, which differs from one invocation to the next. They must be
    started in the order of the caller's list instead. Raises ``DeterminismError`` if there is no list.
    """
    frame: FrameType | None = maker
    while frame is not None and frame.f_globals.get("__name__") == "asyncio.tasks":
        if frame.f_code.co_qualname in _COMPLETED:
            given = frame.f_locals.get("fs", frame.f_locals.get("aws"))
            if isinstance(given, Sequence):
                ordered = cast("Sequence[object]", given)
                if any(each is coroutine for each in ordered):
                    return ordered
            raise DeterminismError(
                "asyncio.as_completed starts what it is given in an order that differs from one"
                " invocation to the next, so replay could not tell the operations apart. Give it a"
                " list of coroutines, tasks or operations: asyncio.as_completed([...])"
            )
        frame = frame.f_back
    return None
