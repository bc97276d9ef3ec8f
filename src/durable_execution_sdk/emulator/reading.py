"""A coordinator for looking at executions that other programs run: it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from durable_execution_sdk.emulator.coordinator import Coordinator
from durable_execution_sdk.engine.commands import Command, StartExecution
from durable_execution_sdk.engine.events import Event
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.errors import ServiceError

__all__ = ["ReadingCoordinator", "only_read"]

_T = TypeVar("_T")


class ReadingCoordinator(Coordinator):
    """Shows executions as they are recorded. It fires no timer, causes no effect, and refuses commands."""

    def start(self, command: StartExecution) -> ExecutionState:
        """Refuse to start an execution."""
        raise only_read()

    def add(self, events: list[Event]) -> ExecutionState:
        """Refuse to add an execution."""
        raise only_read()

    def _answer(self, arn: str, command: Command, view: Callable[[ExecutionState], _T]) -> _T:
        raise only_read()

    def _as_of_now(self, state: ExecutionState) -> ExecutionState:
        return state

    def _fire_due(self) -> None:
        pass

    def _finish_deletions(self) -> None:
        pass

    def _carry_out_all(self) -> None:
        self._effects.clear()


def only_read() -> ServiceError:
    """Build the error for a request to change something."""
    return ServiceError(
        "These executions are only read here: nothing is started, answered or changed. Use the program that"
        " runs them.",
        code="AccessDeniedException",
        status=403,
    )
