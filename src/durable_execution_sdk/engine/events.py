"""The events of an execution, which a store appends and never changes.

Folding the events in order gives the state (``evolution``); mapping them one by one gives the history
(``views.history``). Times are milliseconds since the epoch, in the execution's time (``execution_time``). Unknown fields are ignored when events are
read, so this version reads a store that a newer version wrote.

The module is long because it has one struct for each event, a table that is read whole.
"""

from __future__ import annotations

import msgspec

from durable_execution_sdk.engine.execution_time import REAL_TIME, ExecutionTime
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.error_object import ErrorObject


class OperationRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Identity of the operation that an event is about: the fields that the history repeats."""

    id: str
    parent_id: str | None = None
    name: str | None = None
    sub_type: str | None = None


class ParentLink(msgspec.Struct, frozen=True, kw_only=True):
    """The chained invoke that waits for an execution."""

    arn: str
    operation_id: str


class ForkOrigin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The execution that a fork was made of, and the operation that the fork does anew, if one was named.

    ``before_name`` is the name that the operation had there; newer code may give it another one. ``first_arn``
    is the ARN of the first execution in a line of forks. Random values derive from it.
    """

    arn: str
    first_arn: str
    before: str | None = None
    before_name: str | None = None


class EventFields(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """Base of all events: ``at`` is the event's time."""

    at: int


class OperationFields(EventFields, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """Base of all events about an operation."""

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
    time: ExecutionTime = REAL_TIME
    forked_from: ForkOrigin | None = None


class ExecutionOutcomeRecorded(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """An EXECUTION update settled the outcome, which takes effect when the invocation is over."""

    status: ExecutionStatus
    result: str | None = None
    error: ErrorObject | None = None


class ExecutionSucceeded(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The handler returned a result."""

    result: str | None = None


class ExecutionFailed(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The handler returned FAILED, or broke a rule of the service."""

    error: ErrorObject


class ExecutionTimedOut(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The execution timeout passed."""

    error: ErrorObject


class ExecutionStopped(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """StopDurableExecution ended the execution."""

    error: ErrorObject | None = None


class PauseRequested(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """A pause was requested; it begins once no invocation can checkpoint any more."""

    execution_timeout_paused: bool = True
    reason: str | None = None
    client_token: str | None = None


class PauseCancelled(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The execution was resumed before the requested pause had begun."""

    reason: str | None = None
    client_token: str | None = None


class ExecutionPaused(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The pause began; while it lasts, the execution timeout is at ``times_out_at``."""

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
    """The closed execution was deleted."""


class TimeChanged(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The execution's time was moved, or passes in another way; ``at`` is the time before that."""

    time: ExecutionTime


class CodeAccepted(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The execution may go on with code of this digest, even if a rehearsal finds that it fails."""

    code: str


# Invocations and checkpoints


class InvocationStarted(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """The handler was invoked; ``token`` is for its first checkpoint, ``code`` the digest of its code if known."""

    number: int
    request_id: str
    token: str
    code: str | None = None


class CheckpointAccepted(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """A batch of updates was recorded, by the events before this one.

    Without a ``next_token`` the invocation may not checkpoint any more. ``left_out`` lists changed
    operations that this checkpoint's response omits and a later response reports.
    """

    sequence: int
    token: str
    next_token: str | None = None
    client_token: str | None = None
    left_out: tuple[str, ...] = ()


class InvocationCompleted(EventFields, frozen=True, kw_only=True, omit_defaults=True):
    """An invocation is over. ``invoke_again``: a change is waiting, so the handler is invoked again."""

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
    """A step succeeded; ``attempt`` is the number of attempts that have ended."""

    attempt: int
    result: str | None = None


class StepFailed(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """A step failed for good."""

    attempt: int
    error: ErrorObject


class StepRetryScheduled(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt ended and another follows: after an error, or to poll again with the new state."""

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
    """A callback was created; 0 seconds mean no timeout.

    ``clock_at`` is the execution's time, ``None`` when it equals ``at``, the log's time.
    """

    callback_id: str
    timeout_seconds: int = 0
    heartbeat_seconds: int = 0
    clock_at: int | None = None


class CallbackHeartbeatReceived(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """A heartbeat restarted the heartbeat timeout."""

    heartbeat_seconds: int = 0
    clock_at: int | None = None


class CallbackSucceeded(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """An external system completed the callback with a result."""

    result: str | None = None


class CallbackFailed(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """An external system completed the callback with an error."""

    error: ErrorObject


class CallbackTimedOut(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """The callback timeout or the heartbeat timeout passed."""

    error: ErrorObject


class ChainedInvokeStarted(OperationFields, frozen=True, kw_only=True, omit_defaults=True):
    """Another function was invoked; a durable function as the execution ``child_arn``.

    An empty ``function_arn`` means that the function cannot be started: ChainedInvokeFailed follows.
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
    """A child context succeeded; with ``replay_children`` its children are sent to the handler too."""

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
    | TimeChanged
    | CodeAccepted
    | InvocationStarted
    | CheckpointAccepted
    | InvocationCompleted
    | InvocationRetryScheduled
    | InvocationRetryReady
)

Event = ExecutionEvent | OperationEvent

ENDS = frozenset({ExecutionSucceeded, ExecutionFailed, ExecutionTimedOut, ExecutionStopped})
"""The events with which an execution ends."""

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def clock_at(at: int, now: int) -> int | None:
    """Return the execution's time, or ``None`` when it equals the log's time ``at``."""
    return None if now == at else now


def encode_event(event: Event) -> bytes:
    """Write an event as one line of JSON."""
    return _encoder.encode(event)


def decode_event(data: bytes | str) -> Event:
    """Read an event that ``encode_event`` wrote."""
    return _decoder.decode(data)
