"""Ends of an execution: the settled outcome, and the errors for broken rules and quotas."""

from __future__ import annotations

from durable_execution_sdk.engine.events import (
    Event,
    ExecutionFailed,
    ExecutionSucceeded,
)
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.state import SettledOutcome
from durable_execution_sdk.protocol import error_codes
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.error_codes import INVALID_PARAMETER
from durable_execution_sdk.protocol.error_object import ErrorObject


def close_as_settled(settled: SettledOutcome, at: int) -> Event:
    """Return the final event for an outcome that an EXECUTION update has recorded."""
    if settled.status == ExecutionStatus.SUCCEEDED:
        return ExecutionSucceeded(at=at, result=settled.result)
    return ExecutionFailed(at=at, error=settled.error or ErrorObject())


def contract_error(message: str) -> ErrorObject:
    """Return the error of an execution whose handler broke a rule of the service."""
    return ErrorObject(error_type=INVALID_PARAMETER, error_message=message)


def too_many_operations(limits: Limits) -> ErrorObject:
    """Return the error of an execution above its quota of operations, with ways to need fewer."""
    return contract_error(error_codes.too_many_operations(limits.operations))


def too_many_bytes(limits: Limits) -> ErrorObject:
    """Return the error of an execution above its quota of storage, with ways to need less."""
    return contract_error(error_codes.too_many_bytes(limits.storage_bytes))
