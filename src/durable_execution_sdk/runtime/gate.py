"""The gate: replay asks for everything that the log holds before anything new happens.

Code that no longer asks for a recorded operation would run another one in its place, in silence:

    log:   pay_1c9f2e07_1-1 SUCCEEDED, pay_1c9f2e07_2-1 SUCCEEDED     (asyncio.gather(pay("a"), pay("b")))
    code:  await pay("a"); await pay("b")                             claims operations 1 and 2 of the main task

Both would be paid twice. So in an invocation whose log is not empty no body of a step starts and no update
leaves before the workflow has first come to rest with every recorded end delivered. If the code has asked
for all that is recorded by then, the gate opens for good. Otherwise the execution fails, and nothing has
happened. The same holds when the function of a context returns before.

Not counted: what is inside contexts whose functions rightly do not run, operations of the task that went
through the items of a map that has ended, and records with a row of their own, which the workflow has only
if they mattered: timers of asyncio and the SDK's markers.

A timer that ticks in the process does not keep the gate closed, and need not: nobody has seen it ring, so
nothing recorded can come after it. If it did, a step under a short timeout would never run after a crash.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Coroutine
from types import FrameType
from typing import Any, Protocol

from msgspec import Struct

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.model.operation import Operation, label_of
from durable_execution_sdk.runtime.ids import operation_id
from durable_execution_sdk.runtime.journal import Journal

__all__ = ["Gate", "SourceLine", "source_line"]

_SHOWN = 10
_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep  # noqa: PTH120 - pathlib is slow to load
_STANDARD = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120
_DRIVER = f"{_PACKAGE}runtime{os.sep}tasks.py"
_TASK = re.compile(r"(\w+)_[0-9a-f]{8}_(\d+)-")
# So many places of a context are tried to tell where a hashed id stands.
_TRIED = 3_000
_LONGEST_ID = 64

# What is recorded only if it mattered, by the name that the SDK gives it.
SELF_NUMBERED = frozenset({"asyncio timer"})


class Asking(Protocol):
    """An operation that the code has asked for."""

    @property
    def label(self) -> str:
        """How messages call it."""
        ...


class SourceLine(Struct, frozen=True):
    """A line of the user's code."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        """The place, as editors and terminals link it."""
        return f"{self.file}:{self.line}, in {self.function}"


class Gate:
    """Holds back what is new until replay has asked for what is recorded."""

    def __init__(self, journal: Journal, loop: asyncio.AbstractEventLoop) -> None:
        self._journal = journal
        self._loop = loop
        self._waiting: list[asyncio.Future[None]] = []
        self._new: list[tuple[Asking, SourceLine | None]] = []
        # The contexts whose functions run in this invocation, by operation id; none is the handler's.
        self._running: set[str | None] = {None}
        # The starts of the ids of tasks that go through items, and have not begun to.
        self._dormant: set[str] = set()

    async def passed_by(self, body: Coroutine[Any, Any, None]) -> None:
        """Run the body of a step once the gate opens."""
        waiting: asyncio.Future[None] = asyncio.Future(loop=self._loop)
        self._waiting.append(waiting)
        await waiting
        await body

    def open(self) -> None:
        """Let everything go on."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def asked(self, operation: Asking) -> None:
        """Note an operation that the log does not hold."""
        if len(self._new) < _SHOWN:
            self._new.append((operation, source_line()))

    def entered(self, context_id: str | None) -> None:
        """Note that the function of a context runs."""
        self._running.add(context_id)

    def is_dormant(self, items: str) -> None:
        """Note a task that would go through a map's items, were they needed."""
        self._dormant.add(items)

    def has_begun(self, items: str) -> None:
        """Note that it goes through them."""
        self._dormant.discard(items)

    def divergence(self, *within: str | None) -> DeterminismError | None:
        """The error for what the code should have asked for by now; none if it has asked for all.

        ``within``: the ids of the contexts to look at; all of them otherwise.
        """
        missed = [
            record
            for record in self._journal.missed()
            if self._is_expected(record) and (not within or record.parent_id in within)
        ]
        return self._error(missed) if missed else None

    def _is_expected(self, record: Operation) -> bool:
        if record.parent_id not in self._running or record.name in SELF_NUMBERED:
            return False
        return not any(record.id.startswith(items) for items in self._dormant)

    def _error(self, missed: list[Operation]) -> DeterminismError:
        missed.sort(key=lambda record: (record.start_timestamp or 0, record.id))
        listed = "; ".join(self._told(record) for record in missed[:_SHOWN])
        more = f"; and {len(missed) - _SHOWN} more" if len(missed) > _SHOWN else ""
        new = "; ".join(
            operation.label + (f" ({line})" if line else "") for operation, line in self._new
        )
        instead = f"It asked for these, which the log does not hold: {new}." if new else ""
        return DeterminismError(
            f"the log holds {len(missed)} operation{'s' if len(missed) > 1 else ''} that the code did"
            f" not ask for: {listed}{more}. {instead or 'It asked for nothing else.'} Nothing new has"
            " run. The workflow's code has changed since this execution began (an operation or a task"
            " was removed, renamed or moved, or a gather became a sequence), or it branches on"
            " something that is not recorded: a cache, a global, time, the environment. Put the old"
            " code back, or keep this execution's function version until it has ended"
        )

    def _told(self, record: Operation) -> str:
        label = label_of(record.type, record.sub_type, record.name)
        where = self._position(record)
        return f"{label} ({where})" if where else label

    def _position(self, record: Operation) -> str:
        context = "the handler's context" if record.parent_id is None else self._context(record)
        # Of an id that is longer than an id can be, which is none of ours, the start will do: the search is slow.
        tasks = [f"task {name} {number}" for name, number in _TASK.findall(record.id[:_LONGEST_ID])]
        number = record.id.rpartition("-")[2]
        if not tasks:
            number = self._number(record)
        within = "".join(f"{task} in " for task in reversed(tasks))
        return f"operation {number} of {within}{context}" if number else f"in {context}"

    def _context(self, record: Operation) -> str:
        around = self._journal.get(record.parent_id or "")
        return (
            f"context {around.name!r}" if around and around.name else f"context {record.parent_id}"
        )

    def _number(self, record: Operation) -> str:
        prefix = "" if record.parent_id is None else f"{record.parent_id}-"
        for number in range(_TRIED):
            if operation_id(f"{prefix}{number}") == record.id:
                return str(number)
        return ""


def source_line() -> SourceLine | None:
    """The innermost line of workflow code that is neither the SDK's nor the standard library's."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - who asks
    while frame is not None and frame.f_code.co_filename != _DRIVER:
        code = frame.f_code
        file = code.co_filename
        is_library = file.startswith(_STANDARD) and "site-packages" not in file
        if not (is_library or file.startswith((_PACKAGE, "<frozen"))):
            return SourceLine(file, frame.f_lineno, code.co_qualname)
        frame = frame.f_back
    return None
