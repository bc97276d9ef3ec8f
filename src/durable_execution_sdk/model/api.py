"""The data plane's requests and responses: what a running handler and the service exchange.

Members keep the API's names in snake case; what travels in the path or the query is an ordinary
field here. ``aws`` and ``server`` know where each one goes.
"""

import msgspec

from durable_execution_sdk.model.operation import Operation
from durable_execution_sdk.model.update import OperationUpdate


class CheckpointRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``CheckpointDurableExecution``: record these updates, all or none."""

    durable_execution_arn: str
    checkpoint_token: str
    updates: list[OperationUpdate] = []
    client_token: str | None = None


class CheckpointResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The next token, and every operation that changed since this invocation last looked.

    Without a token the invocation may not checkpoint any more.
    """

    checkpoint_token: str | None = None
    operations: list[Operation] = []
    next_marker: str | None = None


class StateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``GetDurableExecutionState``: a page of operations, at most 1,000; 0 means 100."""

    durable_execution_arn: str
    checkpoint_token: str
    marker: str | None = None
    max_items: int = 0


class StatePage(msgspec.Struct, frozen=True, kw_only=True):
    """Operations in the order in which they started, and where the next page begins."""

    operations: list[Operation] = []
    next_marker: str | None = None
