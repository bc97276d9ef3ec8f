"""Arguments of hooks: frozen structs, each complete in itself, with times in UTC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import asdict, replace

from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import Operation

if TYPE_CHECKING:
    from durable_execution_sdk.execution_limits import ExecutionLimits

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
    """Outcomes of an invocation.

    ``SUCCEEDED`` and ``FAILED`` end the execution. ``PENDING``: the execution is suspended until an
    operation changes. ``RETRY``: the invocation raised an exception, so Lambda invokes again.
    """

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    PENDING = "PENDING"
    RETRY = "RETRY"


class AttemptOutcome(StrEnum):
    """Outcomes of an attempt, a call of the user's function.

    ``INCOMPLETE``: interrupted, because the invocation ended or the operation was given up.
    """

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    INCOMPLETE = "INCOMPLETE"


class _Info(Struct, frozen=True, kw_only=True):
    """Base of all infos."""

    execution_arn: str

    def __repr__(self) -> str:
        """Show all fields but payloads, which may be secret or long and must not be logged."""
        members = ", ".join(
            f"{name}={getattr(self, name)!r}"
            for name in self.__struct_fields__
            if name not in _PAYLOADS
        )
        return f"{type(self).__name__}({members})"


class OperationInfo(_Info, frozen=True, kw_only=True):
    """An operation as recorded in the log, or about to be recorded.

    Attributes:
        type: the wire's type, such as ``"STEP"``.
        sub_type: the wire's subtype, such as ``"Step"``.
        attempt: of a step: the running or next attempt, or the last one once the step has ended.
        is_replay: an earlier invocation has started the operation, or has seen its end.
        result: the recorded payload.
        previous_status: in ``on_operation_change`` only; ``None`` if unknown.
        next_attempt_timestamp: of a step that waits for another attempt.
        scheduled_end_timestamp: of a wait.
        callback_id: of a callback.
        function_name: of an invoke that is about to start.
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
    """An operation whose status in the log has changed.

    ``updated_operations`` holds this operation only; ``operations`` holds all operations of the log by
    id, the EXECUTION included.
    """

    updated_operations: Mapping[str, OperationInfo] = {}
    operations: Mapping[str, OperationInfo] = {}


class AttemptInfo(_Info, frozen=True, kw_only=True):
    """An attempt: one call of a step's body, a poll's check, or a context's function.

    ``attempt`` counts the attempts of a step or a poll from 1, and is ``None`` for a context.
    ``is_replay``: an earlier invocation has started the operation. ``is_replaying_children``: the
    context's function runs again over recorded operations. ``outcome``, ``end_timestamp`` and ``error``
    are set once the attempt has ended. ``is_virtual``: the context has no operation, so other hooks do not
    report it, and its function runs in each invocation; ``is_replay``, once it has ended, tells that it had
    ended in an earlier one.
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
    is_virtual: bool = False
    outcome: AttemptOutcome | None = None
    error: ErrorObject | None = None


class InvocationInfo(_Info, frozen=True, kw_only=True):
    """An invocation of the handler, at its start.

    ``is_first_invocation``: the log held only the EXECUTION operation. ``operations``: all operations of
    the log by id, the EXECUTION included. ``updated_operations``: those of them that changed while the
    execution was suspended, such as a wait that has ended. ``execution_input`` is the input of the
    execution as JSON text. ``trace_header`` is the X-Amzn-Trace-Id of the invocation, if any. ``limits`` are
    those that the handler states.
    """

    request_id: str
    start_timestamp: datetime
    is_first_invocation: bool
    execution_start_timestamp: datetime | None
    execution_input: str | None
    operations: Mapping[str, OperationInfo]
    updated_operations: Mapping[str, OperationInfo]
    trace_header: str | None = None
    limits: ExecutionLimits | None = None


class InvocationEndInfo(InvocationInfo, frozen=True, kw_only=True):
    """An invocation of the handler, after its end.

    ``execution_error``: the error of the execution, or, with ``RETRY``, of the invocation.
    ``execution_result``: the result of the execution as JSON text; empty if it was too large for the
    response and was recorded by a checkpoint instead.
    """

    end_timestamp: datetime
    status: InvocationStatus
    execution_error: ErrorObject | None = None
    execution_result: str | None = None


class CheckpointInfo(_Info, frozen=True, kw_only=True):
    """A checkpoint call: number of updates, size, duration, and the error if it failed.

    ``request_bytes`` is the size of the updates as JSON.
    """

    updates: int
    request_bytes: int
    start_timestamp: datetime
    duration_seconds: float
    error: ErrorObject | None = None


class Operations(Mapping[str, OperationInfo]):
    """The operations at one moment; each info is created on access."""

    def __init__(self, arn: str, operations: Mapping[str, Operation]) -> None:
        self._arn = arn
        self._operations = operations

    def __getitem__(self, operation_id: str) -> OperationInfo:
        """Return the info of the operation with this id."""
        return operation_info(self._arn, self._operations[operation_id])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids."""
        return iter(self._operations)

    def __len__(self) -> int:
        """Return the number of operations."""
        return len(self._operations)

    def __repr__(self) -> str:
        """Show only the number of operations; each may be large."""
        return f"<{len(self)} operations>"


def utc(milliseconds: float) -> datetime:
    """Convert milliseconds since the epoch to a datetime in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def change_info(
    arn: str,
    operation: Operation,
    operations: Mapping[str, Operation],
    *,
    attempt: int | None,
    previous_status: str | None,
) -> OperationChangeInfo:
    """Return the info of a changed operation, with all operations of the log."""
    info = operation_info(arn, operation, attempt=attempt, previous_status=previous_status)
    return OperationChangeInfo(
        **asdict(info),
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
    """Return the info of an operation."""
    step, wait, callback = (
        operation.step_details,
        operation.wait_details,
        operation.callback_details,
    )
    due_at = step.next_attempt_timestamp if step else None
    ends_at = wait.scheduled_end_timestamp if wait else None
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
        next_attempt_timestamp=_utc(due_at),
        scheduled_end_timestamp=_utc(ends_at),
        callback_id=callback.callback_id if callback else None,
        function_name=function_name,
    )


def own(error: ErrorObject | None) -> ErrorObject | None:
    """Return the error with a copy of its stack trace, so that hooks cannot change the original."""
    if error is None or error.stack_trace is None:
        return error
    return replace(error, stack_trace=list(error.stack_trace))


def _utc(milliseconds: float | None) -> datetime | None:
    return None if milliseconds is None else utc(milliseconds)
