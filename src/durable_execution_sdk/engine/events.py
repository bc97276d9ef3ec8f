"""Everything that can happen to an execution, in the past tense: what a store keeps, append-only.

Each event is complete in itself: folding them in order gives the state, and mapping them one by one
gives the history. Times are milliseconds since the epoch. Unknown fields are ignored when events are
read, so a store that a newer version wrote can still be read.
"""

from __future__ import annotations

import msgspec

from durable_execution_sdk.model.control import ExecutionStatus
from durable_execution_sdk.model.failure import ErrorObject


class OperationRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which operation an event is about, as the history names it."""

    id: str
    parent_id: str | None = None
    name: str | None = None
    sub_type: str | None = None


class ParentLink(msgspec.Struct, frozen=True, kw_only=True):
    """The chained invoke that waits for an execution."""

    arn: str
    operation_id: str


class EventFields(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """What every event has: when it happened."""

    at: int


class OperationFields(EventFields, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """What every event about an operation has."""

    operation: OperationRef


# The execution


class ExecutionStarted(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """An execution began. ``execution_timeout`` is in seconds, ``retention`` in days."""

    arn: str
    function_arn: str
    input: str
    execution_timeout: int
    retention: int
    synchronous: bool = False
    parent: ParentLink | None = None
    tenant_id: str | None = None
    trace_id: str | None = None


class ExecutionOutcomeRecorded(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """How the execution will end once the running invocation is over is settled."""

    status: ExecutionStatus
    result: str | None = None
    error: ErrorObject | None = None


class ExecutionSucceeded(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The handler returned a result."""

    result: str | None = None


class ExecutionFailed(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The handler returned an error, or broke the contract."""

    error: ErrorObject


class ExecutionTimedOut(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The execution timeout passed."""

    error: ErrorObject


class ExecutionStopped(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody stopped the execution."""

    error: ErrorObject | None = None


class PauseRequested(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody asked for a pause; it begins when no invocation can checkpoint any more."""

    execution_timeout_paused: bool = True
    reason: str | None = None
    client_token: str | None = None


class PauseCancelled(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody resumed before the pause had begun."""

    reason: str | None = None
    client_token: str | None = None


class ExecutionPaused(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The pause began; as long as it lasts, the execution timeout is at ``times_out_at``."""

    requested_at: int
    times_out_at: int
    execution_timeout_paused: bool = True
    reason: str | None = None


class ExecutionResumed(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The pause ended; the execution timeout is now at ``times_out_at``."""

    requested_at: int
    times_out_at: int
    reason: str | None = None
    client_token: str | None = None


class ExecutionDeleted(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody deleted the closed execution."""


# Invocations and checkpoints


class InvocationStarted(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The handler was invoked, with this token for its first checkpoint."""

    number: int
    request_id: str
    token: str


class CheckpointAccepted(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """A batch was recorded, in the events before this one, and answered.

    Without a ``next_token`` the invocation may not checkpoint any more. ``left_out`` are operations of
    which the answer does not tell yet that they have changed.
    """

    sequence: int
    token: str
    next_token: str | None = None
    client_token: str | None = None
    left_out: tuple[str, ...] = ()


class InvocationCompleted(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """An invocation is over. ``invoke_again`` says that there is already a reason for the next."""

    number: int
    request_id: str
    started_at: int
    error: ErrorObject | None = None
    refused: bool = False
    invoke_again: bool = False


class InvocationRetryScheduled(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The handler will be invoked again after a failure, not before ``due_at``."""

    failures: int
    due_at: int


class InvocationRetryReady(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The delay after a failed invocation is over."""


# Operations


class StepStarted(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt of a step began."""


class StepSucceeded(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """A step is done; ``attempt`` counts the attempts that have ended."""

    attempt: int
    result: str | None = None


class StepFailed(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """A step failed for good."""

    attempt: int
    error: ErrorObject


class StepRetryScheduled(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt ended and another follows: after an error, or to poll again with a new state."""

    attempt: int
    delay_seconds: int
    due_at: int
    result: str | None = None
    error: ErrorObject | None = None


class StepReady(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """The delay before a step's next attempt is over."""


class WaitStarted(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """A wait began."""

    seconds: int
    due_at: int


class WaitSucceeded(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """A wait is over."""

    seconds: int


class WaitCancelled(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """The workflow cancelled a wait."""

    error: ErrorObject | None = None


class CallbackStarted(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """A callback waits for an answer; 0 seconds mean no timeout.

    ``clock_at`` is what the clock showed, if that was not the log's time.
    """

    callback_id: str
    timeout_seconds: int = 0
    heartbeat_seconds: int = 0
    clock_at: int | None = None


class CallbackHeartbeatReceived(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """A sign of life restarted the heartbeat timeout."""

    heartbeat_seconds: int = 0
    clock_at: int | None = None


class CallbackSucceeded(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """A callback was answered with a result."""

    result: str | None = None


class CallbackFailed(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """A callback was answered with a failure."""

    error: ErrorObject


class CallbackTimedOut(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """Nobody answered, or showed a sign of life, in time."""

    error: ErrorObject


class ChainedInvokeStarted(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """Another function was invoked; a durable one as the execution ``child_arn``.

    An empty ``function_arn`` means that it cannot be started, and a failure follows.
    """

    function_name: str
    input: str | None = None
    function_arn: str = ""
    executed_version: str | None = None
    child_arn: str | None = None
    execution_timeout: int | None = None
    tenant_id: str | None = None
    trace_id: str | None = None


class ChainedInvokeSucceeded(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """The invoked function returned."""

    result: str | None = None


class ChainedInvokeFailed(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """The invoked function failed, or could not be started."""

    error: ErrorObject


class ChainedInvokeTimedOut(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """The invoked execution timed out."""

    error: ErrorObject


class ChainedInvokeStopped(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """The invoked execution was stopped."""

    error: ErrorObject


class ContextStarted(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """A child context began."""


class ContextSucceeded(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """A child context is done; with ``replay_children`` its children stay in the state."""

    result: str | None = None
    replay_children: bool | None = None


class ContextFailed(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """A child context failed."""

    error: ErrorObject
    replay_children: bool | None = None


OperationEvent = (
    StepStarted
    | StepSucceeded
    | StepFailed
    | StepRetryScheduled
    | StepReady
    | WaitStarted
    | WaitSucceeded
    | WaitCancelled
    | CallbackStarted
    | CallbackHeartbeatReceived
    | CallbackSucceeded
    | CallbackFailed
    | CallbackTimedOut
    | ChainedInvokeStarted
    | ChainedInvokeSucceeded
    | ChainedInvokeFailed
    | ChainedInvokeTimedOut
    | ChainedInvokeStopped
    | ContextStarted
    | ContextSucceeded
    | ContextFailed
)

ExecutionEvent = (
    ExecutionStarted
    | ExecutionOutcomeRecorded
    | ExecutionSucceeded
    | ExecutionFailed
    | ExecutionTimedOut
    | ExecutionStopped
    | PauseRequested
    | PauseCancelled
    | ExecutionPaused
    | ExecutionResumed
    | ExecutionDeleted
    | InvocationStarted
    | CheckpointAccepted
    | InvocationCompleted
    | InvocationRetryScheduled
    | InvocationRetryReady
)

Event = ExecutionEvent | OperationEvent

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def clock_at(at: int, now: int) -> int | None:
    """The clock's time, if that is not the log's."""
    return None if now == at else now


def encode_event(event: Event) -> bytes:
    """Write an event as one line of JSON."""
    return _encoder.encode(event)


def decode_event(data: bytes | str) -> Event:
    """Read an event that ``encode_event`` wrote."""
    return _decoder.decode(data)
