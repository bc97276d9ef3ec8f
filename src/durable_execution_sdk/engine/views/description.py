"""What an observer sees: an execution as a whole."""

from __future__ import annotations

from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.model.api import ExecutionDescription, ExecutionSummary


def describe(state: ExecutionState, *, include_execution_data: bool = True) -> ExecutionDescription:
    """All that is known of an execution."""
    raise NotImplementedError


def summarize(state: ExecutionState) -> ExecutionSummary:
    """An execution as one line of a list."""
    raise NotImplementedError
