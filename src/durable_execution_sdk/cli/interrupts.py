"""Ctrl-C: first ask the execution to stop where nothing is lost, then insist.

Once asked, the invocation that runs is cut at its next checkpoint: what it did by then is recorded, and
the next run goes on from there, as after ``kill -9``.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from durable_execution_sdk.cli.saying import say
from durable_execution_sdk.emulator.caller import Seams
from durable_execution_sdk.emulator.invokers import Answer, Call, Invoker
from durable_execution_sdk.model.api import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.model.update import OperationAction
from durable_execution_sdk.service import DataPlane

if sys.platform == "win32":
    from _thread import interrupt_main as _press_ctrl_c
else:

    def _press_ctrl_c() -> None:
        # To the main thread itself, or it would not wake up from waiting for another one.
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)


_SECONDS_TO_CLEAN_UP = 0.5

ASKED = "stopping after the step that runs now; Ctrl-C again cuts it off"


class Interrupts:
    """Listens for Ctrl-C while its context is open."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.cut = False
        self._invocations = 0

    @property
    def seams(self) -> Seams:
        """Where a driver lets this in."""
        return Seams(
            data_plane=lambda plane: _Interruptible(plane, self.asked),
            invoker=self._watched,
        )

    def footnote(self) -> str | None:
        """What a watcher should know while the execution comes to its stop."""
        return ASKED if self.asked.is_set() else None

    @contextmanager
    def cutting(self) -> Generator[None]:
        """Take an invocation that was cut for an end like any other; ``cut`` tells."""
        try:
            yield
        except KeyboardInterrupt:
            self.cut = True

    def leave(self, code: int) -> None:
        """End the process here if an invocation was cut.

        The threads of its step bodies can neither be stopped nor waited for.
        """
        if self.cut:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    @contextmanager
    def listening(self, *, aloud: bool) -> Generator[None]:
        """Take Ctrl-C; ``aloud``: answer it at once, because nothing else shows the footnote."""
        insisting: list[threading.Timer] = []

        def interrupt(number: int, frame: FrameType | None) -> None:
            if self.asked.is_set():
                insisting.append(_interrupt_again())
                signal.default_int_handler(number, frame)
            self.asked.set()
            if aloud and self._invocations:
                say(ASKED, err=True)

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            for timer in insisting:
                timer.cancel()
            signal.signal(signal.SIGINT, before)

    def _watched(self, invoker: Invoker) -> Invoker:
        def call(call: Call) -> Answer:
            self._invocations += 1
            try:
                return invoker(call)
            finally:
                self._invocations -= 1

        return call


def _interrupt_again() -> threading.Timer:
    # What is cut off cleans up first, and may wait for a step body in a thread that never ends.
    timer = threading.Timer(_SECONDS_TO_CLEAN_UP, _press_ctrl_c)
    timer.daemon = True
    timer.start()
    return timer


class _Interruptible:
    """A data plane whose checkpoints are the places at which an invocation can be cut."""

    def __init__(self, plane: DataPlane, asked: threading.Event) -> None:
        self._plane = plane
        self._asked = asked

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates; then stop, if somebody asked for it.

        What is done is recorded. What would only begin does not: an at-most-once step whose start is
        recorded, and whose body is cut off, is not run again.
        """
        asked = self._asked.is_set()
        if asked and all(update.action is OperationAction.START for update in request.updates):
            raise KeyboardInterrupt
        response = await self._plane.checkpoint(request)
        if self._asked.is_set():
            raise KeyboardInterrupt
        return response

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of operations."""
        return await self._plane.get_state(request)

    def now(self) -> int:
        """The service's time."""
        return self._plane.now()
