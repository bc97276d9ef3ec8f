"""The routes that change something Lambda's API has no call for: versions, time, forks, faults."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TypeVar

import msgspec

from durable_execution_sdk.dev.answers import check_answer, check_results
from durable_execution_sdk.dev.feed.changes import FUNCTIONS, Changes
from durable_execution_sdk.dev.feed.documents import Document
from durable_execution_sdk.dev.feed.process_view import ProcessView
from durable_execution_sdk.dev.feed.references import arn_of
from durable_execution_sdk.dev.functions.versions import check_alias
from durable_execution_sdk.dev.reload.held_file import read_held
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.faults.live import FaultKind, LiveFault
from durable_execution_sdk.emulator.functions.registry import LATEST
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.engine.rejections import invalid
from durable_execution_sdk.engine.views.inboxes import room_in
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.inboxes import message_payload
from durable_execution_sdk.rendering.documents import time_document
from durable_execution_sdk.server.request import Incoming

__all__ = ["Actions"]

_T = TypeVar("_T")


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request. A member that is not known is refused, not ignored."""


class _Publish(_Body, frozen=True, kw_only=True):
    alias: str | None = None
    version: str | None = None


class _Fork(_Body, frozen=True, kw_only=True):
    before: str | None = None
    input: str | None = None
    results: dict[str, str] = {}
    name: str | None = None
    anyway: bool = False


class _Rerun(_Body, frozen=True, kw_only=True):
    input: str | None = None
    name: str | None = None


class _Time(_Body, frozen=True, kw_only=True):
    mode: TimeMode | None = None
    advance_milliseconds: int | None = None
    advance_to_next: bool = False


class _AcceptCode(_Body, frozen=True, kw_only=True):
    pass


class _Succeed(_Body, frozen=True, kw_only=True):
    result: str | None = None
    anyway: bool = False


class _Send(_Body, frozen=True, kw_only=True):
    inbox: str
    message: str
    id: str | None = None
    anyway: bool = False


class _Crash(_Body, frozen=True, kw_only=True):
    kind: FaultKind | None = None
    checkpoint: int = 1
    operation: str | None = None
    times: int = 1


class Actions:
    """Performs the actions; called in threads."""

    def __init__(
        self, emulator: Emulator, changes: Changes, processes: ProcessView, store: Path
    ) -> None:
        self._emulator = emulator
        self._changes = changes
        self._processes = processes
        self._store = store

    def publish(self, incoming: Incoming) -> Document:
        """Publish a version of a function, or take an earlier one, and let an alias stand for it."""
        name, body = incoming.path["Function"], _read(incoming, _Publish)
        if body.version is not None and body.alias is None:
            raise invalid("version is for alias: without an alias, a new version is published.")
        try:
            if body.alias is not None:
                check_alias(body.alias)
            version = body.version or self._processes.publish(name)
            if body.alias is not None:
                self._processes.set_alias(name, body.alias, version)
        except ConfigError as error:
            raise invalid(f"{error}.") from error
        self._changes.note(FUNCTIONS)
        arn = self._emulator.functions.arn(name, None if version == LATEST else version)
        return {
            "function_name": name,
            "function_arn": arn,
            "version": version,
            "alias": body.alias,
        }

    def fork(self, incoming: Incoming) -> Document:
        """Fork an execution before an operation, by its id, or where it stands."""
        arn, body = arn_of(self._emulator, incoming), _read(incoming, _Fork)
        if not body.anyway:
            check_results(self._processes.logs, arn, body.results)
        forked = self._emulator.fork(
            arn, before=body.before, payload=body.input, results=body.results, name=body.name
        )
        return _new_execution(forked, arn)

    def rerun(self, incoming: Incoming) -> Document:
        """Start an execution like another."""
        arn, body = arn_of(self._emulator, incoming), _read(incoming, _Rerun)
        return _new_execution(self._emulator.rerun(arn, payload=body.input, name=body.name), arn)

    def set_time(self, incoming: Incoming) -> Document:
        """Change the way in which time passes for an execution, or advance it."""
        arn, body = arn_of(self._emulator, incoming), _read(incoming, _Time)
        given = (body.mode is not None, body.advance_milliseconds is not None, body.advance_to_next)
        if sum(given) != 1:
            raise invalid("Give one of mode, advance_milliseconds and advance_to_next.")
        if body.mode is None:
            self._emulator.advance(arn, body.advance_milliseconds)
        else:
            self._emulator.set_time_mode(arn, body.mode)
        return self.time(incoming)

    def time(self, incoming: Incoming) -> Document:
        """Tell the time of an execution."""
        arn = arn_of(self._emulator, incoming)
        return time_document(self._emulator.time(arn), self._emulator.progress(arn))

    def crash(self, incoming: Incoming) -> Document:
        """Kill the worker of an execution now, or plan a fault of a checkpoint to come."""
        arn, body = arn_of(self._emulator, incoming), _read(incoming, _Crash)
        if body.kind is None:
            if body != _Crash():
                raise invalid("checkpoint, operation and times are for a fault of some kind.")
            self._emulator.faults.crash(arn)
        else:
            self._emulator.faults.plan(
                arn,
                LiveFault(
                    kind=body.kind,
                    checkpoint=body.checkpoint,
                    operation=body.operation,
                    times=body.times,
                ),
            )
        planned = self._emulator.faults.planned(arn)
        return {"planned": [msgspec.to_builtins(fault) for fault in planned]}

    def succeed(self, incoming: Incoming) -> Document:
        """Answer a callback with a result that fits the type it waits for, or with any."""
        callback_id, body = incoming.path["Callback"], _read(incoming, _Succeed)
        result = None if body.result is None else body.result.encode("utf-8", "surrogatepass")
        if body.anyway:
            self._emulator.callback_success(callback_id, result)
        else:
            check_answer(self._processes.logs, callback_id, body.result)
            self._emulator.readable_success(callback_id, result)
        return {"callback_id": callback_id}

    def send(self, incoming: Incoming) -> Document:
        """Send a message to an inbox of an execution, if there is room in it."""
        arn, body = arn_of(self._emulator, incoming), _read(incoming, _Send)
        chosen = str(uuid.uuid4()) if body.id is None else body.id
        payload = message_payload(chosen, _json(body.message))
        room = room_in(self._emulator.progress(arn), body.inbox)
        if room.callback_id is None:
            raise invalid(f"The message was not accepted: {room.reason}.")
        if not body.anyway:
            check_answer(self._processes.logs, room.callback_id, payload)
        self._emulator.callback_success(room.callback_id, payload.encode("utf-8", "surrogatepass"))
        return {"id": chosen}

    def accept_code(self, incoming: Incoming) -> Document:
        """Let a held execution go on with the code that does not fit its log."""
        arn = arn_of(self._emulator, incoming)
        _read(incoming, _AcceptCode)
        held = read_held(self._store).get(arn)
        if held is None:
            raise invalid(f"{ExecutionArn.parse(arn).execution_name} is not held.")
        self._emulator.accept_code(arn, held.code)
        return {"durable_execution_arn": arn}


def _read(incoming: Incoming, kind: type[_T]) -> _T:
    """Decode the body, an object of JSON. An empty one has no members.

    A page of another site can send any type but this one without asking the server first.
    """
    given = incoming.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != "application/json":
        raise ServiceError(
            f"The content type has to be application/json, not {given!r}.",
            code="UnsupportedMediaTypeException",
            status=415,
        )
    return incoming.read(lambda body: msgspec.json.decode(body or b"{}", type=kind))


def _json(text: str) -> str:
    """Return the text of a message; raise an error if it is not JSON."""
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise invalid(f"The message is not JSON: {error}.") from error
    return text


def _new_execution(arn: str, origin: str) -> Document:
    return {
        "durable_execution_name": ExecutionArn.parse(arn).execution_name,
        "durable_execution_arn": arn,
        "origin_arn": origin,
    }
