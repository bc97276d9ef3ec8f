"""A coordinator for looking at executions that other programs run: it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from durable_execution_sdk.emulator.coordinator import Coordinator
from durable_execution_sdk.emulator.stores.store import Counts, ExecutionRecord
from durable_execution_sdk.engine.commands import Command, StartExecution
from durable_execution_sdk.engine.events import Event
from durable_execution_sdk.engine.rejections import Rejected, conflict
from durable_execution_sdk.engine.state import ExecutionState

__all__ = ["ReadingCoordinator"]

_T = TypeVar("_T")


class ReadingCoordinator(Coordinator):
    """Shows executions as they are recorded. It fires no timer, causes no effect, and refuses commands."""

    def start(self, command: StartExecution) -> ExecutionState:
        """Refuse to start an execution."""
        raise _only_read()

    def add(self, events: list[Event]) -> ExecutionState:
        """Refuse to add an execution."""
        raise _only_read()

    def counts(self, record: ExecutionRecord) -> Counts:
        """Return the counts of an execution; those that the store does not have are counted, and not kept."""
        with self.holding():
            return self._repository.counts(record, keeps=False)

    def _answer(self, arn: str, command: Command, view: Callable[[ExecutionState], _T]) -> _T:
        raise _only_read()

    def _as_of_now(self, state: ExecutionState) -> ExecutionState:
        return state

    def _fire_due(self) -> None:
        pass

    def _finish_deletions(self) -> None:
        pass

    def _carry_out_all(self) -> None:
        self._effects.clear()


def _only_read() -> Rejected:
    return conflict("These executions are only read here: nothing is started, answered or changed.")
