"""How large things are, in UTF-8 bytes: what the service's limits are counted in."""

from __future__ import annotations

from durable_execution_sdk.engine.events import (
    CallbackFailed,
    CallbackSucceeded,
    ChainedInvokeFailed,
    ChainedInvokeStarted,
    ChainedInvokeStopped,
    ChainedInvokeSucceeded,
    ContextFailed,
    ContextSucceeded,
    Event,
    ExecutionOutcomeRecorded,
    ExecutionStarted,
    StepFailed,
    StepRetryScheduled,
    StepSucceeded,
)
from durable_execution_sdk.model.failure import ErrorObject


def text_bytes(text: str | None) -> int:
    """The size of a payload."""
    if text is None:
        return 0
    # A lone surrogate has no UTF-8 form; it must still be counted, not crash the count.
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def error_bytes(error: ErrorObject | None) -> int:
    """The size of an error: all its fields together."""
    if error is None:
        return 0
    return (
        text_bytes(error.error_type)
        + text_bytes(error.error_message)
        + text_bytes(error.error_data)
        + sum(map(text_bytes, error.stack_trace or ()))
    )


def stored_bytes(event: Event) -> int:
    """How much an event adds to what an execution has stored."""
    match event:
        case ExecutionStarted() | ChainedInvokeStarted():
            return text_bytes(event.input)
        case StepSucceeded() | CallbackSucceeded() | ChainedInvokeSucceeded() | ContextSucceeded():
            return text_bytes(event.result)
        case StepRetryScheduled() | ExecutionOutcomeRecorded():
            return text_bytes(event.result) + error_bytes(event.error)
        case (
            StepFailed()
            | CallbackFailed()
            | ChainedInvokeFailed()
            | ChainedInvokeStopped()
            | ContextFailed()
        ):
            return error_bytes(event.error)
        case _:
            return 0
