"""The JSON documents of executions: those of the command, without payloads and with attempts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from msgspec.structs import replace

from durable_execution_sdk.dev.feed.documents.attempts import error_document, short_attempts
from durable_execution_sdk.dev.feed.documents.process_documents import place_document
from durable_execution_sdk.dev.feed.documents.timeline import Attempt, Timeline, Work
from durable_execution_sdk.dev.feed.position import Position
from durable_execution_sdk.dev.feed.process_view import ProcessView
from durable_execution_sdk.dev.functions.records import CodeNote, InvocationRecord
from durable_execution_sdk.dev.logs.run_table import RunFacts
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.stores.store import ExecutionRecord
from durable_execution_sdk.engine.execution_time import ExecutionTime
from durable_execution_sdk.engine.state import ExecutionState, RunningInvocation
from durable_execution_sdk.engine.views.progress import OperationProgress, progress
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import ChainedInvokeStartedDetails
from durable_execution_sdk.rendering.batch_progress import BatchProgress, batch_progress
from durable_execution_sdk.rendering.documents import (
    batch_document,
    chain_documents,
    operation_document,
    origin_document,
    record_document,
)
from durable_execution_sdk.rendering.family import family
from durable_execution_sdk.rendering.origins import continues, went_on_as
from durable_execution_sdk.rendering.payloads import result_of
from durable_execution_sdk.rendering.times import iso
from durable_execution_sdk.rendering.wording import error_of

__all__ = [
    "MOST_WAITING",
    "Document",
    "FeedDocuments",
    "invocations",
    "operations",
]

MOST_WAITING = 20
"""Waiting operations in the row of an execution; ``waiting_count`` counts them all."""

Document = dict[str, object]


class FeedDocuments:
    """Builds documents of the executions of an emulator, with the extras that are known ``local``-ly."""

    def __init__(self, emulator: Emulator, local: ProcessView) -> None:
        self._emulator = emulator
        self._local = local

    def row(self, arn: str) -> Document | None:
        """Build the row of an execution; ``None`` if it was deleted."""
        record = self._emulator.store.find(arn)
        return None if record is None else self.row_of(record)

    def row_of(self, record: ExecutionRecord) -> Document:
        """Build the row of an execution, as ``durable list --json`` prints it."""
        executions = None
        processes: list[int] = []
        if record.is_open:
            executions = family(self._emulator, record.arn, self._local.held())
            processes = self._local.running(record.arn)
            execution = executions.execution
            # A timer that was due may have ended it just now.
            record = replace(
                record,
                status=execution.status,
                is_open=execution.ended_at is None,
                ended_at=execution.ended_at,
            )
        held = self._local.held().get(record.arn) if record.is_open else None
        is_run = bool(processes) or self._local.served_elsewhere
        counts = self._emulator.counts(record)
        document = record_document(
            record,
            counts,
            executions,
            processes,
            held,
            is_run=is_run,
            continued_as=went_on_as(self._emulator, record.arn, record.status),
            custom_status=self._emulator.custom_status(record),
        )
        waiting = cast("list[Document]", document["waiting"])
        document["waiting_count"] = len(waiting)
        document["waiting"] = waiting[:MOST_WAITING]
        document["time"] = None if executions is None else _time(executions.execution.time)
        return document

    def execution(
        self, arn: str, timeline: Timeline, position: Position, since: Position | None = None
    ) -> Document:
        """Build the document of one execution up to a position.

        With ``since``, operations, invocations and places are those that changed after that position.
        """
        since = since or Position()
        described = self._emulator.describe(arn)
        state = self._emulator.snapshot(arn)
        notes = self.notes(arn)
        return {
            "execution": self.row(arn),
            "function_arn": described.function_arn,
            "version": described.version,
            "input_bytes": _size(described.input_payload),
            "result_bytes": _size(described.result),
            "error": error_document(described.error),
            "head": position.head,
            "position": str(position),
            "forked_from": origin_document(progress(state), described.input_payload),
            **chain_documents(self._emulator, arn, continues(self._emulator, arn)),
            "timers": timers(state),
            "operations": operations(state, timeline, notes, since),
            "invocations": invocations(timeline, state.invocation, self._records(arn), since.head),
            "places": self.places(arn, since.place),
        }

    def notes(self, arn: str) -> Sequence[CodeNote]:
        """Return the notes about an execution's operations that its functions have sent."""
        return () if self._local.logs is None else self._local.logs.notes(arn)

    def places(self, arn: str, after: int = 0) -> list[Document]:
        """Build the documents of the positions of operations in the code that changed after a place."""
        notes = [note for note in self.notes(arn) if note.number > after]
        if self._local.logs is None or not notes:
            return []
        facts = self._local.logs.run_facts(arn)
        nothing = RunFacts()
        return [place_document(note, facts.get(note.operation_id, nothing)) for note in notes]

    def _records(self, arn: str) -> dict[str, InvocationRecord]:
        """Return what the processes of an execution recorded of its invocations, by request id."""
        logs = self._local.logs
        return {} if logs is None else {each.request_id: each for each in logs.invocations(arn)}


def operations(
    state: ExecutionState, timeline: Timeline, notes: Sequence[CodeNote], since: Position
) -> list[Document]:
    """Build the documents of the operations that changed after a position, in the order of their starts.

    A map or parallel changes when one of its branches does, and when their number is known.
    """
    changed = set(timeline.changed_since(since.head))
    changed.update(
        note.operation_id
        for note in notes
        if note.branches is not None and note.number > since.place
    )
    entries = progress(state).operations
    changed.update(
        entry.operation.parent_id
        for entry in entries
        if entry.operation.id in changed and entry.operation.parent_id is not None
    )
    totals = {note.operation_id: note.branches for note in notes if note.branches is not None}
    batches = batch_progress(entries, totals)
    return [
        _operation(
            each,
            timeline.invoked.get(each.operation.id),
            timeline.attempts.get(each.operation.id, []),
            batches.get(each.operation.id),
        )
        for each in entries
        if each.operation.id in changed
    ]


def invocations(
    timeline: Timeline,
    running: RunningInvocation | None,
    records: dict[str, InvocationRecord],
    since: int = 0,
) -> list[Document]:
    """Build the documents of the invocations that ended after an event, and of the one that runs.

    ``records`` are those of processes, by request id.
    """
    ended = [each for each in timeline.invocations if each.position > since]
    documents = [
        _invocation(each.request_id, each.started_at, each.ended_at, each.error, each.work, records)
        for each in ended
    ]
    if running is not None:
        documents.append(
            _invocation(running.request_id, running.started_at, None, None, timeline.work, records)
        )
    return documents


def timers(state: ExecutionState) -> list[Document]:
    """Build the documents of the timers that are set, the next one first."""
    return [
        {"kind": kind, "operation_id": operation_id or None, "fires_at": iso(at)}
        for (operation_id, kind), at in sorted(state.timers.items(), key=lambda entry: entry[1])
    ]


def _operation(
    executed: OperationProgress,
    invoked: ChainedInvokeStartedDetails | None,
    attempts: list[Attempt],
    batch: BatchProgress | None,
) -> Document:
    operation = executed.operation
    document = operation_document(executed)
    del document["result"]
    return {
        **document,
        "error": error_document(error_of(operation)),
        "start_timestamp": iso(operation.start_timestamp),
        "end_timestamp": iso(operation.end_timestamp),
        "result_bytes": _size(result_of(operation)),
        "function_name": None if invoked is None else invoked.function_name,
        "invoked_execution_arn": None if invoked is None else invoked.durable_execution_arn,
        "attempts": short_attempts(attempts, operation.start_timestamp),
        "progress": batch_document(batch),
    }


def _invocation(
    request_id: str,
    started_at: float,
    ended_at: float | None,
    error: ErrorObject | None,
    work: Work,
    records: dict[str, InvocationRecord],
) -> Document:
    record = records.get(request_id)
    return {
        "request_id": request_id,
        "start_timestamp": iso(started_at),
        "end_timestamp": iso(ended_at),
        "error": error_document(error),
        "process": None if record is None else record.worker,
        "peak_kilobytes": None if record is None else record.peak_kilobytes,
        "init_milliseconds": None if record is None else record.init_milliseconds,
        "replayed": work.known,
        "began": work.begun,
        "attempts": work.attempts,
        "ran": list(work.ran),
    }


def _time(time: ExecutionTime) -> Document:
    """Build the document of an execution's time, from which a reader reckons its now."""
    return {
        "mode": time.mode,
        "offset_milliseconds": time.ahead,
        "stands_at": iso(time.stands_at),
        "advances_to": iso(time.advances_to),
    }


def _size(payload: str | None) -> int | None:
    return None if payload is None else len(payload.encode("utf-8", "surrogatepass"))
