"""The only codec between the model and the wire, in both directions.

Timestamps differ by transport: integer milliseconds in the event of an invocation, which is also
what the model holds, and seconds, with fractions, in the bodies of the API (API reference,
"Read first", 4). Unknown members and unknown enum values of a newer service are tolerated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

import msgspec
from msgspec.structs import force_setattr

from durable_execution_sdk.model.api import (
    CheckpointRequest,
    CheckpointResponse,
    ExecutionDescription,
    HistoryPage,
    ListPage,
    PauseRequest,
    ResumeRequest,
    StatePage,
)
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.invocation import Invocation, Outcome
from durable_execution_sdk.model.operation import Operation
from durable_execution_sdk.model.update import OperationUpdate

_S = TypeVar("_S", bound=msgspec.Struct)

_encode = msgspec.json.Encoder().encode


# The invocation: event in, outcome out.


def decode_invocation(event: object) -> Invocation:
    """Read the event of an invocation; ``msgspec.ValidationError`` says what is wrong with it."""
    return msgspec.convert(event, Invocation)


def encode_invocation(invocation: Invocation) -> dict[str, Any]:
    """Write the event of an invocation, as Lambda's runtime hands it to a handler."""
    return cast("dict[str, Any]", msgspec.to_builtins(invocation))


def decode_outcome(outcome: object) -> Outcome:
    """Read what a handler returned; ``msgspec.ValidationError`` says what is wrong with it."""
    return msgspec.convert(outcome, Outcome)


def encode_outcome(outcome: Outcome) -> dict[str, Any]:
    """Write what a handler returns."""
    return cast("dict[str, Any]", msgspec.to_builtins(outcome))


# The data plane. The execution's ARN travels in the path, so bodies are without it.


class _CheckpointBody(msgspec.Struct, rename="pascal", omit_defaults=True):
    checkpoint_token: str
    updates: list[OperationUpdate] | None = None
    client_token: str | None = None


class _UpdatedState(msgspec.Struct, rename="pascal", omit_defaults=True):
    operations: list[Operation] | None = None
    next_marker: str | None = None


class _CheckpointAnswer(msgspec.Struct, rename="pascal", omit_defaults=True):
    new_execution_state: _UpdatedState | None = None
    checkpoint_token: str | None = None


class _StateBody(msgspec.Struct, rename="pascal"):
    operations: list[Operation] = msgspec.field(default_factory=list)
    next_marker: str | None = None


_decode_checkpoint = msgspec.json.Decoder(_CheckpointBody).decode
_decode_answer = msgspec.json.Decoder(_CheckpointAnswer).decode
_decode_state = msgspec.json.Decoder(_StateBody).decode


def encode_checkpoint(request: CheckpointRequest) -> bytes:
    """Write the body of a checkpoint call."""
    return _encode(_CheckpointBody(request.checkpoint_token, request.updates, request.client_token))


def decode_checkpoint(arn: str, body: bytes) -> CheckpointRequest:
    """Read the body of a checkpoint call."""
    read = _decode_checkpoint(body)
    return CheckpointRequest(
        durable_execution_arn=arn,
        checkpoint_token=read.checkpoint_token,
        updates=read.updates or [],
        client_token=read.client_token,
    )


def encode_checkpoint_response(response: CheckpointResponse) -> bytes:
    """Write the answer to a checkpoint call."""
    state: dict[str, Any] = {"Operations": [in_seconds(op) for op in response.operations]}
    if response.next_marker is not None:
        state["NextMarker"] = response.next_marker
    answer: dict[str, Any] = {"NewExecutionState": state}
    if response.checkpoint_token is not None:
        answer["CheckpointToken"] = response.checkpoint_token
    return _encode(answer)


def decode_checkpoint_response(body: bytes) -> CheckpointResponse:
    """Read the answer to a checkpoint call."""
    read = _decode_answer(body)
    state = read.new_execution_state or _UpdatedState()
    return CheckpointResponse(
        checkpoint_token=read.checkpoint_token or None,
        operations=_in_milliseconds(state.operations or []),
        next_marker=state.next_marker or None,
    )


def encode_state_page(page: StatePage) -> bytes:
    """Write a page of operations."""
    answer: dict[str, Any] = {"Operations": [in_seconds(op) for op in page.operations]}
    if page.next_marker is not None:
        answer["NextMarker"] = page.next_marker
    return _encode(answer)


def decode_state_page(body: bytes) -> StatePage:
    """Read a page of operations."""
    read = _decode_state(body)
    return StatePage(
        operations=_in_milliseconds(read.operations), next_marker=read.next_marker or None
    )


# The control plane.


def encode_description(description: ExecutionDescription) -> bytes:
    """Write the answer to ``GetDurableExecution``."""
    return _encode(in_seconds(description))


def decode_description(body: bytes) -> ExecutionDescription:
    """Read the answer to ``GetDurableExecution``."""
    return _from_seconds(body, ExecutionDescription)


def encode_history_page(page: HistoryPage) -> bytes:
    """Write a page of events."""
    return _encode(_without_null_marker(in_seconds(page)))


def decode_history_page(body: bytes) -> HistoryPage:
    """Read a page of events."""
    return _from_seconds(body, HistoryPage)


def encode_list_page(page: ListPage) -> bytes:
    """Write a page of executions."""
    return _encode(in_seconds(page))


def decode_list_page(body: bytes) -> ListPage:
    """Read a page of executions."""
    return _from_seconds(body, ListPage)


def encode_error(error: ErrorObject | None) -> bytes:
    """Write a body that is an error object and nothing around it."""
    return _encode(error or ErrorObject())


def decode_error(body: bytes) -> ErrorObject | None:
    """Read a body that is an error object and nothing around it; an empty body is none."""
    return msgspec.json.decode(body, type=ErrorObject) if body else None


def encode_pause(request: PauseRequest) -> bytes:
    """Write the body of a pause."""
    return _encode(request)


def decode_pause(body: bytes) -> PauseRequest:
    """Read the body of a pause."""
    return msgspec.json.decode(body or b"{}", type=PauseRequest)


def encode_resume(request: ResumeRequest) -> bytes:
    """Write the body of a resume."""
    return _encode(request)


def decode_resume(body: bytes) -> ResumeRequest:
    """Read the body of a resume."""
    return msgspec.json.decode(body or b"{}", type=ResumeRequest)


def encode_timestamp(name: str, milliseconds: int) -> bytes:
    """Write a body of one timestamp (``StopTimestamp``, ``DeletionRequestTimestamp``)."""
    return _encode({name: milliseconds / 1000})


def decode_timestamp(name: str, body: bytes) -> int:
    """Read a body of one timestamp."""
    seconds = msgspec.json.decode(body, type=dict[str, Any])[name]
    return round(float(seconds) * 1000)


# Seconds and milliseconds. Every timestamp member's wire name, and no other, ends in "Timestamp";
# payloads are strings on the wire, so no user data is ever walked.


def in_seconds(value: msgspec.Struct) -> dict[str, Any]:
    """A struct as plain JSON values, its timestamps in seconds."""
    return cast("dict[str, Any]", _scale(msgspec.to_builtins(value), 0.001))


def _from_seconds(body: bytes, type_: type[_S]) -> _S:
    return msgspec.convert(_scale(msgspec.json.decode(body), 1000), type_)


def _scale(value: object, factor: float) -> object:
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {
            key: _scaled(number, factor)
            if key.endswith("Timestamp") and isinstance(number, (int, float))
            else _scale(number, factor)
            for key, number in members.items()
        }
    if isinstance(value, list):
        return [_scale(item, factor) for item in cast("list[object]", value)]
    return value


def _scaled(number: float, factor: float) -> float:
    return number / 1000 if factor < 1 else round(number * 1000)


def _in_milliseconds(operations: Iterable[Operation]) -> list[Operation]:
    """Mend timestamps in place: these operations were decoded a moment ago and nobody has them."""
    listed = list(operations)
    for op in listed:
        if op.start_timestamp is not None:
            force_setattr(op, "start_timestamp", round(op.start_timestamp * 1000))
        if op.end_timestamp is not None:
            force_setattr(op, "end_timestamp", round(op.end_timestamp * 1000))
        step, wait = op.step_details, op.wait_details
        if step is not None and step.next_attempt_timestamp is not None:
            force_setattr(step, "next_attempt_timestamp", round(step.next_attempt_timestamp * 1000))
        if wait is not None and wait.scheduled_end_timestamp is not None:
            force_setattr(
                wait, "scheduled_end_timestamp", round(wait.scheduled_end_timestamp * 1000)
            )
    return listed


def _without_null_marker(page: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in page.items() if value is not None}
