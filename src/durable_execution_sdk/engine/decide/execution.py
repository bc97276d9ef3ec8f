"""Decide the start, stop and deletion of an execution, and the reuse of its name."""

from __future__ import annotations

from durable_execution_sdk.engine.commands import StartExecution, StopExecution
from durable_execution_sdk.engine.deadlines import retention_ends_at
from durable_execution_sdk.engine.decide.ends import close_as_settled
from durable_execution_sdk.engine.decide.validation import check_error_size
from durable_execution_sdk.engine.events import (
    Event,
    ExecutionDeleted,
    ExecutionStarted,
    ExecutionStopped,
)
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.rejections import already_started, conflict, invalid, too_large
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.limits import MAX_EXECUTION_NAME_CHARACTERS
from durable_execution_sdk.protocol.updates import text_bytes


def may_reuse_name(existing: ExecutionState | None, payload: str, now: int) -> bool:
    """Return True when a new execution may take the name of ``existing``.

    False means that the request is for the existing execution. Raises ``Rejected`` when that has
    another input. ``now`` is the clock's time.
    """
    if existing is None or existing.status == ExecutionStatus.DELETING:
        return True
    expires_at = retention_ends_at(existing)
    if expires_at is not None and expires_at <= existing.time.now(now):
        return True
    require_same_input(existing, payload)
    return False


def require_same_input(existing: ExecutionState, payload: str) -> None:
    """Raise ``Rejected`` when the existing execution was started with another input."""
    if existing.input != payload:
        name = ExecutionArn.parse(existing.arn).execution_name
        raise already_started(
            f"The name {name!r} belongs to {existing.arn}, which was started with another payload; "
            "use another name."
        )


def decide_start(command: StartExecution, at: int, limits: Limits) -> list[Event]:
    """Check the command and return the event that begins an execution."""
    try:
        arn = ExecutionArn.parse(command.arn)
    except ValueError as error:
        raise invalid(str(error)) from error
    if len(arn.execution_name) > MAX_EXECUTION_NAME_CHARACTERS:
        raise invalid(
            f"The execution name {arn.execution_name!r} has {len(arn.execution_name)} characters; "
            f"at most {MAX_EXECUTION_NAME_CHARACTERS}."
        )
    _check_range("ExecutionTimeout", command.execution_timeout, limits.execution_timeout_seconds)
    retention = command.retention
    if retention is None:
        retention = limits.default_retention_days
    _check_range("RetentionPeriodInDays", retention, limits.retention_days)
    if command.parent is not None:
        max_bytes = limits.chained_invoke_payload_bytes
    elif command.synchronous:
        max_bytes = limits.synchronous_payload_bytes
    else:
        max_bytes = limits.asynchronous_payload_bytes
    if text_bytes(command.input) > max_bytes:
        raise too_large(
            f"The input payload has {text_bytes(command.input)} bytes; at most {max_bytes}."
        )
    return [
        ExecutionStarted(
            at=at,
            arn=command.arn,
            function_arn=command.function_arn or arn.function_arn,
            input=command.input,
            execution_timeout=command.execution_timeout,
            retention=retention,
            synchronous=command.synchronous,
            parent=command.parent,
            tenant_id=command.tenant_id,
            trace_id=command.trace_id,
            time=command.time,
        )
    ]


def _check_range(field: str, value: int, maximum: int) -> None:
    if not 1 <= value <= maximum:
        raise invalid(f"Invalid {field} {value}: 1 to {maximum}.")


def decide_stop(
    state: ExecutionState, command: StopExecution, at: int, limits: Limits
) -> list[Event]:
    """End an execution now. A running invocation's next checkpoint is rejected."""
    check_error_size(command.error, limits, "Stop")
    if state.is_closed:
        return []
    # An accepted outcome is kept, even when the execution is stopped before the handler returns.
    if state.settled is not None:
        return [close_as_settled(state.settled, at)]
    return [ExecutionStopped(at=at, error=command.error)]


def decide_delete(state: ExecutionState, at: int) -> list[Event]:
    """Delete an execution; raise ``Rejected`` while it is open."""
    if not state.is_closed:
        raise conflict(f"Cannot delete {state.arn}: it is {state.status}; stop it first.")
    return [ExecutionDeleted(at=at)]
