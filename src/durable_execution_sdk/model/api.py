"""Requests and responses of the data plane, which a running handler sends and receives.

Fields have the API's names in snake case. Values that the HTTP API carries in the path or the query are
fields here too; ``aws`` and ``server`` place them.
"""

import msgspec

from durable_execution_sdk.model.operation import Operation
from durable_execution_sdk.model.update import OperationUpdate


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
    """Request of ``GetDurableExecutionState``; ``max_items`` is at most 1,000, and 0 means 100."""

    durable_execution_arn: str
    checkpoint_token: str
    marker: str | None = None
    max_items: int = 0


class StatePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of operations in start order; ``next_marker`` requests the next page."""

    operations: list[Operation] = []
    next_marker: str | None = None
