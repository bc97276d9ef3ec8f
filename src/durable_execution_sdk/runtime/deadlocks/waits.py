"""Descriptions of blocked tasks: the thing that a task waits for, its source line, and who could wake it.

They are read from the chain of coroutines in which the task is suspended. The innermost frame that is
neither the SDK's nor an installed package's gives the line, and the frames of asyncio below it give the
lock, the queue or the group. Loaded only when nothing can move but for something outside.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sysconfig
from collections.abc import Collection, Iterable, Iterator
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import Any, cast

from durable_execution_sdk.runtime.completions.completion import operation_of
from durable_execution_sdk.runtime.completions.handle import Handle, Wake
from durable_execution_sdk.runtime.deadlocks.futures import (
    children_of,
    is_chained,
    shielded_by,
    tasks_of,
)
from durable_execution_sdk.runtime.deadlocks.primitives import (
    ANYIO,
    PRIMITIVE_MODULES,
    code_of,
    kind_of,
)
from durable_execution_sdk.runtime.tasks import WorkflowTask
from durable_execution_sdk.runtime.tasks.spinning import Held

__all__ = [
    "Reach",
    "describe",
    "frames_of",
    "reach_of",
    "swallows_cancellations",
    "task_name",
    "where",
]

_SDK = str(Path(__file__).parent.parent.parent) + os.sep
_PATHS = sysconfig.get_paths()
_STANDARD = tuple({_PATHS["stdlib"] + os.sep, _PATHS["platstdlib"] + os.sep, "<frozen"})
_INSTALLED = tuple({_PATHS["purelib"] + os.sep, _PATHS["platlib"] + os.sep})

_NEXT = ("cr_await", "gi_yieldfrom", "ag_await")
_FRAMES = ("cr_frame", "gi_frame", "ag_frame")
_DEEPEST = 200
_SHOWN = 5

_ANYIO_PRIMITIVES = frozenset({"Lock.acquire", "Semaphore.acquire", "TaskGroup.start"})


class Reach(IntEnum):
    """The sources that may wake a blocked task. Each value includes those before it."""

    INSIDE = 0
    """Only operations and tasks of the workflow."""
    TIMER = 1
    """Only a timer of asyncio."""
    LOOP = 2
    """Also anything that runs in the loop or hands it a callback: a lock, an event, a queue."""
    FUTURE = 3
    """A future of which nothing is known: a library may complete it from a thread."""
    THREAD = 4
    """A future of ``concurrent.futures``, which some other thread completes."""


Own = Collection[object]
"""The asyncio tasks of the workflow."""


def reach_of(watched: WorkflowTask[object], own: Own) -> Reach:
    """Return the sources that may wake a blocked task."""
    future = watched.blocked_on
    if isinstance(future, Wake) or future in own:
        return Reach.INSIDE
    if isinstance(future, Held):
        return Reach.LOOP
    frame: FrameType | None = None
    for frame in frames_of(watched):  # noqa: B007 - the innermost
        pass
    module, name = code_of(frame)
    if module in PRIMITIVE_MODULES or (module == ANYIO and name in _ANYIO_PRIMITIVES):
        return Reach.LOOP
    if module == "asyncio.taskgroups" or (module, name) == (ANYIO, "TaskGroup.__aexit__"):
        return Reach.INSIDE
    # These wait for a future of their own, which a timer may complete too.
    if frame is not None and (module, name) == ("asyncio.tasks", "_wait"):
        return _furthest(frame.f_locals.get("fs", ()), own)
    if frame is not None and module == "asyncio.tasks" and name in ("wait_for", "_cancel_and_wait"):
        return _reach(frame.f_locals.get("fut", future), own)
    return _reach(future, own)


def where(watched: WorkflowTask[object]) -> tuple[tuple[int, int], ...]:
    """Tell two waits of a task apart: by the code of each coroutine that waits, and by the place in it."""
    return tuple((id(frame.f_code), frame.f_lasti) for frame in frames_of(watched))


def describe(watched: WorkflowTask[object], own: Own) -> str:
    """Describe the thing that a blocked task waits for, with the line of the user's code."""
    frames = list(frames_of(watched))
    users = [n for n, frame in enumerate(frames) if _is_users(frame)]
    users = users or [n for n, frame in enumerate(frames) if not _is(frame, _SDK, *_STANDARD)]
    place = f" at {_place(frames[users[-1]])}" if users else ""
    if swallows_cancellations(watched):
        return f"{task_name(watched)} swallows its cancellation{place}, again and again"
    if isinstance(watched.blocked_on, Held):
        return f"{task_name(watched)} spins{place}, without waiting for anything"
    below = frames[users[-1] :] if users else frames
    what = _primitive(below) or _combination(below, own) or _name(watched.blocked_on, own)
    return f"{task_name(watched)} waits for {what}{place}"


def swallows_cancellations(watched: WorkflowTask[object]) -> bool:
    """Return ``True`` if a held task was cancelled in each of its last moves."""
    held = watched.blocked_on
    return isinstance(held, Held) and isinstance(held.error, asyncio.CancelledError)


def task_name(watched: WorkflowTask[object]) -> str:
    """Name a task by its coroutine, or by the user's coroutine that a wrapper runs."""
    for frame in frames_of(watched):
        if _is_users(frame):
            name = frame.f_code.co_qualname
            break
    else:
        name = watched.name
    name = name.rpartition("<locals>.")[2]
    frame_of_context = getattr(watched.scope, "context_state", None)
    if getattr(frame_of_context, "operation_id", None) is not None:
        return f"{name} in {frame_of_context.title}"  # type: ignore[union-attr]
    return name


def frames_of(watched: object) -> Iterator[FrameType]:
    """Yield the frames of a coroutine and of those that it awaits, innermost last."""
    current: object = watched
    for _ in range(_DEEPEST):
        if current is None:
            return
        frame = next((f for f in (getattr(current, a, None) for a in _FRAMES) if f), None)
        if frame is not None:
            yield frame
        following = next((a for a in _NEXT if hasattr(current, a)), None)
        current = getattr(current, following) if following else _wrapped(current)


def _wrapped(awaitable: object) -> object:
    """Return the coroutine or generator within an awaitable of the interpreter that does not expose it.

    ``__anext__`` of an async generator and ``__await__`` of a coroutine return such awaitables.
    """
    if isinstance(awaitable, asyncio.Future) or type(awaitable).__name__ == "FutureIter":
        return None
    referents = gc.get_referents(awaitable)
    return next((each for each in referents if any(hasattr(each, a) for a in _NEXT)), None)


def _primitive(frames: Iterable[FrameType]) -> str | None:
    """Name the lock, event, queue or stream that the outermost frame of asyncio or anyio belongs to."""
    caller: FrameType | None = None
    for frame in frames:
        kind = kind_of(frame)
        if kind is not None:
            variable = _variable(frame.f_locals.get("self"), caller)
            return f"{kind} {variable!r}" if variable else kind
        name = frame.f_code.co_qualname
        if "as_completed" in name.lower().replace("ascompleted", "as_completed"):
            return "asyncio.as_completed"
        if caller is None or _is_users(frame):
            caller = frame
    return None


def _combination(frames: list[FrameType], own: Own) -> str | None:
    """Name the function or group of asyncio that waits for several futures at once."""
    for frame in frames:
        match code_of(frame):
            case ("asyncio.tasks", "_wait"):
                return f"asyncio.wait of {_names(frame.f_locals.get('fs', ()), own)}"
            case ("asyncio.tasks", "wait_for") if "fut" in frame.f_locals:
                return _name(frame.f_locals["fut"], own)
            case ("asyncio.taskgroups" as module, _) | (
                "anyio._backends._asyncio" as module,
                "TaskGroup.__aexit__",
            ):
                group: Any = frame.f_locals.get("self")
                kind = f"{module.partition('.')[0]}.TaskGroup"
                return f"the tasks of an {kind}: {_names(tasks_of(group), own)}"
            case _:
                pass
    return None


def _name(future: object, own: Own) -> str:
    if isinstance(future, Wake):
        return future.label
    if isinstance(future, Handle):
        return operation_of(cast("Handle[object]", future)).label
    if isinstance(future, asyncio.Task):
        coroutine = cast("asyncio.Task[object]", future).get_coro()
        if type(coroutine) is WorkflowTask:
            return f"the task {task_name(cast('WorkflowTask[object]', coroutine))!r}"
        name = getattr(coroutine, "__qualname__", "")
        return f"the task {name!r}, which is not the workflow's"
    children = children_of(future)
    if children is not None:
        return f"asyncio.gather of {_names(children, own)}"
    inner = shielded_by(future)
    if inner is not None:
        return f"asyncio.shield of {_name(inner, own)}"
    if is_chained(future):
        return "a future of concurrent.futures"
    if isinstance(future, asyncio.Future):
        return "a future that neither an operation nor a task completes"
    return repr(future)


def _names(futures: Iterable[object], own: Own) -> str:
    names = sorted(_name(each, own) for each in futures if not _is_done(each))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _reach(future: object, own: Own) -> Reach:
    if isinstance(future, (Wake, Handle)) or future in own or _is_done(future):
        return Reach.INSIDE
    children = children_of(future)
    if children is not None:
        return _furthest(children, own)
    inner = shielded_by(future)
    if inner is not None:
        return _reach(inner, own)
    if getattr(future, "is_timed", False):
        return Reach.TIMER
    return Reach.THREAD if is_chained(future) else Reach.FUTURE


def _furthest(futures: Iterable[object], own: Own) -> Reach:
    return max((_reach(each, own) for each in futures), default=Reach.INSIDE)


def _is_done(future: object) -> bool:
    return isinstance(future, asyncio.Future) and future.done()


def _is(frame: FrameType, *directories: str) -> bool:
    return frame.f_code.co_filename.startswith(directories)


def _is_users(frame: FrameType) -> bool:
    return not _is(frame, _SDK, *_STANDARD, *_INSTALLED)


def _place(frame: FrameType) -> str:
    """Name a line as editors and terminals link it, from the current directory if it is below."""
    path, here = Path(frame.f_code.co_filename), Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    return f"{shown}:{frame.f_lineno}"


def _variable(value: object, frame: FrameType | None) -> str | None:
    """Find the variable, or the attribute of ``self``, that holds this, where the code waits."""
    if frame is None or value is None:
        return None
    scopes = [("", frame.f_locals), ("", frame.f_globals)]
    itself = frame.f_locals.get("self")
    if hasattr(itself, "__dict__"):
        scopes.insert(1, ("self.", vars(itself)))
    for prefix, variables in scopes:
        for name, each in list(variables.items()):
            if each is value:
                return f"{prefix}{name}"
    return None
