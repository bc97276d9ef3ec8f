"""Send what the log does not have of a run: the real starts of steps' attempts, and the lines at which code waits.

The START of a step travels with its end, so that a quick step costs one call; in the log both have the same time.
And the log has no lines of code. Loaded by ``code_notes``, so nothing of it exists on Lambda.
"""

from __future__ import annotations

import asyncio
import http.client
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from durable_execution_sdk.dev.functions.records import RUN_NOTES_PATH, CodeLine, RunNote
from durable_execution_sdk.replay.source_places import is_users_code
from durable_execution_sdk.runtime.bodies import Attempting, Bodies
from durable_execution_sdk.runtime.completions.handle import Waiter
from durable_execution_sdk.runtime.deadlocks.waits import frames_of
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.tasks import WorkflowTask

__all__ = ["NotedBodies", "RunNotes", "waiting_notes"]

_MOST_WAITING = 1_000
"""Tasks whose lines are sent of one invocation."""


class RunNotes:
    """A queue of notes, sent by a thread."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._queue: queue.SimpleQueue[RunNote] = queue.SimpleQueue()
        threading.Thread(target=self._send, name="durable-run-notes", daemon=True).start()

    def add(self, note: RunNote) -> None:
        """Send a note soon."""
        self._queue.put(note)

    def _send(self) -> None:
        connection = http.client.HTTPConnection(self._address)
        while True:
            notes = [self._queue.get()]
            while not self._queue.empty():
                notes.append(self._queue.get())
            body = msgspec.json.encode(notes)
            try:
                connection.request(
                    "POST", RUN_NOTES_PATH, body, {"Content-Type": "application/json"}
                )
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                return  # The server is ending this worker.


class NotedBodies(Bodies):
    """The bodies of an invocation; ``began`` is called when an attempt begins."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, began: Callable[[Attempting[Any]], None]
    ) -> None:
        super().__init__(loop)
        self._began = began

    def start(
        self, operation: Attempting[Any], body: Coroutine[object, object, None]
    ) -> asyncio.Task[None]:
        """Run the body of a step, and note its start, or the opening of the gate that holds it back."""
        if self.gate is None:
            self._began(operation)
        else:
            self.gate.when_open(lambda: self._began(operation))
        return super().start(operation, body)


def waiting_notes(run: InvocationRun) -> list[RunNote]:
    """Return the lines of user code at which the tasks of an invocation wait for operations."""
    notes: list[RunNote] = []
    for watched in run.tasks.live:
        line = _line_of(watched)
        if line is not None and isinstance(watched.blocked_on, Waiter):
            operation_id = watched.blocked_on.operation.operation_id
            notes.append(RunNote(arn=run.invoked.arn, operation_id=operation_id, awaited_at=line))
            if len(notes) == _MOST_WAITING:
                break
    return notes


def _line_of(watched: WorkflowTask[object]) -> CodeLine | None:
    line = None
    for frame in frames_of(watched):
        code = frame.f_code
        if is_users_code(code.co_filename):
            line = CodeLine(file=code.co_filename, line=frame.f_lineno, function=code.co_qualname)
    return line
