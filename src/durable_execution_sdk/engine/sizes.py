"""Sizes in UTF-8 bytes, the unit of the service's limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.updates import error_bytes as size_of_error
from durable_execution_sdk.protocol.updates import text_bytes


def error_bytes(error: ErrorObject | None) -> int:
    """Return the size of an error: the sum over its fields."""
    return 0 if error is None else size_of_error(error)


def stored_bytes(event: Event) -> int:
    """Return the number of bytes that an event adds to the execution's storage."""
    measure = _MEASURES.get(type(event))
    return 0 if measure is None else measure(event)


def _input_bytes(event: ExecutionStarted | ChainedInvokeStarted) -> int:
    return text_bytes(event.input)


def _result_bytes(
    event: StepSucceeded | CallbackSucceeded | ChainedInvokeSucceeded | ContextSucceeded,
) -> int:
    return text_bytes(event.result)


def _outcome_bytes(event: StepRetryScheduled | ExecutionOutcomeRecorded) -> int:
    return text_bytes(event.result) + error_bytes(event.error)


def _failure_bytes(
    event: StepFailed | CallbackFailed | ChainedInvokeFailed | ChainedInvokeStopped | ContextFailed,
) -> int:
    return error_bytes(event.error)


_MEASURES: Mapping[type[Event], Callable[[Any], int]] = {
    ExecutionStarted: _input_bytes,
    ChainedInvokeStarted: _input_bytes,
    StepSucceeded: _result_bytes,
    CallbackSucceeded: _result_bytes,
    ChainedInvokeSucceeded: _result_bytes,
    ContextSucceeded: _result_bytes,
    StepRetryScheduled: _outcome_bytes,
    ExecutionOutcomeRecorded: _outcome_bytes,
    StepFailed: _failure_bytes,
    CallbackFailed: _failure_bytes,
    ChainedInvokeFailed: _failure_bytes,
    ChainedInvokeStopped: _failure_bytes,
    ContextFailed: _failure_bytes,
}
