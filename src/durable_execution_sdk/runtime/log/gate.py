"""The gate: replay has to ask for every operation of the log before anything new happens.

Code that no longer asks for a recorded operation would run another one in its place, without an error:

    log:   pay_1c9f2e07_1-1 SUCCEEDED, pay_1c9f2e07_2-1 SUCCEEDED     (asyncio.gather(pay("a"), pay("b")))
    code:  await pay("a"); await pay("b")                             claims operations 1 and 2 of the main task

Both would be paid twice. So in an invocation whose log is not empty, no body of a step starts and no update
is sent before the workflow is first quiescent with every recorded end delivered. If the code has asked for
all recorded operations by then, the gate opens for good. Otherwise the execution fails with a
``DeterminismError`` (``unclaimed``), and nothing new has happened. The same check is made when the function of a context
returns before that.

Not counted are operations inside contexts whose functions rightly do not run; those of a task that
iterated over the items of a map that has ended; and timers of asyncio, which are recorded only if they
mattered and have ids of a row of their own.

A timer that ticks in the process does not keep the gate closed. It need not: nothing that is recorded can
come after the firing of a timer that is not. And it must not: in ``async with asyncio.timeout(0.5): await
ctx.step(...)``, after a crash, the step would never start before its timeout.

Nor does a thread or a socket of workflow code once all recorded operations are asked for. In ``await
asyncio.to_thread(call)``, with a ``call`` that waits for ``run_coroutine_threadsafe(operation(), loop)``, each would
wait for the other until the function's time is up, in every invocation. While a recorded operation is still
missed, the gate does wait for the thread: the code behind it may ask for that operation.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.runtime.log import Journal
from durable_execution_sdk.runtime.log.ids import LIMITS, is_self_numbered

__all__ = ["Gate", "SourceLine", "is_of_the_user", "is_of_the_workflow", "source_line"]

# Number of new operations that the error names.
_SHOWN = 10
_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(__file__))) + os.sep  # noqa: PTH120 - pathlib is slow to load
_STANDARD = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120
_DRIVER = f"{_PACKAGE}runtime{os.sep}tasks{os.sep}__init__.py"


if TYPE_CHECKING:

    class Asking(Protocol):
        """An operation that the code has asked for."""

        operation_id: str

        @property
        def label(self) -> str:
            """The name of the operation in messages."""
            ...


class SourceLine(Struct, frozen=True):
    """A line of the user's code."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        """Format the place as editors and terminals link it."""
        return f"{self.file}:{self.line}, in {self.function}"


class Gate:
    """Holds back bodies and updates until replay has asked for all recorded operations."""

    def __init__(self, journal: Journal, loop: asyncio.AbstractEventLoop) -> None:
        self._journal = journal
        self._loop = loop
        self._waiting: list[asyncio.Future[None]] = []
        self._at_opening: list[Callable[[], None]] = []
        # Operations that the code asked for and the log does not hold, and the lines of code that did.
        self.new: list[tuple[Asking, SourceLine | None]] = []
        # The ids of contexts whose functions run in this invocation; ``None`` is the handler's.
        self._running: set[str | None] = {None}
        # The starts of the ids of tasks that would iterate over a map's items and have not begun to.
        self._dormant: set[str] = set()

    async def passed_by(self, body: Coroutine[object, object, None]) -> None:
        """Wait until the gate opens, then run the body of a step."""
        waiting: asyncio.Future[None] = asyncio.Future(loop=self._loop)
        self._waiting.append(waiting)
        await waiting
        await body

    @property
    def holds_bodies(self) -> bool:
        """True if bodies of steps start once it opens."""
        return not all(waiting.done() for waiting in self._waiting)

    def when_open(self, callback: Callable[[], None]) -> None:
        """Call this once the gate opens: it records an end that replay could not have seen."""
        self._at_opening.append(callback)

    def open(self) -> None:
        """Start the bodies that wait, and expect no calls in threads of contexts that have ended: see ``thread_ends``."""
        ends = self._journal.thread_ends
        for record in [each for each in ends.values() if not self.runs(each.parent_id)]:
            del ends[record.id]
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        for callback in self._at_opening:
            callback()

    def asked(self, operation: Asking) -> None:
        """Note an operation that the log does not hold."""
        if len(self.new) < _SHOWN:
            self.new.append((operation, source_line()))

    def entered(self, context_id: str | None) -> None:
        """Note that the function of a context runs."""
        self._running.add(context_id)

    def runs(self, context_id: str | None) -> bool:
        """Return ``True`` if the function of this context runs in this invocation."""
        return context_id in self._running

    def is_dormant(self, items: str) -> None:
        """Note a task that will iterate over a map's items if they are needed."""
        self._dormant.add(items)

    def has_begun(self, items: str) -> None:
        """Note that such a task has begun to iterate."""
        self._dormant.discard(items)

    def divergence(self, *within: str | None) -> DeterminismError | None:
        """Return the error for recorded operations that the code has not asked for; ``None`` if there are none.

        ``within`` are the ids of the contexts to check; without any, all are checked.
        """
        missed = self.missed(*within)
        if not missed:
            return None
        from durable_execution_sdk.runtime.log.unclaimed import unclaimed_error  # noqa: PLC0415 - only for errors

        new = [
            (operation.label, operation.operation_id, line)
            for operation, line in self.new
            if not operation.operation_id.startswith(LIMITS)
        ]
        return unclaimed_error(missed, new, self._journal)

    def missed(self, *within: str | None) -> list[Operation]:
        """Return the recorded operations that the code has not asked for, of these contexts or of all."""
        contexts = self._running.intersection(within) if within else self._running
        return [record for record in self._journal.missed(contexts) if self._is_expected(record)]

    def _is_expected(self, record: Operation) -> bool:
        return not is_self_numbered(record.id, record.name) and not any(
            record.id.startswith(items) for items in self._dormant
        )


def source_line() -> SourceLine | None:
    """Return the innermost line of workflow code that is neither the SDK's nor the standard library's."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - who asks
    while frame is not None and is_of_the_workflow(frame):
        code = frame.f_code
        if is_of_the_user(code.co_filename):
            return SourceLine(code.co_filename, frame.f_lineno, code.co_qualname)
        frame = frame.f_back
    return None


def is_of_the_workflow(frame: FrameType) -> bool:
    """Return ``False`` for the frame that drives the workflow's code, and so for those outside it."""
    return frame.f_code.co_filename != _DRIVER


def is_of_the_user(file: str) -> bool:
    """Return ``True`` for a file that is neither the SDK's nor the standard library's."""
    is_library = file.startswith(_STANDARD) and "site-packages" not in file
    return not (is_library or file.startswith((_PACKAGE, "<frozen")))
