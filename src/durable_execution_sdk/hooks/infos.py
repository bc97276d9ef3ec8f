"""What hooks are told. Every info is a frozen struct, complete in itself, with times in UTC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.operation import Operation

__all__ = [
    "AttemptInfo",
    "AttemptOutcome",
    "CheckpointInfo",
    "InvocationEndInfo",
    "InvocationInfo",
    "InvocationStatus",
    "OperationChangeInfo",
    "OperationInfo",
    "Operations",
    "change_info",
    "operation_info",
    "own",
    "utc",
]

_PAYLOADS = frozenset({"execution_input", "execution_result", "result"})


class InvocationStatus(StrEnum):
    """How an invocation ended.

    ``SUCCEEDED`` and ``FAILED`` end the execution. ``PENDING``: it is suspended until the service has
    news. ``RETRY``: the invocation raised, so Lambda invokes again.
    """

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    PENDING = "PENDING"
    RETRY = "RETRY"


class AttemptOutcome(StrEnum):
    """How a run of a user's function ended.

    ``INCOMPLETE``: it was cut off, because the invocation ended or its operation was given up.
    """

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    INCOMPLETE = "INCOMPLETE"


class _Info(Struct, frozen=True, kw_only=True):
    """What all infos have."""

    execution_arn: str

    def __repr__(self) -> str:
        """Everything but payloads, which may be secret or long, and do not belong into logs."""
        members = ", ".join(
            f"{name}={getattr(self, name)!r}"
            for name in self.__struct_fields__
            if name not in _PAYLOADS
        )
        return f"{type(self).__name__}({members})"


class OperationInfo(_Info, frozen=True, kw_only=True):
    """One operation, as the log has it, or is about to.

    ``type`` and ``sub_type`` are the wire's (``"STEP"``, ``"Step"``). ``attempt``, of a step, is the
    attempt that is under way, or due next, and the last one when it has ended. ``is_replay`` tells
    that this is no news: an earlier invocation has started it, or has seen its end. ``result`` is the
    payload as it is recorded.
    ``previous_status`` is there in ``on_operation_change`` only, and ``None`` if it is not known.
    ``next_attempt_timestamp`` is of a step that waits for another attempt, ``scheduled_end_timestamp``
    of a wait, ``callback_id`` of a callback, and ``function_name`` of an invoke that is about to start.
    """

    id: str
    type: str
    sub_type: str | None
    name: str | None
    parent_id: str | None
    status: str
    start_timestamp: datetime | None
    end_timestamp: datetime | None = None
    is_replay: bool = False
    attempt: int | None = None
    result: str | None = None
    error: ErrorObject | None = None
    previous_status: str | None = None
    next_attempt_timestamp: datetime | None = None
    scheduled_end_timestamp: datetime | None = None
    callback_id: str | None = None
    function_name: str | None = None


class OperationChangeInfo(OperationInfo, frozen=True, kw_only=True):
    """One operation whose status in the log has changed, and all others beside it.

    ``updated_operations`` is what has changed, this operation alone, and ``operations`` everything that
    the log holds now, by id, the EXECUTION included.
    """

    updated_operations: Mapping[str, OperationInfo] = {}
    operations: Mapping[str, OperationInfo] = {}


class AttemptInfo(_Info, frozen=True, kw_only=True):
    """One run of a function of the user's: a step's body, a poll's check, or that of a context.

    ``attempt`` counts the attempts of a step or a poll from 1; a context has none. ``is_replay``:
    an earlier invocation has started the operation. ``is_replaying_children``: the function of a
    context runs again, over operations that are recorded. ``outcome``, ``end_timestamp`` and
    ``error`` are there when it has ended.
    """

    id: str
    type: str
    sub_type: str | None
    name: str | None
    parent_id: str | None
    attempt: int | None
    start_timestamp: datetime
    end_timestamp: datetime | None = None
    is_replay: bool = False
    is_replaying_children: bool = False
    outcome: AttemptOutcome | None = None
    error: ErrorObject | None = None


class InvocationInfo(_Info, frozen=True, kw_only=True):
    """One invocation of the handler, as it begins.

    ``is_first_invocation``: the log held nothing yet but the execution itself.
    ``operations``: what the log holds now, by id, the EXECUTION included. ``updated_operations``: those
    of them that changed while the execution was suspended, such as a wait that is over.
    ``execution_input`` is the payload that the execution was started with, as JSON text.
    ``trace_header`` is the X-Amzn-Trace-Id that the invocation came with, if any.
    """

    request_id: str
    start_timestamp: datetime
    is_first_invocation: bool
    execution_start_timestamp: datetime | None
    execution_input: str | None
    operations: Mapping[str, OperationInfo]
    updated_operations: Mapping[str, OperationInfo]
    trace_header: str | None = None


class InvocationEndInfo(InvocationInfo, frozen=True, kw_only=True):
    """One invocation of the handler, when nothing of it runs any more.

    ``execution_error``: why the execution failed, or, with ``RETRY``, what the invocation raised.
    ``execution_result``: what it returned, as JSON text; empty if that was too large for the response
    and is in the log.
    """

    end_timestamp: datetime
    status: InvocationStatus
    execution_error: ErrorObject | None = None
    execution_result: str | None = None


class CheckpointInfo(_Info, frozen=True, kw_only=True):
    """One checkpoint call: how much it sent, how long it took, and the error if it failed.

    ``request_bytes`` is the size of its updates as JSON.
    """

    updates: int
    request_bytes: int
    start_timestamp: datetime
    duration_seconds: float
    error: ErrorObject | None = None


class Operations(Mapping[str, OperationInfo]):
    """The operations at one moment; an info is made when it is looked at."""

    def __init__(self, arn: str, operations: Mapping[str, Operation]) -> None:
        self._arn = arn
        self._operations = operations

    def __getitem__(self, operation_id: str) -> OperationInfo:
        """The operation with this id."""
        return operation_info(self._arn, self._operations[operation_id])

    def __iter__(self) -> Iterator[str]:
        """The ids."""
        return iter(self._operations)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._operations)

    def __repr__(self) -> str:
        """How many there are; each may be large."""
        return f"<{len(self)} operations>"


def utc(milliseconds: float) -> datetime:
    """A moment of the log."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def change_info(
    arn: str,
    operation: Operation,
    operations: Mapping[str, Operation],
    *,
    attempt: int | None,
    previous_status: str | None,
) -> OperationChangeInfo:
    """What an operation has become, and the log around it."""
    info = operation_info(arn, operation, attempt=attempt, previous_status=previous_status)
    members: dict[str, Any] = {name: getattr(info, name) for name in info.__struct_fields__}
    return OperationChangeInfo(
        **members,
        updated_operations=Operations(arn, {operation.id: operation}),
        operations=Operations(arn, operations),
    )


def operation_info(
    arn: str,
    operation: Operation,
    *,
    is_replay: bool = False,
    attempt: int | None = None,
    previous_status: str | None = None,
    function_name: str | None = None,
) -> OperationInfo:
    """What the log says of an operation."""
    step, wait, callback = (
        operation.step_details,
        operation.wait_details,
        operation.callback_details,
    )
    due = step.next_attempt_timestamp if step else None
    end = wait.scheduled_end_timestamp if wait else None
    details = step or callback or operation.chained_invoke_details or operation.context_details
    return OperationInfo(
        execution_arn=arn,
        id=operation.id,
        type=operation.type,
        sub_type=operation.sub_type,
        name=operation.name,
        parent_id=operation.parent_id,
        status=operation.status,
        start_timestamp=_utc(operation.start_timestamp),
        end_timestamp=_utc(operation.end_timestamp),
        is_replay=is_replay,
        attempt=attempt or (step.attempt if step else None),
        result=details.result if details else None,
        error=own(details.error) if details else None,
        previous_status=previous_status,
        next_attempt_timestamp=_utc(due),
        scheduled_end_timestamp=_utc(end),
        callback_id=callback.callback_id if callback else None,
        function_name=function_name,
    )


def own(error: ErrorObject | None) -> ErrorObject | None:
    """An error whose list is nobody else's: user code may see the other."""
    if error is None or error.stack_trace is None:
        return error
    return replace(error, stack_trace=list(error.stack_trace))


def _utc(milliseconds: float | None) -> datetime | None:
    return None if milliseconds is None else utc(milliseconds)
