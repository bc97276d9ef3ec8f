"""Virtual time for the loop of the SDK: waiting takes no time, and a hang is reported.

``time.monotonic`` stands still while anything can run. When the loop would sleep until a timer, time
jumps there; only threads are waited for in real time.
"""

from __future__ import annotations

import asyncio
import gc
import selectors
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any
from unittest import mock

from durable_execution_sdk.runtime import loop as sdk_loop

_real_monotonic = time.monotonic

# More turns of the loop than any generated program takes in an invocation.
MOST_TURNS = 400_000
# Seconds of real time for a thread, before the invocation counts as hanging.
THREAD_SECONDS = 5.0


class Stuck(BaseException):
    """Raised if the invocation would never end: it spins, or waits for something that cannot come."""


class VirtualClock:
    """The time of one execution, in seconds, for the loop and for the service."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.turns = 0
        self.threads = 0
        self.has_threads = False
        # Seconds of real time for which threads of unknown origin are waited for.
        self.grace = 0.001
        self._others: frozenset[threading.Thread] = frozenset()

    def monotonic(self) -> float:
        """Stand in for ``time.monotonic``; other threads of the process keep their own time."""
        # A server of another test would otherwise sleep until a time that never comes.
        if threading.current_thread() in self._others:
            return _real_monotonic()
        return self.now

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self.now += max(seconds, 0.0)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Make it the clock of this thread's loop, which nothing else uses afterwards."""
        self._others = frozenset(
            thread
            for thread in threading.enumerate()
            if thread is not threading.current_thread() and thread.name != "durable-step"
        )
        try:
            with mock.patch.object(time, "monotonic", self.monotonic):
                yield
        finally:
            forget_environment()

    def take_over(self) -> None:
        """Let the loop of the next invocation use this clock."""
        loop = sdk_loop.environment().loop
        selector = loop.idle_selector
        if not isinstance(selector, _VirtualSelector):
            selector.__class__ = _VirtualSelector
            _count_threads(loop, selector)
        selector.clock = self
        self.turns = self.threads = 0


class _Jumping(selectors.DefaultSelector):
    """A selector that sleeps by moving the clock."""

    clock: VirtualClock

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        clock = self.clock
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if clock.threads > 0:
            patience = THREAD_SECONDS if timeout is None else min(timeout, THREAD_SECONDS)
            ready = super().select(patience)
        elif clock.has_threads:
            ready = super().select(clock.grace)
        if ready:
            return ready
        if timeout is None:
            raise Stuck("nothing can wake the loop: no timer is set and no thread runs")
        clock.jump(timeout)
        return []


class _VirtualSelector(sdk_loop._IdleSelector, _Jumping):
    """The SDK's selector, with the sleep replaced by that of ``_Jumping``."""

    def select(self, timeout: float | None = None) -> list[Any]:
        clock = self.clock
        clock.turns += 1
        if clock.turns > MOST_TURNS:
            clock.turns = 0
            raise Stuck(f"the loop took {MOST_TURNS:,} turns in one invocation")
        return super().select(timeout)


def _count_threads(loop: Any, selector: _VirtualSelector) -> None:
    run_in_executor = loop.run_in_executor

    def counted(executor: Any, function: Any, *args: Any) -> asyncio.Future[Any]:
        clock = selector.clock
        clock.threads += 1
        future = run_in_executor(executor, function, *args)

        def ended(_: object) -> None:
            clock.threads -= 1

        future.add_done_callback(ended, context=Context())
        return future

    loop.run_in_executor = counted


# Loops that did not end, kept with their tasks, whose destruction would log warnings.
_ABANDONED: list[Any] = []


def forget_environment() -> None:
    """Abandon this thread's loop; the next invocation makes a new one."""
    owner = getattr(sdk_loop._owners, "owner", None)
    if owner is None:
        return
    loop = owner.environment.loop
    owner.environment.observe(None)
    loop.set_task_factory(None)
    if left := asyncio.all_tasks(loop):
        loop.set_exception_handler(lambda _loop, _context: None)
        _ABANDONED.append((owner, left))
    del sdk_loop._owners.owner


def free_abandoned_loops() -> None:
    """Free the abandoned loops without warnings."""
    if not _ABANDONED:
        return
    with mock.patch.object(sys, "unraisablehook", lambda _: None), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _ABANDONED.clear()
        gc.collect()
