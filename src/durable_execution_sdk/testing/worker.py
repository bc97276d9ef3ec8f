"""Runs blocking work in a thread of its own, joins it, and never waits for it longer than allowed.

A handler has an event loop of its own, so it cannot run in a thread whose loop is running. A thread
also lets a test go on, and say where the code hangs, when a workflow blocks for good.
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

from durable_execution_sdk.runtime import threads
from durable_execution_sdk.runtime.current import CURRENT
from durable_execution_sdk.runtime.outside import standing_by
from durable_execution_sdk.runtime.tasks import WorkflowTask
from durable_execution_sdk.testing.errors import RunTimeoutError, is_told

__all__ = ["Watch", "blocked", "in_thread", "in_thread_async"]

__tracebackhide__ = is_told

_T = TypeVar("_T")

# What an invocation may take to leave in good order once its time is up.
_GRACE_SECONDS = 1.0
# What a thread that runs Python code cannot go without moving.
_LOOK_SECONDS = 0.05
_FRAMES = 5
_OURS = __file__.rpartition("testing")[0]


class Watch:
    """How long work may take, in real seconds, and whether anybody still wants it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.stop = threading.Event()
        self._ends_at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """How many seconds are left; 0 when none are."""
        return max(0.0, self._ends_at - time.monotonic())


class _Worker(Generic[_T]):
    def __init__(self, work: Callable[[Watch], _T], watch: Watch) -> None:
        self._watch = watch
        self._outcome: _T | None = None
        self._error: BaseException | None = None
        self._on_end: Callable[[], object] = bool
        context = contextvars.copy_context()
        # Whoever calls may be a step of another workflow; what runs here is no part of that.
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
        except BaseException as error:  # handed on to whoever waits, whatever it is
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
        """Nobody waits any more: end what can be ended, as ``sys.exit`` would.

        Python code is interrupted; a call that blocks outside of Python goes on until it returns.
        """
        self._watch.stop.set()
        if self.thread.ident is not None and _may_be_interrupted(self.thread.ident):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self.thread.ident), ctypes.py_object(SystemExit)
            )
        self.thread.join(_GRACE_SECONDS / 5)

    def given_up(self) -> RunTimeoutError:
        """Nobody waits any more: say what the code was doing."""
        error = blocked(self._watch, self.thread)
        self.interrupt()
        return error


def blocked(watch: Watch, thread: threading.Thread) -> RunTimeoutError:
    """Say where code of the workflow is that does not end."""
    return RunTimeoutError(
        f"the test allows {watch.seconds:g} s, and code of the workflow still blocks after that, here:\n"
        + _where(thread)
    )


def _may_be_interrupted(ident: int) -> bool:
    """Whether an exception can be sent to a thread without harm to the others.

    While a thread that is busy outside of Python has one yet to see, Python 3.11 goes round for ever in
    each thread that is traced, by coverage or a debugger. So there it must be seen to move.
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
    """Do it in a thread, and block until it is done or its time is up."""
    watch = Watch(seconds)
    worker = _Worker(work, watch)
    try:
        with standing_by():
            worker.start()
            worker.thread.join(None if math.isinf(seconds) else seconds + _GRACE_SECONDS)
    except BaseException:
        # Ctrl-C: nothing is left running in the background.
        worker.interrupt()
        raise
    if worker.thread.is_alive():
        raise worker.given_up()
    return worker.outcome()


async def in_thread_async(work: Callable[[Watch], _T], seconds: float) -> _T:
    """Do it in a thread while the caller's event loop goes on.

    Under an event loop that is not asyncio's, the loop stands still meanwhile; so it does in the code
    of a workflow, where timers are operations of that.
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


def _where(thread: threading.Thread) -> str:
    """Where plain steps are, or else the thread that runs the workflow."""
    frames = sys._current_frames()  # noqa: SLF001 - the documented way to ask
    steps = [each for each in threading.enumerate() if each.name.startswith("durable-step")]
    busy = [_stack(frames.get(each.ident or 0)) for each in steps]
    stacks = [each for each in busy if each] or [_stack(frames.get(thread.ident or 0))]
    return "\n".join(line.rstrip() for stack in stacks for line in traceback.format_list(stack))


def _stack(frame: FrameType | None) -> list[traceback.FrameSummary]:
    """The innermost frames, without ours; none of a thread that waits for work."""
    stack = list(traceback.extract_stack(frame)) if frame is not None else []
    if stack and stack[-1].filename == threads.__file__:
        return []
    return [each for each in stack if not each.filename.startswith(_OURS)][-_FRAMES:]
