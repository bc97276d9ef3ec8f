"""Events of an execution's history (API shape ``Event``).

Timestamps are integer milliseconds since the epoch here; the API's bodies carry seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from durable_execution_sdk.protocol.error_object import ErrorObject


class EventType(StrEnum):
    """Types of event in a history."""

    EXECUTION_STARTED = "ExecutionStarted"
    EXECUTION_SUCCEEDED = "ExecutionSucceeded"
    EXECUTION_FAILED = "ExecutionFailed"
    EXECUTION_TIMED_OUT = "ExecutionTimedOut"
    EXECUTION_STOPPED = "ExecutionStopped"
    EXECUTION_PAUSED = "ExecutionPaused"
    EXECUTION_RESUMED = "ExecutionResumed"
    CONTEXT_STARTED = "ContextStarted"
    CONTEXT_SUCCEEDED = "ContextSucceeded"
    CONTEXT_FAILED = "ContextFailed"
    WAIT_STARTED = "WaitStarted"
    WAIT_SUCCEEDED = "WaitSucceeded"
    WAIT_CANCELLED = "WaitCancelled"
    STEP_STARTED = "StepStarted"
    STEP_SUCCEEDED = "StepSucceeded"
    STEP_FAILED = "StepFailed"
    CHAINED_INVOKE_STARTED = "ChainedInvokeStarted"
    CHAINED_INVOKE_SUCCEEDED = "ChainedInvokeSucceeded"
    CHAINED_INVOKE_FAILED = "ChainedInvokeFailed"
    CHAINED_INVOKE_TIMED_OUT = "ChainedInvokeTimedOut"
    CHAINED_INVOKE_STOPPED = "ChainedInvokeStopped"
    CALLBACK_STARTED = "CallbackStarted"
    CALLBACK_SUCCEEDED = "CallbackSucceeded"
    CALLBACK_FAILED = "CallbackFailed"
    CALLBACK_TIMED_OUT = "CallbackTimedOut"
    INVOCATION_COMPLETED = "InvocationCompleted"


class EventInput(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """An input payload; ``truncated`` if it was left out."""

    payload: str | None = None
    truncated: bool | None = None


class EventResult(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """A result payload; ``truncated`` if it was left out."""

    payload: str | None = None
    truncated: bool | None = None


class EventError(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """An error; ``truncated`` if it was left out."""

    payload: ErrorObject | None = None
    truncated: bool | None = None


class EventReason(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """The reason of a pause or resume; ``truncated`` if it was left out."""

    payload: str | None = None
    truncated: bool | None = None


class RetryDetails(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """Number of the attempt, from 1, and the delay in seconds before the next; ``None`` if there is no other."""

    current_attempt: int = 0
    next_attempt_delay_seconds: int | None = None

    def __post_init__(self) -> None:
        """Take a delay of 0, which AWS's local runner writes after the last attempt, for none: the shortest is 1."""
        if self.next_attempt_delay_seconds == 0:
            msgspec.structs.force_setattr(self, "next_attempt_delay_seconds", None)


class EmptyDetails(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Details without members (``ContextStartedDetails``, ``StepStartedDetails``)."""


class ExecutionStartedDetails(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """Input and timeout, in seconds, of an execution."""

    input: EventInput
    execution_timeout: int


class ResultDetails(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Details of a success."""

    result: EventResult


class ErrorDetails(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """Details of a failure, a timeout, a stop or a cancellation."""

    error: EventError | None = None


class WaitStartedDetails(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Length of a wait in seconds, and the time of its end."""

    duration: int
    scheduled_end_timestamp: int | float


class WaitSucceededDetails(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """Length of a wait in seconds."""

    duration: int | None = None


class StepSucceededDetails(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Result of a step's attempt, or state of a poll."""

    result: EventResult
    # AWS's local runner leaves it out.
    retry_details: RetryDetails = RetryDetails()


class StepFailedDetails(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Error of a step's failed attempt."""

    error: EventError
    retry_details: RetryDetails


class ChainedInvokeStartedDetails(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """The invoked function and its input."""

    function_name: str
    tenant_id: str | None = None
    input: EventInput | None = None
    executed_version: str | None = None
    durable_execution_arn: str | None = None


class CallbackStartedDetails(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """Id of a callback and its timeouts in seconds."""

    callback_id: str
    heartbeat_timeout: int | None = None
    timeout: int | None = None


class InvocationCompletedDetails(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """An invocation of the handler; ``error`` is present when it crashed."""

    start_timestamp: int | float
    end_timestamp: int | float
    request_id: str
    error: EventError | None = None


class ExecutionPausedDetails(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """Request time and reason of a pause; ``execution_timeout_paused`` if the timeout stands still."""

    pause_request_timestamp: int | float
    execution_timeout_paused: bool
    reason: EventReason | None = None


class ExecutionResumedDetails(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """Request time and reason of a resume."""

    resume_request_timestamp: int | float
    reason: EventReason | None = None


class HistoryEvent(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """An event of the history. Exactly one details field is set: the one of its type."""

    event_type: str
    event_id: int
    event_timestamp: int | float
    sub_type: str | None = None
    id: str | None = None
    name: str | None = None
    parent_id: str | None = None
    execution_started_details: ExecutionStartedDetails | None = None
    execution_succeeded_details: ResultDetails | None = None
    execution_failed_details: ErrorDetails | None = None
    execution_timed_out_details: ErrorDetails | None = None
    execution_stopped_details: ErrorDetails | None = None
    execution_paused_details: ExecutionPausedDetails | None = None
    execution_resumed_details: ExecutionResumedDetails | None = None
    context_started_details: EmptyDetails | None = None
    context_succeeded_details: ResultDetails | None = None
    context_failed_details: ErrorDetails | None = None
    wait_started_details: WaitStartedDetails | None = None
    wait_succeeded_details: WaitSucceededDetails | None = None
    wait_cancelled_details: ErrorDetails | None = None
    step_started_details: EmptyDetails | None = None
    step_succeeded_details: StepSucceededDetails | None = None
    step_failed_details: StepFailedDetails | None = None
    chained_invoke_started_details: ChainedInvokeStartedDetails | None = None
    chained_invoke_succeeded_details: ResultDetails | None = None
    chained_invoke_failed_details: ErrorDetails | None = None
    chained_invoke_timed_out_details: ErrorDetails | None = None
    chained_invoke_stopped_details: ErrorDetails | None = None
    callback_started_details: CallbackStartedDetails | None = None
    callback_succeeded_details: ResultDetails | None = None
    callback_failed_details: ErrorDetails | None = None
    callback_timed_out_details: ErrorDetails | None = None
    invocation_completed_details: InvocationCompletedDetails | None = None


def data_of(event: HistoryEvent) -> Iterator[EventInput | EventResult | EventError]:
    """Yield the payloads of an event that the code could read."""
    if event.execution_started_details is not None:
        yield event.execution_started_details.input
    for success in (
        event.execution_succeeded_details,
        event.context_succeeded_details,
        event.step_succeeded_details,
        event.chained_invoke_succeeded_details,
        event.callback_succeeded_details,
    ):
        if success is not None:
            yield success.result
    for failure in (
        event.execution_failed_details,
        event.context_failed_details,
        event.step_failed_details,
        event.chained_invoke_failed_details,
        event.chained_invoke_timed_out_details,
        event.chained_invoke_stopped_details,
        event.callback_failed_details,
        event.callback_timed_out_details,
    ):
        if failure is not None and failure.error is not None:
            yield failure.error
