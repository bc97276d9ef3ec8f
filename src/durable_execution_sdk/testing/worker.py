"""Run blocking work in a thread of its own, and wait for it no longer than its time limit.

A handler runs an event loop, so it cannot run in a thread whose loop is running. A separate thread
also lets a test continue, and report the blocked line, when a workflow never returns.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import math
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Generic, TypeVar, cast

from durable_execution_sdk.runtime.current import CURRENT
from durable_execution_sdk.runtime.event_loop import threads
from durable_execution_sdk.runtime.external_wakeups import standing_by
from durable_execution_sdk.runtime.tasks import WorkflowTask
from durable_execution_sdk.testing.errors import RunTimeoutError, is_told

__all__ = ["Watch", "blocked", "in_thread", "in_thread_async"]

__tracebackhide__ = is_told

_T = TypeVar("_T")

# The time that an invocation may take to suspend after its time limit.
_GRACE_SECONDS = 1.0
# A thread that runs Python code uses processor time within this interval.
_LOOK_SECONDS = 0.05
_FRAMES = 5
_OURS = __file__.rpartition("testing")[0]


class Watch:
    """The time limit of a piece of work, in real seconds; ``stop`` is set when it is given up."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.stop = threading.Event()
        self._ends_at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """The seconds that are left, or 0."""
        return max(0.0, self._ends_at - time.monotonic())


class _Worker(Generic[_T]):
    def __init__(self, work: Callable[[Watch], _T], watch: Watch) -> None:
        self._watch = watch
        self._outcome: _T | None = None
        self._error: BaseException | None = None
        self._on_end: Callable[[], object] = bool
        context = contextvars.copy_context()
        # The caller may be a step of another workflow, to which this work must not belong.
        context.run(CURRENT.set, None)
        self.thread = threading.Thread(
            target=context.run, args=(self._run, work), name="durable-test", daemon=True
        )

    def start(self, on_end: Callable[[], object] = bool) -> None:
        self._on_end = on_end
        self.thread.start()

    def _run(self, work: Callable[[Watch], _T]) -> None:
        try:
            self._outcome = work(self._watch)
        except BaseException as error:  # raised again by outcome()
            self._error = error
        finally:
            self._on_end()

    def outcome(self) -> _T:
        error, self._error = self._error, None
        if error is None:
            return cast("_T", self._outcome)
        try:
            raise error
        finally:
            # The traceback refers to this frame.
            del error

    def interrupt(self) -> None:
        """Give up the work: raise ``SystemExit`` in its thread.

        That ends Python code; a call that blocks outside of Python continues until it returns.
        """
        self._watch.stop.set()
        if self.thread.ident is not None and _may_be_interrupted(self.thread.ident):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self.thread.ident), ctypes.py_object(SystemExit)
            )
        self.thread.join(_GRACE_SECONDS / 5)

    def given_up(self) -> RunTimeoutError:
        """Give up the work, and return an error that shows the code where it was."""
        error = blocked(self._watch, self.thread)
        self.interrupt()
        return error


def blocked(watch: Watch, thread: threading.Thread) -> RunTimeoutError:
    """Build the error that shows the line where code of the workflow blocks."""
    return RunTimeoutError(
        f"the test allows {watch.seconds:g} s, and code of the workflow still blocks after that, here:\n"
        + _stacks_text(thread)
    )


def _may_be_interrupted(ident: int) -> bool:
    """Tell whether an exception can be sent to a thread without harm to other threads.

    On Python 3.11, while a thread that blocks outside of Python has a pending exception, every thread
    that is traced (by coverage or a debugger) loops forever. So there, the thread must be running: it
    must use processor time.
    """
    if sys.version_info >= (3, 12) or sys.gettrace() is None:
        return True
    clock_of = getattr(time, "pthread_getcpuclockid", None)
    if clock_of is None:
        return False
    clock = clock_of(ident)
    before = time.clock_gettime(clock)
    time.sleep(_LOOK_SECONDS)
    return time.clock_gettime(clock) > before


def in_thread(work: Callable[[Watch], _T], seconds: float) -> _T:
    """Run work in a thread, and block until it has ended; ``RunTimeoutError`` after ``seconds``."""
    watch = Watch(seconds)
    worker = _Worker(work, watch)
    try:
        with standing_by():
            worker.start()
            worker.thread.join(None if math.isinf(seconds) else seconds + _GRACE_SECONDS)
    except BaseException:
        # After Ctrl-C, the work must not continue in the background.
        worker.interrupt()
        raise
    if worker.thread.is_alive():
        raise worker.given_up()
    return worker.outcome()


async def in_thread_async(work: Callable[[Watch], _T], seconds: float) -> _T:
    """Run work in a thread while the caller's event loop continues; ``RunTimeoutError`` after ``seconds``.

    The caller's loop is blocked if it is not asyncio's, and in the code of a workflow, where waiting
    would be an operation.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return in_thread(work, seconds)
    if isinstance(CURRENT.get(), WorkflowTask):
        return in_thread(work, seconds)
    watch = Watch(seconds)
    worker = _Worker(work, watch)
    ended = asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop was closed
            loop.call_soon_threadsafe(ended.set)

    try:
        limit = None if math.isinf(seconds) else seconds + _GRACE_SECONDS
        with standing_by():
            worker.start(wake)
            await asyncio.wait_for(ended.wait(), limit)
    except TimeoutError:
        raise worker.given_up() from None
    except asyncio.CancelledError:
        watch.stop.set()
        try:
            await asyncio.wait_for(ended.wait(), _GRACE_SECONDS)
        except TimeoutError:
            worker.interrupt()
        else:
            worker.thread.join()
        raise
    worker.thread.join()
    return worker.outcome()


def _stacks_text(thread: threading.Thread) -> str:
    """Write the stacks of busy step threads, or else that of the thread that runs the workflow."""
    frames = sys._current_frames()  # noqa: SLF001 - the documented way to ask
    steps = [step for step in threading.enumerate() if step.name.startswith("durable-step")]
    busy = [_stack(frames.get(step.ident or 0)) for step in steps]
    stacks = [step for step in busy if step] or [_stack(frames.get(thread.ident or 0))]
    return "\n".join(line.rstrip() for stack in stacks for line in traceback.format_list(stack))


def _stack(frame: FrameType | None) -> list[traceback.FrameSummary]:
    """Return the innermost frames outside this package; none for a thread that waits for work."""
    stack = list(traceback.extract_stack(frame)) if frame is not None else []
    if stack and stack[-1].filename == threads.__file__:
        return []
    return [line for line in stack if not line.filename.startswith(_OURS)][-_FRAMES:]
