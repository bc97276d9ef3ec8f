"""The JSON documents of the feed: those of the command, without payloads and with attempts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from msgspec.structs import replace

from durable_execution_sdk.dev.discovery_file import ServerAddress
from durable_execution_sdk.dev.feed.timeline import Attempt, Invocation, Timeline
from durable_execution_sdk.dev.processes import processes_of
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.stores.runs import Runs
from durable_execution_sdk.emulator.stores.store import ExecutionRecord
from durable_execution_sdk.engine.events import ChainedInvokeStarted
from durable_execution_sdk.engine.state import ExecutionState, RunningInvocation
from durable_execution_sdk.engine.views.progress import OperationProgress, progress
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.rendering.documents import (
    operation_document,
    record_document,
)
from durable_execution_sdk.rendering.family import family
from durable_execution_sdk.rendering.payloads import result_of
from durable_execution_sdk.rendering.times import iso
from durable_execution_sdk.rendering.wording import error_of

__all__ = [
    "MOST_WAITING",
    "Document",
    "FeedDocuments",
    "function_documents",
    "invocations",
    "operations",
]

MOST_WAITING = 20
"""Waiting operations in the row of an execution; ``waiting_count`` counts them all."""

Document = dict[str, object]


class FeedDocuments:
    """Builds documents of the executions of an emulator over a SQLite store at ``store``."""

    def __init__(self, emulator: Emulator, store: Path) -> None:
        self._emulator = emulator
        self._store = store
        self._runs = Runs(store)

    def row(self, arn: str) -> Document | None:
        """Build the row of an execution; ``None`` if it was deleted."""
        record = self._emulator.store.find(arn)
        return None if record is None else self.row_of(record)

    def row_of(self, record: ExecutionRecord) -> Document:
        """Build the row of an execution, as ``durable list --json`` prints it."""
        executions = None
        processes: list[int] = []
        if record.is_open:
            executions = family(self._emulator, record.arn)
            processes = self._processes(record.arn)
            execution = executions.execution
            # A timer that was due may have ended it just now.
            record = replace(
                record,
                status=execution.status,
                is_open=execution.ended_at is None,
                ended_at=execution.ended_at,
            )
        document = record_document(record, executions, processes)
        waiting = cast("list[Document]", document["waiting"])
        document["waiting_count"] = len(waiting)
        document["waiting"] = waiting[:MOST_WAITING]
        return document

    def execution(self, arn: str, timeline: Timeline, head: int, since: int = 0) -> Document:
        """Build the document of one execution up to its event number ``head``.

        With ``since``, operations and invocations are those that changed after that event.
        """
        described = self._emulator.describe(arn)
        state = self._emulator.snapshot(arn)
        return {
            "execution": self.row(arn),
            "function_arn": described.function_arn,
            "version": described.version,
            "input_bytes": _size(described.input_payload),
            "result_bytes": _size(described.result),
            "error": _error(described.error),
            "head": head,
            "operations": operations(state, timeline, since),
            "invocations": invocations(timeline, state.invocation, since),
        }

    def _processes(self, arn: str) -> list[int]:
        address = ServerAddress(
            url="",
            pid=os.getpid(),
            store=str(self._store),
            functions=self._emulator.functions.names,
        )
        return processes_of(self._emulator, arn, self._runs, address)


def operations(state: ExecutionState, timeline: Timeline, since: int = 0) -> list[Document]:
    """Build the documents of the operations that changed after a position, in the order of their starts."""
    changed = set(timeline.changed_since(since))
    return [
        _operation(
            each,
            state.invokes.get(each.operation.id),
            timeline.attempts.get(each.operation.id, []),
        )
        for each in progress(state).operations
        if each.operation.id in changed
    ]


def invocations(
    timeline: Timeline, running: RunningInvocation | None, since: int = 0
) -> list[Document]:
    """Build the documents of the invocations that ended after a position, and of the one that runs."""
    documents = [_invocation(each) for each in timeline.invocations if each.position > since]
    if running is not None:
        documents.append(
            {
                "request_id": running.request_id,
                "start_timestamp": iso(running.started_at),
                "end_timestamp": None,
                "error": None,
            }
        )
    return documents


def _operation(
    executed: OperationProgress, invoked: ChainedInvokeStarted | None, attempts: list[Attempt]
) -> Document:
    operation = executed.operation
    document = operation_document(executed)
    del document["result"]
    return {
        **document,
        "error": _error(error_of(operation)),
        "start_timestamp": iso(operation.start_timestamp),
        "end_timestamp": iso(operation.end_timestamp),
        "result_bytes": _size(result_of(operation)),
        "function_name": None if invoked is None else invoked.function_name,
        "invoked_execution_arn": None if invoked is None else invoked.child_arn,
        "attempts": [_attempt(each) for each in attempts],
    }


def _attempt(attempt: Attempt) -> Document:
    return {
        "number": attempt.number,
        "start_timestamp": iso(attempt.started_at),
        "end_timestamp": iso(attempt.ended_at),
        "next_attempt_timestamp": iso(attempt.next_at),
        "error": _error(attempt.error),
    }


def _invocation(invocation: Invocation) -> Document:
    return {
        "request_id": invocation.request_id,
        "start_timestamp": iso(invocation.started_at),
        "end_timestamp": iso(invocation.ended_at),
        "error": _error(invocation.error),
    }


def _error(error: ErrorObject | None) -> Document | None:
    """Build the document of an error without its data and its stack trace, which are payloads."""
    if error is None:
        return None
    return {"error_type": error.error_type, "error_message": error.error_message}


def _size(payload: str | None) -> int | None:
    return None if payload is None else len(payload.encode("utf-8", "surrogatepass"))


def function_documents(emulator: Emulator) -> list[Document]:
    """Build the documents of the functions."""
    documents: list[Document] = []
    for name in emulator.functions.names:
        function = emulator.functions.get(name)
        if function is not None:
            documents.append(
                {
                    "function_name": name,
                    "function_arn": emulator.functions.arn(name),
                    "durable": function.durable,
                    "timeout": function.timeout,
                    "memory_size": function.memory_mb,
                    "execution_timeout": function.execution_timeout,
                    "retention_period_in_days": function.retention_days
                    if function.durable
                    else None,
                    "versions": emulator.functions.versions(name),
                    "aliases": emulator.functions.aliases(name),
                }
            )
    return documents
