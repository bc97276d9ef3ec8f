"""The data plane: an invocation of a handler, and the calls that it makes.

Fields have the API's names in snake case. Values that the HTTP API carries in the path or the query are
fields here too; ``aws`` and ``server`` place them.
"""

from typing import Final, Literal

import msgspec

from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.protocol.updates import OperationUpdate


class InitialExecutionState(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """First page of the execution's operations; ``next_marker`` is set when there are more."""

    operations: list[Operation] = []
    next_marker: str | None = None


class Invocation(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The event of an invocation (API reference, section 3.3).

    Two members are not of the service; the engine sends them only to executions that they concern.
    ``forked_from_arn``: the ARN of the first execution in a line of forks, from which random values derive.
    ``time_offset_milliseconds``: the execution's time minus the clock's.
    """

    durable_execution_arn: str
    checkpoint_token: str
    initial_execution_state: InitialExecutionState = InitialExecutionState()
    updated_operation_ids: list[str] | None = None
    time_offset_milliseconds: int | msgspec.UnsetType | None = msgspec.UNSET
    forked_from_arn: str | msgspec.UnsetType | None = msgspec.UNSET


class OutcomeStatus:
    """Statuses that a handler returns."""

    SUCCEEDED: Final = "SUCCEEDED"
    FAILED: Final = "FAILED"
    PENDING: Final = "PENDING"


OutcomeStatusName = Literal["SUCCEEDED", "FAILED", "PENDING"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """The handler's return value: a result, an error, or PENDING when the execution suspends."""

    status: OutcomeStatusName
    result: str | None = None
    error: ErrorObject | None = None


class CheckpointRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Request of ``CheckpointDurableExecution``: updates to record, all or none."""

    durable_execution_arn: str
    checkpoint_token: str
    updates: list[OperationUpdate] = []
    client_token: str | None = None


class CheckpointResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Response of ``CheckpointDurableExecution``: the next token and the changed operations.

    ``operations`` are those that changed since the invocation's previous response. Without a token the
    invocation may not checkpoint any more.
    """

    checkpoint_token: str | None = None
    operations: list[Operation] = []
    next_marker: str | None = None


class StateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Request of ``GetDurableExecutionState``; ``max_items`` is at most ``MAX_PAGE_ITEMS``; 0 means the default."""

    durable_execution_arn: str
    checkpoint_token: str
    marker: str | None = None
    max_items: int = 0


class StatePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of operations in start order; ``next_marker`` requests the next page."""

    operations: list[Operation] = []
    next_marker: str | None = None
