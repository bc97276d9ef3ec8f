"""Virtual time for the loop of the SDK: waiting takes no time, and a hang is reported.

``time.monotonic`` stands still while anything can run. When the loop would sleep until a timer, time
jumps there; only threads are waited for in real time, until each has ended and told so. How long that
takes is nothing that a program sees.
"""

from __future__ import annotations

import asyncio
import gc
import random
import selectors
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any
from unittest import mock

from durable_execution_sdk.runtime.current import CURRENT, StepContext
from durable_execution_sdk.runtime.event_loop import WorkflowLoop, threads
from durable_execution_sdk.runtime.event_loop import environment as sdk_environment
from durable_execution_sdk.runtime.event_loop.idle_selector import IdleSelector
from durable_execution_sdk.runtime.log import checkpointer

_real_monotonic = time.monotonic

# More turns of the loop than any generated program takes in an invocation.
MOST_TURNS = 400_000
# How long a thread may take in real time before the invocation counts as hanging.
THREAD_SECONDS = 60.0
# How often to look for the end of one.
LOOK_SECONDS = 0.002

# The real time, whatever ``time.monotonic`` is.
_now = time.perf_counter


class Stuck(BaseException):
    """Raised if the invocation would never end: it spins, or waits for something that cannot come."""


class HeldCall:
    """A call that workflow code gives to a thread: it lasts until the clock lets it go.

    The clock does so when the loop is about to wait, before or after the SDK does what is due. So the end of
    each call has a place of its own among all that happens.
    """

    def __init__(self) -> None:
        self.go = threading.Event()
        # Set once the thread has told its end to the loop.
        self.told = threading.Event()

    def __call__(self) -> str:
        self.go.wait()
        _ended.call = self
        return "done"


# The call that a thread has ended, until it tells so.
_ended = threading.local()


class VirtualClock:
    """The time of one execution, in seconds, for the loop and for the service."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.turns = 0
        self._others: frozenset[threading.Thread] = frozenset()
        # How long a turn of the loop takes.
        self.turn_seconds = 0.0
        # The calls that workflow code gave to threads and that last.
        self._held: list[HeldCall] = []
        # Decides which of them ends, and when.
        self.chance = random.Random(0)
        # The calls that threads have, each until all that wait for it have been told of its end.
        self._calls: set[object] = set()
        self._over: set[object] = set()
        self._idle = 0
        # How many bodies have begun, where they say so.
        self.entered: int | None = None
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        """Stand in for ``time.monotonic``; other threads of the process keep their own time."""
        # A server of another test would otherwise sleep until a time that never comes.
        if threading.current_thread() in self._others:
            return _real_monotonic()
        return self.now

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self.now += max(seconds, 0.0)

    def holds(self, call: HeldCall) -> None:
        """Let a call last until it is let go."""
        self._held.append(call)

    def lets_go(self, call: HeldCall) -> None:
        """Let a call end, if it has not."""
        call.go.set()
        if call in self._held:
            self._held.remove(call)

    def lets_next_go(self) -> HeldCall | None:
        """Let one of the calls end that last, and return it; ``None`` if there is none."""
        if not self._held:
            return None
        call = self._held.pop(self.chance.randrange(len(self._held)))
        call.go.set()
        return call

    @property
    def is_quick(self) -> bool:
        """Tell if a call ends before the SDK does what is due, as by chance half of them do."""
        return bool(self._held) and self.chance.random() < 0.5

    def ends_next(self) -> bool:
        """Let one of the calls end that last, and wait until it has told so; ``False`` if there is none."""
        call = self.lets_next_go()
        # That the loop wakes proves nothing: a callback of another thread may have come first.
        if call is not None and not call.told.wait(THREAD_SECONDS):
            raise Stuck(f"a thread ran for {THREAD_SECONDS:g} s")
        return call is not None

    def begins(self, call: object) -> None:
        """A thread is given a call, which may be over already."""
        with self._lock:
            if call in self._over:
                self._over.discard(call)
            else:
                self._calls.add(call)

    def ends(self, call: object) -> None:
        """A call is over, and all that wait for it have been told."""
        with self._lock:
            if call in self._calls:
                self._calls.discard(call)
            else:
                self._over.add(call)

    @property
    def has_calls(self) -> bool:
        """Tell whether a thread may still wake the loop."""
        with self._lock:
            self._calls = {each for each in self._calls if not _is_cancelled(each)}
            return len(self._calls) > self._idle

    def idles(self, count: int) -> None:
        """So many threads more wait for others, which need time to come."""
        with self._lock:
            self._idle += count

    def join(self) -> None:
        """Wait for the threads: those of a process that has died die with it."""
        while self.lets_next_go() is not None:
            pass
        until = _now() + THREAD_SECONDS
        while self.has_calls:
            if _now() > until:
                raise Stuck(f"a thread ran for {THREAD_SECONDS:g} s")
            time.sleep(LOOK_SECONDS)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Make it the clock of this thread's loop, which nothing else uses afterwards."""
        self._others = frozenset(
            thread
            for thread in threading.enumerate()
            if thread is not threading.current_thread() and thread.name != "durable-step"
        )
        try:
            with (
                mock.patch.object(time, "monotonic", self.monotonic),
                # A new process does not know what an earlier execution's service has refused.
                mock.patch.object(checkpointer, "_takes_no_cancel", set()),
                self._counting(),
            ):
                yield
        finally:
            forget_environment()

    def take_over(self) -> None:
        """Let the loop of the next invocation use this clock."""
        loop = sdk_environment.environment().loop
        selector = loop.idle_selector
        if not isinstance(selector, _VirtualSelector):
            selector.__class__ = _VirtualSelector
        assert isinstance(selector, _VirtualSelector)
        selector.clock = self
        self.turns = 0

    @contextmanager
    def _counting(self) -> Iterator[None]:
        """Take note of the calls of threads: the SDK's, anyio's, and of ``run_in_executor``."""
        submit, run = threads.InvocationThreads.submit, threads._run
        call_soon = WorkflowLoop.call_soon_threadsafe

        def counted(pool: Any, function: Any, *args: Any) -> Any:
            entered = self.entered
            future = submit(pool, function, *args)
            self.begins(future)
            # A body begins where it is started, and not when the system gets round to its thread.
            is_body = entered is not None and isinstance(CURRENT.get(), StepContext)
            while is_body and future.running() and self.entered == entered:
                time.sleep(0)
            return future

        def told(future: Any, function: Any, args: Any) -> Any:
            tell = run(future, function, args)

            def tells() -> None:
                tell()
                self.ends(future)

            return tells

        def heard(loop: Any, callback: Any, *args: Any, context: Any = None) -> Any:
            handle = call_soon(loop, callback, *args, context=context)
            call: HeldCall | None = _ended.__dict__.pop("call", None)
            if call is not None:
                call.told.set()
            return handle

        with (
            mock.patch.object(WorkflowLoop, "call_soon_threadsafe", heard),
            mock.patch.object(threads.InvocationThreads, "submit", counted),
            mock.patch.object(threads, "_run", told),
        ):
            yield


class _Jumping(selectors.DefaultSelector):
    """A selector that sleeps by moving the clock."""

    clock: VirtualClock

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        clock = self.clock
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if clock.ends_next():
            return super().select(0)
        until = _now() + THREAD_SECONDS
        while not ready and clock.has_calls:
            if _now() > until:
                raise Stuck(f"a thread ran for {THREAD_SECONDS:g} s")
            ready = super().select(LOOK_SECONDS)
        # The last one may have told its end meanwhile.
        ready = ready or super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise Stuck("nothing can wake the loop: no timer is set and no thread runs")
        clock.jump(timeout)
        return []


class _VirtualSelector(IdleSelector, _Jumping):
    """The SDK's selector, with the sleep replaced by that of ``_Jumping``."""

    def select(self, timeout: float | None = None) -> list[Any]:
        clock = self.clock
        clock.turns += 1
        if clock.turn_seconds and not clock.has_calls:
            clock.now += clock.turn_seconds
        if clock.turns > MOST_TURNS:
            clock.turns = 0
            raise Stuck(f"the loop took {MOST_TURNS:,} turns in one invocation")
        # The SDK does what is due in the call below, so the thread's end comes before or after that.
        if (timeout is None or timeout > 0) and clock.is_quick and clock.ends_next():
            return selectors.DefaultSelector.select(self, 0)
        return super().select(timeout)


def _is_cancelled(call: object) -> bool:
    return isinstance(call, Future) and call.cancelled()


# Loops that did not end, kept with their tasks, whose destruction would log warnings.
_ABANDONED: list[Any] = []


def forget_environment() -> None:
    """Abandon this thread's loop; the next invocation makes a new one."""
    owner = getattr(sdk_environment._owners, "owner", None)
    if owner is None:
        return
    loop = owner.environment.loop
    owner.environment.observe(None)
    loop.set_task_factory(None)
    if left := asyncio.all_tasks(loop):
        loop.set_exception_handler(lambda _loop, _context: None)
        _ABANDONED.append((owner, left))
    del sdk_environment._owners.owner


def forget_refusals() -> None:
    """Forget what the service has refused, as the next process does."""
    checkpointer._takes_no_cancel.clear()


def free_abandoned_loops() -> None:
    """Free the abandoned loops without warnings."""
    if not _ABANDONED:
        return
    with mock.patch.object(sys, "unraisablehook", lambda _: None), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _ABANDONED.clear()
        gc.collect()
