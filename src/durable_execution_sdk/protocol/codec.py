"""Codec of the data plane's and the invocation's JSON, in both directions.

``control_wire`` has the control plane, which a handler in Lambda does not load.

Timestamps differ by transport: integer milliseconds in the event of an invocation, which is also
what the model holds, and seconds, with fractions, in the bodies of the API (API reference,
"Read first", 4). Unknown members and unknown enum values of a newer service are tolerated.
"""

from collections.abc import Callable, Iterable
from typing import Any, cast

import msgspec
from msgspec.structs import force_setattr, replace

from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    Invocation,
    Outcome,
    StatePage,
)
from durable_execution_sdk.protocol.operations import LATEST_TIMESTAMP, Operation
from durable_execution_sdk.protocol.updates import OperationUpdate

_encode = msgspec.json.Encoder().encode

_LAST_SECOND = LATEST_TIMESTAMP / 1000


# The invocation: event in, outcome out.


def decode_invocation(event: object) -> Invocation:
    """Decode the event of an invocation; raise ``msgspec.ValidationError`` if it is malformed."""
    return msgspec.convert(event, Invocation)


def encode_invocation(invocation: Invocation) -> dict[str, object]:
    """Encode the event of an invocation as the dictionary that Lambda passes to a handler."""
    return cast("dict[str, object]", msgspec.to_builtins(invocation))


def encode_invocation_event(invocation: Invocation) -> bytes:
    """Encode the event of an invocation as JSON."""
    return _encode(invocation)


def decode_outcome(outcome: object) -> Outcome:
    """Decode a handler's return value; raise ``msgspec.ValidationError`` if it is malformed."""
    return msgspec.convert(outcome, Outcome)


def encode_outcome(outcome: Outcome) -> dict[str, Any]:
    """Encode a handler's return value."""
    return cast("dict[str, Any]", msgspec.to_builtins(outcome))


# The data plane. The execution's ARN is in the path, not in the bodies.


class _CheckpointBody(msgspec.Struct, rename="pascal", omit_defaults=True):
    checkpoint_token: str
    updates: list[OperationUpdate] | None = None
    client_token: str | None = None


class _UpdatedState(msgspec.Struct, rename="pascal", omit_defaults=True):
    operations: list[Operation] | None = None
    next_marker: str | None = None


class _CheckpointResponseBody(msgspec.Struct, rename="pascal", omit_defaults=True):
    new_execution_state: _UpdatedState | None = None
    checkpoint_token: str | None = None


class _StateBody(msgspec.Struct, rename="pascal"):
    operations: list[Operation] = []
    next_marker: str | None = None


class _Marker(msgspec.Struct, rename="pascal"):
    next_marker: str | None = None


# No Decoder is built on import: it would analyze the types, and slow the cold start.


def encode_checkpoint(request: CheckpointRequest) -> bytes:
    """Encode the request body of a checkpoint."""
    return _encode(_CheckpointBody(request.checkpoint_token, request.updates, request.client_token))


def decode_checkpoint(arn: str, body: bytes) -> CheckpointRequest:
    """Decode the request body of a checkpoint."""
    request = msgspec.json.decode(body, type=_CheckpointBody)
    return CheckpointRequest(
        durable_execution_arn=arn,
        checkpoint_token=request.checkpoint_token,
        updates=request.updates or [],
        client_token=request.client_token,
    )


def encode_checkpoint_response(response: CheckpointResponse) -> bytes:
    """Encode the response of a checkpoint."""
    operations = list(map(_in_seconds, response.operations))
    state = _UpdatedState(operations, response.next_marker)
    return _encode(_CheckpointResponseBody(state, response.checkpoint_token))


def decode_checkpoint_response(body: bytes) -> CheckpointResponse:
    """Decode the response of a checkpoint."""
    response = msgspec.json.decode(body, type=_CheckpointResponseBody)
    state = response.new_execution_state or _UpdatedState()
    return CheckpointResponse(
        checkpoint_token=response.checkpoint_token or None,
        operations=_in_milliseconds(state.operations or []),
        next_marker=state.next_marker or None,
    )


def encode_state_page(page: StatePage) -> bytes:
    """Encode a page of operations."""
    return _encode(_UpdatedState(list(map(_in_seconds, page.operations)), page.next_marker))


def next_marker(body: bytes) -> str | None:
    """Return the marker of the next page without decoding the operations."""
    return msgspec.json.decode(body, type=_Marker).next_marker or None


def decode_state_page(body: bytes) -> StatePage:
    """Decode a page of operations."""
    page = msgspec.json.decode(body, type=_StateBody)
    return StatePage(
        operations=_in_milliseconds(page.operations), next_marker=page.next_marker or None
    )


# Seconds and milliseconds. The wire names of timestamps, and no others, end in "Timestamp". Payloads are
# strings on the wire, so user data is never traversed.


def in_seconds(value: msgspec.Struct) -> dict[str, object]:
    """Return a struct as plain JSON values, with timestamps in seconds."""
    return cast("dict[str, object]", with_timestamps(msgspec.to_builtins(value), _seconds))


def with_timestamps(value: object, convert: Callable[[float], float]) -> object:
    """Return plain JSON values with all timestamps converted and without null members."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {
            key: convert(member)
            if key.endswith("Timestamp") and isinstance(member, (int, float))
            else with_timestamps(member, convert)
            for key, member in members.items()
            if member is not None
        }
    if isinstance(value, list):
        return [with_timestamps(item, convert) for item in cast("list[object]", value)]
    return value


def milliseconds(seconds: float) -> int:
    """Convert a timestamp of the API; raise ``msgspec.ValidationError`` after the year 9999."""
    if seconds > _LAST_SECOND:
        raise _no_time(seconds)
    return round(seconds * 1000)


def _no_time(seconds: float) -> msgspec.ValidationError:
    return msgspec.ValidationError(f"{seconds!r} is not a timestamp: seconds from 1970 to 9999")


def _seconds(timestamp: float) -> float:
    return timestamp / 1000


def _in_seconds(op: Operation) -> Operation:
    """Return the operation with timestamps in seconds; faster than ``in_seconds``, for operations only."""
    step, wait = op.step_details, op.wait_details
    if step is not None and step.next_attempt_timestamp is not None:
        step = replace(step, next_attempt_timestamp=step.next_attempt_timestamp / 1000)
    if wait is not None and wait.scheduled_end_timestamp is not None:
        wait = replace(wait, scheduled_end_timestamp=wait.scheduled_end_timestamp / 1000)
    start, end = op.start_timestamp, op.end_timestamp
    return replace(
        op,
        start_timestamp=None if start is None else start / 1000,
        end_timestamp=None if end is None else end / 1000,
        step_details=step,
        wait_details=wait,
    )


def _in_milliseconds(operations: Iterable[Operation]) -> list[Operation]:
    """Convert timestamps to milliseconds in place: the operations were just decoded and are unshared."""
    listed = list(operations)
    for op in listed:
        start, end = op.start_timestamp, op.end_timestamp
        # Inline rather than by ``milliseconds``: there may be thousands of operations.
        if start is not None:
            if start > _LAST_SECOND:
                raise _no_time(start)
            force_setattr(op, "start_timestamp", round(start * 1000))
        if end is not None:
            if end > _LAST_SECOND:
                raise _no_time(end)
            force_setattr(op, "end_timestamp", round(end * 1000))
        step, wait = op.step_details, op.wait_details
        if step is not None and step.next_attempt_timestamp is not None:
            due_at = milliseconds(step.next_attempt_timestamp)
            force_setattr(step, "next_attempt_timestamp", due_at)
        if wait is not None and wait.scheduled_end_timestamp is not None:
            due_at = milliseconds(wait.scheduled_end_timestamp)
            force_setattr(wait, "scheduled_end_timestamp", due_at)
    return listed
