"""Operations as the service reports them (API shape ``Operation``).

Timestamps are integer milliseconds since the epoch here; the API's bodies carry seconds. Type and status
are decoded as plain strings, so that values added by a newer service are tolerated. The classes below name the
known ones. They are no enums: one costs a cold start as much as two or three modules.
"""

from typing import Annotated, Final, Literal

import msgspec

from durable_execution_sdk.protocol.error_object import ErrorObject

LATEST_TIMESTAMP = 253_402_300_799_999
"""The last millisecond of the year 9999, the latest that Python's ``datetime`` can represent."""

_CALENDAR = msgspec.Meta(ge=0, le=LATEST_TIMESTAMP)
Timestamp = Annotated[int, _CALENDAR] | Annotated[float, _CALENDAR]


# The start of the ids of the records of ``ctx.set_status``, and their name. No operation of workflow code has such an id.
STATUS_IDS = "state-"
STATUS_NAME = "status"


def is_status(operation_id: str | None, name: str | None) -> bool:
    """Return ``True`` for the record of a status that ``ctx.set_status`` has set: a STEP that is no step of the code."""
    return name == STATUS_NAME and operation_id is not None and operation_id.startswith(STATUS_IDS)


class OperationType:
    """The six types of operation."""

    EXECUTION: Final = "EXECUTION"
    CONTEXT: Final = "CONTEXT"
    STEP: Final = "STEP"
    WAIT: Final = "WAIT"
    CALLBACK: Final = "CALLBACK"
    CHAINED_INVOKE: Final = "CHAINED_INVOKE"


OperationTypeName = Literal["EXECUTION", "CONTEXT", "STEP", "WAIT", "CALLBACK", "CHAINED_INVOKE"]


class OperationStatus:
    """Statuses of an operation."""

    STARTED: Final = "STARTED"
    PENDING: Final = "PENDING"
    READY: Final = "READY"
    SUCCEEDED: Final = "SUCCEEDED"
    FAILED: Final = "FAILED"
    CANCELLED: Final = "CANCELLED"
    TIMED_OUT: Final = "TIMED_OUT"
    STOPPED: Final = "STOPPED"


OperationStatusName = Literal[
    "STARTED",
    "PENDING",
    "READY",
    "SUCCEEDED",
    "FAILED",
    "CANCELLED",
    "TIMED_OUT",
    "STOPPED",
]


TERMINAL_STATUSES = frozenset(
    {
        OperationStatus.SUCCEEDED,
        OperationStatus.FAILED,
        OperationStatus.CANCELLED,
        OperationStatus.TIMED_OUT,
        OperationStatus.STOPPED,
    }
)


OPEN_STATUSES = frozenset({OperationStatus.STARTED, OperationStatus.PENDING, OperationStatus.READY})


class OperationSubType:
    """Subtypes of operations, with the names that AWS's SDKs use in the history."""

    STEP: Final = "Step"
    WAIT: Final = "Wait"
    CALLBACK: Final = "Callback"
    CHAINED_INVOKE: Final = "ChainedInvoke"
    RUN_IN_CHILD_CONTEXT: Final = "RunInChildContext"
    WAIT_FOR_CALLBACK: Final = "WaitForCallback"
    WAIT_FOR_CONDITION: Final = "WaitForCondition"
    MAP: Final = "Map"
    MAP_ITERATION: Final = "MapIteration"
    PARALLEL: Final = "Parallel"
    PARALLEL_BRANCH: Final = "ParallelBranch"


OperationSubTypeName = Literal[
    "Step",
    "Wait",
    "Callback",
    "ChainedInvoke",
    "RunInChildContext",
    "WaitForCallback",
    "WaitForCondition",
    "Map",
    "MapIteration",
    "Parallel",
    "ParallelBranch",
]


class ExecutionDetails(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Details of an EXECUTION: its input payload as JSON text."""

    input_payload: str | None = None


class ContextDetails(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Details of a CONTEXT. ``replay_children``: the result is rebuilt from the children on replay."""

    replay_children: bool | None = None
    result: str | None = None
    error: ErrorObject | None = None


class StepDetails(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Details of a STEP. ``attempt`` is the number of ended attempts, as in AWS's own SDK."""

    attempt: int | None = None
    next_attempt_timestamp: Timestamp | None = None
    result: str | None = None
    error: ErrorObject | None = None


class WaitDetails(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Details of a WAIT: the time at which the service ends it."""

    scheduled_end_timestamp: Timestamp | None = None


class CallbackDetails(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Details of a CALLBACK: its id, and the result or error from the external system."""

    callback_id: str | None = None
    result: str | None = None
    error: ErrorObject | None = None


class ChainedInvokeDetails(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """Details of a CHAINED_INVOKE: the result or error of the invoked function."""

    result: str | None = None
    error: ErrorObject | None = None


class Operation(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="pascal", omit_defaults=True
):
    """An operation of an execution, in its current state."""

    id: str
    type: str
    status: str
    start_timestamp: Timestamp | None = None
    end_timestamp: Timestamp | None = None
    parent_id: str | None = None
    name: str | None = None
    sub_type: str | None = None
    execution_details: ExecutionDetails | None = None
    context_details: ContextDetails | None = None
    step_details: StepDetails | None = None
    wait_details: WaitDetails | None = None
    callback_details: CallbackDetails | None = None
    chained_invoke_details: ChainedInvokeDetails | None = None


def label_of(type_: str, sub_type: str | None, name: str | None) -> str:
    """Return the text that names an operation in messages, such as ``map item 'order'``."""
    kind = _WORDS.get(sub_type or "") or type_.lower().replace("_", " ")
    return f"{kind} {name!r}" if name else f"an unnamed {kind}"


_WORDS: dict[str, str] = {
    OperationSubType.RUN_IN_CHILD_CONTEXT: "child context",
    OperationSubType.WAIT_FOR_CALLBACK: "wait_for_callback",
    OperationSubType.WAIT_FOR_CONDITION: "wait_for_condition",
    OperationSubType.CHAINED_INVOKE: "invoke",
    OperationSubType.MAP: "map",
    OperationSubType.MAP_ITERATION: "map item",
    OperationSubType.PARALLEL: "parallel",
    OperationSubType.PARALLEL_BRANCH: "parallel branch",
}


# The error of an operation that the workflow itself gave up. Its data distinguishes it from an error of the
# same type that user code raised.
GIVEN_UP = ErrorObject(
    error_type="OperationCancelled",
    error_message="the workflow gave the operation up: what awaited it was cancelled",
    error_data='{"given_up":true}',
)


_TIMEOUTS = frozenset({"ChildContextTimeoutError", "WaitForConditionTimeoutError"})


def timed_out(error_type: str, message: str) -> ErrorObject:
    """Make the error of an operation that was given up because its time limit had passed."""
    return ErrorObject(error_type=error_type, error_message=message, error_data=GIVEN_UP.error_data)


def was_given_up(operation: Operation) -> bool:
    """Return True when the recorded failure of an operation is that the workflow gave it up, or its time limit did."""
    details = operation.step_details or operation.context_details
    error = details.error if details is not None else None
    if error is None or operation.status != OperationStatus.FAILED:
        return False
    is_one = error.error_type == GIVEN_UP.error_type or error.error_type in _TIMEOUTS
    return is_one and error.error_data == GIVEN_UP.error_data


def was_cancelled(operation: Operation) -> bool:
    """Return True for an operation that was given up, and not by its time limit: workflow code sees no end of it."""
    details = operation.step_details or operation.context_details
    error = details.error if details is not None else None
    return operation.status == OperationStatus.FAILED and is_cancellation(error)


def is_cancellation(error: ErrorObject | None) -> bool:
    """Return True for the recorded error of an operation that the workflow gave up."""
    return (
        error is not None
        and error.error_type == GIVEN_UP.error_type
        and error.error_data == GIVEN_UP.error_data
    )


def is_built_again(operation: Operation) -> bool:
    """Return True for a context that succeeded and whose result is built again from its children."""
    details = operation.context_details
    return operation.status == OperationStatus.SUCCEEDED and bool(
        details is not None and details.replay_children
    )
