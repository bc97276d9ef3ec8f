"""What a handler sees: the event that it is invoked with, pages of state, answers to checkpoints."""

from __future__ import annotations

from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.model.api import CheckpointResponse, StatePage
from durable_execution_sdk.model.invocation import Invocation


def invocation_event(state: ExecutionState, limits: Limits = DEFAULT_LIMITS) -> Invocation:
    """What the handler of the running invocation is called with (after ``StartInvocation``)."""
    raise NotImplementedError


def state_page(
    state: ExecutionState,
    token: str,
    marker: str | None = None,
    max_items: int = 0,
    limits: Limits = DEFAULT_LIMITS,
) -> StatePage:
    """A page of operations, in the order in which they started; ``Rejected`` for a stale token."""
    raise NotImplementedError


def checkpoint_response(
    state: ExecutionState,
    token: str,
    client_token: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> CheckpointResponse:
    """The answer to the checkpoint that used ``token`` (after deciding and folding it)."""
    raise NotImplementedError
