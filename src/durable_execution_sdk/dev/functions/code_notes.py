"""Send the lines of code that call operations to the server, and what the log does not have of these.

That is the types that callbacks wait for with their JSON schemas, and the number of contexts of a map or parallel.

Loaded in the processes of Python functions that use the SDK, by ``python_client``. Nothing of it exists on
Lambda: the service has no place for it.
"""

from __future__ import annotations

import asyncio
import http.client
import queue
import threading
from functools import partial
from typing import Any, TypeGuard

import msgspec

from durable_execution_sdk.dev.functions.notes.run_notes import NotedBodies, RunNotes, waiting_notes
from durable_execution_sdk.dev.functions.records import NOTES_PATH, CodeNote, RunNote
from durable_execution_sdk.dev.schemas.type_schemas import type_schema
from durable_execution_sdk.handler import AnyHandler, DurableHandler
from durable_execution_sdk.operations.callback import CallbackOperation
from durable_execution_sdk.operations.child import Child
from durable_execution_sdk.operations.fan_out.operation import branch_contexts
from durable_execution_sdk.protocol.operations import Operation, OperationSubType
from durable_execution_sdk.protocol.updates import OperationUpdate
from durable_execution_sdk.replay.source_places import Place, asking_place
from durable_execution_sdk.runtime.bodies import Attempting, Bodies
from durable_execution_sdk.runtime.completions.completion import Completion
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.verdicts import Suspend, Verdict

_MOST_SENT = 100_000
_MOST_CHARACTERS = 1 << 20
"""Schemas in one request: the server reads no more than some megabytes."""


class Notes:
    """A queue of notes, sent by a thread; a note that was sent before is not sent again."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._queue: queue.SimpleQueue[tuple[CodeNote, object]] = queue.SimpleQueue()
        self._sent: set[CodeNote] = set()
        threading.Thread(target=self._send, name="durable-notes", daemon=True).start()

    def add(self, note: CodeNote, awaited_kind: object = None) -> None:
        """Send a note soon, with the schema of the type that it is about.

        The schema is written in the thread that sends, because code of the user's may be asked for it.
        """
        if note not in self._sent:
            if len(self._sent) >= _MOST_SENT:
                self._sent.clear()
            self._sent.add(note)
            self._queue.put((note, awaited_kind))

    def _send(self) -> None:
        connection = http.client.HTTPConnection(self._address)
        while True:
            notes = [_with_schema(*self._queue.get())]
            size = len(notes[0].awaited_schema or "")
            while size < _MOST_CHARACTERS and not self._queue.empty():
                notes.append(_with_schema(*self._queue.get()))
                size += len(notes[-1].awaited_schema or "")
            try:
                connection.request(
                    "POST",
                    NOTES_PATH,
                    msgspec.json.encode(notes),
                    {"Content-Type": "application/json"},
                )
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                return  # The server is ending this worker.


def _with_schema(note: CodeNote, awaited_kind: object) -> CodeNote:
    if awaited_kind is None:
        return note
    return msgspec.structs.replace(note, awaited_schema=type_schema(awaited_kind))


class NotingRun(InvocationRun):
    """The state of an invocation that notes the line of each operation that its code calls.

    The type of a callback's answer follows when its START is recorded: the operation is not complete when
    it claims its id.
    """

    def __init__(self, notes: Notes, run_notes: RunNotes, *args: Any) -> None:
        super().__init__(*args)
        self._notes = notes
        self._run_notes = run_notes
        # The callbacks, also of messages, that have a type, with their notes.
        self._callbacks: dict[str, tuple[Any, CodeNote]] = {}
        self._waits: dict[str, Place] = {}

    def make_bodies(self, loop: asyncio.AbstractEventLoop) -> Bodies:
        """Make the object that starts the bodies of steps, and notes their real starts."""
        return NotedBodies(loop, self._began)

    def _began(self, operation: Attempting[Any]) -> None:
        self._run_notes.add(
            RunNote(
                arn=self.invoked.arn,
                operation_id=operation.operation_id,
                attempt=operation.attempt_number,
                started_at=round(self.plane.now()),
            )
        )

    def end(self, verdict: Verdict) -> None:
        """Note the lines at which the code waits, before its tasks are cancelled."""
        if isinstance(verdict, Suspend) and not self.is_ending:
            for note in waiting_notes(self):
                self._run_notes.add(note)
        super().end(verdict)

    def claim(self, claimant: Completion[Any]) -> Operation | None:
        """Note the line of code that calls the operation.

        That of the callback in a ``ctx.wait_for_callback`` is the line that waits.
        """
        place = asking_place()
        if isinstance(claimant, CallbackOperation):
            place = place or self._waits.get(claimant.context_state.operation_id or "")
        elif (
            place is not None
            and isinstance(claimant, Child)
            and claimant.sub_type == OperationSubType.WAIT_FOR_CALLBACK
        ):
            self._waits[claimant.operation_id] = place
        if place is not None:
            note = CodeNote(
                arn=self.invoked.arn,
                operation_id=claimant.operation_id,
                file=place.file,
                line=place.line,
                function=place.function,
                branches=branch_contexts(claimant),
            )
            self._notes.add(note)
            # Not its value: the operation is not complete yet.
            if hasattr(type(claimant), "awaited_type"):
                self._callbacks[claimant.operation_id] = claimant, note
        return super().claim(claimant)

    def submit(self, update: OperationUpdate) -> None:
        """Note the type of a callback's answer with its first update."""
        self._note_type(update)
        super().submit(update)

    def leave_behind(self, update: OperationUpdate) -> None:
        """Note the type of a message with the first update of its callback."""
        self._note_type(update)
        super().leave_behind(update)

    def _note_type(self, update: OperationUpdate) -> None:
        callback, note = self._callbacks.pop(update.id, (None, None))
        if callback is not None and note is not None and callback.awaited_type is not None:
            typed = msgspec.structs.replace(note, awaited_type=callback.awaited_type)
            self._notes.add(typed, callback.awaited_kind)


def observing(handler: Any, address: str) -> Any:
    """Return the handler, with notes of the operations of its invocations if it is a durable one."""
    if _is_durable(handler):
        return handler.made_by(partial(NotingRun, Notes(address), RunNotes(address)))
    return handler


def _is_durable(handler: object) -> TypeGuard[AnyHandler]:
    return isinstance(handler, DurableHandler)
