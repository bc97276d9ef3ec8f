"""The answers of the JSON routes: lists, one execution, its payloads."""

from __future__ import annotations

import re

import msgspec

from durable_execution_sdk.dev.answers import awaited_by
from durable_execution_sdk.dev.feed.about import About, TellAbout
from durable_execution_sdk.dev.feed.changes import Changes
from durable_execution_sdk.dev.feed.documents import Document, FeedDocuments
from durable_execution_sdk.dev.feed.documents.attempts import attempt_document, attempts_of
from durable_execution_sdk.dev.feed.documents.process_documents import (
    function_documents,
    line_document,
    source_files,
)
from durable_execution_sdk.dev.feed.position import Position
from durable_execution_sdk.dev.feed.process_view import ProcessView
from durable_execution_sdk.dev.feed.reader import TimelineReader
from durable_execution_sdk.dev.feed.recent_inputs import recent_inputs
from durable_execution_sdk.dev.feed.references import arn_of
from durable_execution_sdk.dev.functions.records import LogLine
from durable_execution_sdk.dev.reload.kept_code import MOST_SOURCE_BYTES
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.stores.store import Search
from durable_execution_sdk.engine.rejections import invalid, not_found
from durable_execution_sdk.engine.tokens import parse_callback_id
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.limits import DEFAULT_PAGE_ITEMS, MAX_PAGE_ITEMS
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.rendering.callback_names import all_references
from durable_execution_sdk.rendering.documents import callback_document, error_document
from durable_execution_sdk.rendering.payloads import result_of
from durable_execution_sdk.rendering.times import iso
from durable_execution_sdk.rendering.wording import error_of, payloads_of
from durable_execution_sdk.server.request import Incoming

__all__ = ["Queries"]

MOST_WATCHED = 20
"""Executions whose details come with the stream of all; a browser opens six connections to a server at most."""

_KINDS = ("input", "result", "error")
_PLACE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


class Queries:
    """Answers the JSON routes; called in threads."""

    def __init__(
        self,
        emulator: Emulator,
        changes: Changes,
        documents: FeedDocuments,
        local: ProcessView,
        about: TellAbout,
    ) -> None:
        self._emulator = emulator
        self._changes = changes
        self._documents = documents
        self._local = local
        self._about = about

    def server(self, incoming: Incoming) -> About:
        """Tell where the executions come from, and what can be done with them."""
        del incoming
        return self._about()

    def arn(self, incoming: Incoming) -> str:
        """Return the ARN of the execution that the path names, by its ARN or its name."""
        return arn_of(self._emulator, incoming)

    def executions(self, incoming: Incoming) -> Document:
        """List rows of executions, the newest first; ``next`` asks for the following ones."""
        # Taken first: a change during the reading comes with the stream after this number.
        number = self._changes.number
        limit = min(incoming.number("limit") or DEFAULT_PAGE_ITEMS, MAX_PAGE_ITEMS)
        statuses = incoming.query.getlist("status")
        for status in statuses:
            if status not in list(ExecutionStatus):
                raise invalid(f"status is one of {', '.join(ExecutionStatus)}, not {status!r}.")
        records = self._emulator.store.search(
            Search(
                text=incoming.text("text"),
                function=incoming.text("function"),
                statuses=statuses,
                started_after=incoming.moment("since"),
                after=_position(incoming.text("after")),
                limit=limit + 1,
            )
        )
        following = None
        if len(records) > limit:
            records = records[:limit]
            following = f"{records[-1].started_at}-{records[-1].number}"
        return {
            "number": number,
            "executions": [self._documents.row_of(record) for record in records],
            "next": following,
        }

    def execution(self, incoming: Incoming) -> Document:
        """Show one execution, with all its operations and invocations."""
        arn = self.arn(incoming)
        reader = TimelineReader(self._emulator, arn, self._local.logs)
        reader.catch_up()
        # The lines up to here are asked for apart.
        position = msgspec.structs.replace(reader.position, line=reader.last_line())
        return self._documents.execution(arn, reader.timeline, position)

    def logs(self, incoming: Incoming) -> Document:
        """List lines that functions wrote for an execution; ``next`` asks for the following ones."""
        arn, after = self.arn(incoming), incoming.number("after")
        limit = min(incoming.number("limit") or MAX_PAGE_ITEMS, MAX_PAGE_ITEMS)
        lines: list[LogLine] = []
        if self._local.logs is not None:
            lines = self._local.logs.lines(
                arn, incoming.text("operation"), after=after, limit=limit + 1
            )
        has_more, lines = len(lines) > limit, lines[:limit]
        return {
            "lines": [line_document(line) for line in lines],
            "next": lines[-1].number if has_more else None,
        }

    def payload(self, incoming: Incoming) -> Document:
        """Show a payload of an execution, or of one of its operations, as the text that was recorded."""
        arn = self.arn(incoming)
        kind = incoming.required("kind")
        if kind not in _KINDS:
            raise invalid(f"kind is one of {', '.join(_KINDS)}, not {kind!r}.")
        operation_id = incoming.text("operation")
        if operation_id is None:
            return self._of_execution(arn, kind)
        for operation in self._emulator.operations(arn):
            if operation.id == operation_id:
                return self._of_operation(arn, operation, kind)
        raise not_found(f"There is no operation {operation_id!r} in {arn}.")

    def attempts(self, incoming: Incoming) -> Document:
        """Show the last attempts of an operation, with their errors."""
        arn, operation_id = self.arn(incoming), incoming.required("operation")
        limit = min(incoming.number("limit") or DEFAULT_PAGE_ITEMS, MAX_PAGE_ITEMS)
        if not any(each.id == operation_id for each in self._emulator.operations(arn)):
            raise not_found(f"There is no operation {operation_id!r} in {arn}.")
        with self._emulator.coordinator.holding():
            encoded_events = self._emulator.store.events(arn)
        attempts = attempts_of(encoded_events, operation_id)
        return {
            "count": len(attempts),
            "attempts": [attempt_document(each) for each in attempts[-limit:]],
        }

    def source(self, incoming: Incoming) -> Document:
        """Show the source of a file in which an operation of an execution was called."""
        arn, file = self.arn(incoming), incoming.required("file")
        files = source_files(self._documents.places(arn))
        if file not in files or self._local.code is None:
            raise not_found(f"No operation of {arn} is known to have been called in {file!r}.")
        source = self._local.code.read(self._emulator.snapshot(arn).code, file)
        if source is None:
            raise not_found(
                f"The source of {file} is not there any more, or it is larger than"
                f" {MOST_SOURCE_BYTES >> 20} MB."
            )
        return {"file": file, "text": source.text, "is_kept": source.is_kept}

    def watched(self, incoming: Incoming) -> dict[str, Position]:
        """Read the executions to watch, each with the position after which its changes are wanted."""
        arns, positions = incoming.query.getlist("watch"), incoming.query.getlist("position")
        if len(arns) != len(positions) or len(arns) > MOST_WATCHED:
            raise invalid(
                f"Give a position for each execution to watch, and {MOST_WATCHED} at most; there are"
                f" {len(arns)} executions and {len(positions)} positions."
            )
        wanted = {
            arn: Position.read(position) for arn, position in zip(arns, positions, strict=True)
        }
        # One that was deleted meanwhile does not end the stream of the others.
        return {arn: wanted[arn] for arn in wanted if self._emulator.store.find(arn) is not None}

    def callbacks(self, incoming: Incoming) -> Document:
        """List the callbacks of all executions that wait for an answer."""
        del incoming
        waiters = all_references(self._emulator)
        return {"callbacks": [callback_document(*entry) for entry in waiters.items()]}

    def callback(self, incoming: Incoming) -> Document:
        """Tell the type that a callback waits for, and its JSON schema, as far as they are known."""
        callback_id = incoming.path["Callback"]
        arn, operation_id = parse_callback_id(callback_id)
        awaited = awaited_by(self._local.logs, arn, operation_id)
        return {
            "callback_id": callback_id,
            "durable_execution_arn": arn,
            "operation_id": operation_id,
            "awaited_type": awaited.name,
            "schema": None if awaited.schema is None else msgspec.Raw(awaited.schema.encode()),
        }

    def functions(self, incoming: Incoming) -> Document:
        """List the functions of the server."""
        del incoming
        number = self._changes.number
        return {"number": number, "functions": function_documents(self._emulator, self._local)}

    def inputs(self, incoming: Incoming) -> Document:
        """List the inputs with which a function was started last."""
        name = incoming.path["Function"]
        if name not in self._emulator.functions.names:
            raise not_found(f"There is no function {name!r}.")
        return {"inputs": recent_inputs(self._emulator, name)}

    def time(self, incoming: Incoming) -> Document:
        """Tell the time of the server, and the way in which it passes for executions that are started."""
        del incoming
        return {"now": iso(self._emulator.clock.now()), "mode": self._emulator.time_mode}

    def _of_execution(self, arn: str, kind: str) -> Document:
        described = self._emulator.describe(arn)
        if kind == "error":
            return {"error": error_document(described.error)}
        return {"payload": described.input_payload if kind == "input" else described.result}

    def _of_operation(self, arn: str, operation: Operation, kind: str) -> Document:
        if kind == "error":
            return {"error": error_document(error_of(operation))}
        if kind == "result":
            return {"payload": result_of(operation)}
        # The input of an invoke is in its event only.
        for event in history(self._emulator.recording(arn)()):
            if event.id == operation.id:
                for name, payload in payloads_of(event):
                    if name == "input":
                        return {"payload": payload}
        return {"payload": None}


def _position(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = _PLACE.fullmatch(text)
    if match is None:
        raise invalid(f"after is the 'next' of an earlier answer, not {text!r}.")
    return int(match[1]), int(match[2])
