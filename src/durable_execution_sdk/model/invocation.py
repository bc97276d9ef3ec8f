"""An invocation of a handler: the service's event, and the handler's outcome."""

from enum import StrEnum

import msgspec

from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.operation import Operation


class InitialExecutionState(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """First page of the execution's operations; ``next_marker`` is set when there are more."""

    operations: list[Operation] = []
    next_marker: str | None = None


class Invocation(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The event of an invocation (API reference, section 3.3)."""

    durable_execution_arn: str
    checkpoint_token: str
    initial_execution_state: InitialExecutionState = InitialExecutionState()
    updated_operation_ids: list[str] | None = None


class OutcomeStatus(StrEnum):
    """Statuses that a handler returns."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    PENDING = "PENDING"


class Outcome(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """The handler's return value: a result, an error, or PENDING when the execution suspends."""

    status: OutcomeStatus
    result: str | None = None
    error: ErrorObject | None = None
