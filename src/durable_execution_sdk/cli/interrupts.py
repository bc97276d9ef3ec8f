"""Ctrl-C handling: the first stops the execution at its next checkpoint, the second stops it at once.

The first sets a flag. The running invocation is interrupted at its next checkpoint, after the finished
operations are recorded, and its end is recorded without an error once its clean-up is over and no body runs.
The next run continues from there at once. After the second one it does so as after ``kill -9``.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.emulator.functions.invokers import Answer, Call, Invoker
from durable_execution_sdk.ports import DataPlane, ForwardingDataPlane
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
)
from durable_execution_sdk.protocol.updates import OperationAction

if sys.platform == "win32":
    from _thread import interrupt_main as _press_ctrl_c
else:

    def _press_ctrl_c() -> None:
        # To the main thread itself: a signal to the process may not wake it while it joins a thread.
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)


_SECONDS_TO_CLEAN_UP = 0.5

ASKED = "stopping after the step that runs now; Ctrl-C again cuts it off"


@contextmanager
def interruptible() -> Generator[None]:
    """Let SIGINT and SIGTERM raise ``KeyboardInterrupt``.

    SIGINT too: a shell starts programs in the background with that signal ignored.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class Interrupts:
    """The state of Ctrl-C during a run: ``asked`` after the first, ``cut`` once an invocation was stopped."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.cut = False
        self._has_insisted = False
        self._invocations = 0

    @property
    def wrappers(self) -> Wrappers:
        """Wrappers of the data plane and of invocations, for the driver of the run."""
        return Wrappers(
            data_plane=lambda plane: _Interruptible(plane, self.asked),
            invoker=self._counting,
        )

    def footnote(self) -> str | None:
        """Return the line to show below the progress after the first Ctrl-C."""
        return ASKED if self.asked.is_set() else None

    @contextmanager
    def cutting(self) -> Generator[None]:
        """Catch the interruption of an invocation, and set ``cut``."""
        try:
            yield
        except KeyboardInterrupt:
            self.cut = True

    def leave(self, code: int) -> None:
        """Exit the process at once if an invocation was stopped, without joining its threads.

        Step bodies in threads can neither be stopped nor waited for.
        """
        if self.cut:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    @contextmanager
    def listening(self, *, aloud: bool) -> Generator[None]:
        """Handle SIGINT; with ``aloud``, print the footnote at once, because no live tree shows it."""
        insisting: list[threading.Timer] = []

        def interrupt(number: int, frame: FrameType | None) -> None:
            if self.asked.is_set():
                self._has_insisted = True
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

    def _counting(self, invoker: Invoker) -> Invoker:
        def call(call: Call) -> Answer:
            self._invocations += 1
            try:
                return invoker(call)
            except KeyboardInterrupt:
                if self._has_insisted or not self.asked.is_set():
                    raise
                self.cut = True
                return Answer(is_interrupted=True)
            finally:
                self._invocations -= 1

        return call


def _interrupt_again() -> threading.Timer:
    # Cleaning up after the first KeyboardInterrupt may wait for a step's thread that never ends; a
    # second one, a moment later, ends that.
    timer = threading.Timer(_SECONDS_TO_CLEAN_UP, _press_ctrl_c)
    timer.daemon = True
    timer.start()
    return timer


class _Interruptible(ForwardingDataPlane):
    """A data plane that raises ``KeyboardInterrupt`` at a checkpoint after the first Ctrl-C."""

    def __init__(self, plane: DataPlane, asked: threading.Event) -> None:
        super().__init__(plane)
        self._asked = asked

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates, then raise ``KeyboardInterrupt`` if Ctrl-C was pressed.

        A batch that only starts operations is not recorded: an at-most-once step whose start is recorded
        and whose body never ran would not run again.
        """
        is_stopping = self._asked.is_set()
        if is_stopping and all(
            update.action == OperationAction.START for update in request.updates
        ):
            raise KeyboardInterrupt
        response = await self._plane.checkpoint(request)
        if self._asked.is_set():
            raise KeyboardInterrupt
        return response
