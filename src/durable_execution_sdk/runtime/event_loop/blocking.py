"""The warning of code that blocks the event loop: a step's body, or workflow code, that waits without ``await``.

Meanwhile nothing else of the execution goes on: no other step, no completion, no departure before the function's
time is up. The loop cannot see that itself, so a thread looks at it. A callback that is the same, in the same turn of
the loop, in four looks after the first one has blocked it for a second at least. Looks are counted, not seconds,
because Lambda freezes the process between invocations, and other systems suspend processes too.

Replay goes through the records of many operations in one callback, and asks for an operation each time. So the
records that it has asked for count as moves.

Code in C that holds the interpreter's lock stops the thread as well, and is not seen.
"""

from __future__ import annotations

import asyncio
import linecache
import selectors
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from contextvars import Context
from types import CodeType, FrameType
from weakref import ref

from durable_execution_sdk.runtime.current import CURRENT, StepContext
from durable_execution_sdk.runtime.event_loop.idle_selector import IdleSelector
from durable_execution_sdk.runtime.event_loop.observer import ObservedRun
from durable_execution_sdk.runtime.tasks import WorkflowTask

__all__ = ["LOOKS", "Sampler"]

# The looks after the first one in which a callback has to be the same. With a quarter of a second between two, it has
# then run for a second at least.
LOOKS = 4
# Upper bound of the places that were told.
_MOST_PLACES = 200

_IDLE: tuple[CodeType, ...] = (
    IdleSelector.select.__code__,
    selectors.DefaultSelector.select.__code__,
)
_RUN_OF_HANDLE: CodeType = asyncio.Handle._run.__code__  # noqa: SLF001
# The first parts of modules' names: a debugger has stopped the code.
_DEBUGGERS = ("bdb", "pdb", "pydevd", "_pydevd_bundle", "debugpy")

_OURS = __name__.partition(".")[0]


class _Seen:
    """The state of a loop at the last looks."""

    def __init__(self) -> None:
        self.moves: object = None
        self.handle: ref[object] | None = None
        self.times = 0


class Sampler:
    """Looks at loops from another thread, and warns of code that blocks one, once for each place."""

    def __init__(self) -> None:
        self._seen: dict[IdleSelector, _Seen] = {}
        self._told: set[tuple[str, int]] = set()

    def look(self, running: list[IdleSelector]) -> None:
        """Look at the loops that run invocations now."""
        self._seen = {selector: self._seen.get(selector) or _Seen() for selector in running}
        for selector, seen in self._seen.items():
            observer = selector.observer
            if observer is not None:
                self._look_at(selector, observer.observed, seen)

    def _look_at(self, selector: IdleSelector, run: ObservedRun, seen: _Seen) -> None:
        moves = (selector.turns, run.tasks.progress, len(run.journal.unclaimed))
        frame = None if moves != seen.moves else _frame_of(run.thread)
        if frame is None:
            seen.moves, seen.handle, seen.times = moves, None, 0
            return
        handle = _handle_in(frame)
        if seen.times and handle is not (seen.handle and seen.handle()):
            seen.times = 0  # a long turn of many callbacks
        seen.handle = None if handle is None else ref(handle)
        seen.times += 1
        if seen.times == LOOKS:
            self._warn(run, frame, getattr(handle, "_context", None))

    def _warn(self, run: ObservedRun, frame: FrameType, context: Context | None) -> None:
        blocking = _Blocking(frame, None if context is None else context.get(CURRENT))
        if blocking.place in self._told or len(self._told) >= _MOST_PLACES:
            return
        self._told.add(blocking.place)
        # The step's own context marks the line with its ids. That of workflow code would hold it back in replay.
        context = Context() if context is None else context.copy()
        if not blocking.is_step:
            context.run(CURRENT.set, None)
        # The logging module notes the threads that call it, and one that stays would count as a thread that may wake
        # a workflow.
        thread = threading.Thread(
            target=context.run,
            args=(run.settings.logger.warning, blocking.message(run.invoked.arn)),
            kwargs={"extra": {"durable_execution_arn": run.invoked.arn}},
            name="durable-blocking",
            daemon=True,
        )
        with suppress(RuntimeError):  # the system has no more threads
            thread.start()  # to join it would note this thread too


class _Blocking:
    """Code that blocks the loop: the place in the user's code, and the call inside of it."""

    def __init__(self, frame: FrameType, current: object) -> None:
        own = _own_frame(frame)
        code = own.f_code
        self.place = (code.co_filename, own.f_lineno)
        self.is_step = isinstance(current, StepContext)
        text = linecache.getline(*self.place).strip()
        self._where = f"{code.co_filename}:{own.f_lineno}, in {code.co_qualname}"
        self._where += f": {text}" if text else ""
        if frame is not own:
            self._where += (
                f" (inside of it, {frame.f_code.co_filename}:{frame.f_lineno}, in"
                f" {frame.f_code.co_qualname})"
            )
        self._current = current

    def message(self, arn: str) -> str:
        """Return the warning."""
        subject, cure = f"code on the event loop of {arn}", "Await an asynchronous call there"
        if isinstance(self._current, StepContext):
            name = self._current.operation_name or self._current.operation_id
            subject = f"the body of step {name!r} of {arn}"
            cure += ", or make the step's function a plain def, which runs in a thread"
        elif isinstance(self._current, WorkflowTask):
            subject = f"workflow code of {arn}, which is in no step,"
            cure = "Move the work into a step whose function is a plain def, which runs in a thread"
        return (
            f"{subject} has blocked the event loop for more than a second, at {self._where}. Meanwhile nothing"
            f" else of the invocation goes on. {cure}."
            " durable_execution(warn_of_blocking=False) turns this warning off"
        )


def _frame_of(thread: int) -> FrameType | None:
    """Return the innermost frame of the loop's thread; ``None`` if the loop waits, or a debugger has stopped it."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - the documented way to ask
    if frame is None or frame.f_code in _IDLE:
        return None
    is_stopped = any(_package(each) in _DEBUGGERS for each in _frames(frame))
    return None if is_stopped else frame


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames of the callback, the innermost first."""
    while frame is not None and frame.f_code is not _RUN_OF_HANDLE:
        yield frame
        frame = frame.f_back


def _handle_in(frame: FrameType | None) -> object:
    """Return the callback of the loop that runs."""
    while frame is not None:
        if frame.f_code is _RUN_OF_HANDLE:
            return frame.f_locals.get("self")
        frame = frame.f_back
    return None


def _own_frame(frame: FrameType) -> FrameType:
    """Return the innermost frame of the package to which the function belongs that the SDK has called.

    Libraries lie beside the user's code in Lambda, so paths do not tell the two apart.
    """
    frames = list(_frames(frame))
    while frames and _package(frames[0]) == _OURS:
        frames.pop(0)
    called = next((n for n, each in enumerate(frames) if _package(each) == _OURS), len(frames))
    frames = frames[:called]
    while frames and _package(frames[-1]) in sys.stdlib_module_names:
        frames.pop()
    if not frames:
        return frame
    package = _package(frames[-1])
    return next(each for each in frames if _package(each) == package)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]
