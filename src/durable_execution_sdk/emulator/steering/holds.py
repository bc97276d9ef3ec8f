"""Executions that are held, because the code under them has changed: they are not invoked until that is cleared.

A hold belongs to the process that drives the executions. It is not in their logs. The log has the digest of the
code of the last invocation, so each process knows which executions are to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from durable_execution_sdk.emulator.coordinator import Coordinator
from durable_execution_sdk.engine.state import ExecutionState

__all__ = ["Admit", "Holds", "has_other_code"]

Admit = Callable[[ExecutionState, str], bool]
"""Decides about an execution that ran with other code: may it be invoked with code of this digest?

It is called under the coordinator's lock, and must not wait. An execution that is not admitted is held.
"""


def has_other_code(state: ExecutionState, code: str) -> bool:
    """True for an execution that was invoked before, with code that is not known to be of this digest."""
    return state.invocation_count > 0 and state.code != code


class Holds:
    """The held executions of an emulator. Thread-safe."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._admit: Admit | None = None
        self._reasons: dict[str, Mapping[str, object]] = {}

    def ask(self, admit: Admit) -> None:
        """Ask this before an execution is invoked whose code has changed since its last invocation."""
        self._admit = admit

    def admits(self, state: ExecutionState, code: str | None) -> bool:
        """True if an execution may be invoked with this code; otherwise it is held from now on."""
        if self._admit is None or code is None or not has_other_code(state, code):
            return True
        if self._admit(state, code):
            return True
        self._coordinator.schedule.hold(state)
        return False

    def hold(self, arn: str, reason: Mapping[str, object] | None = None) -> None:
        """Do not invoke an open execution until it is released."""
        with self._coordinator.holding():
            state = self._coordinator.find(arn)
            if state is not None and not state.is_closed:
                self._coordinator.schedule.hold(state)
                if reason is not None:
                    self._reasons[arn] = reason

    def release(self, arn: str) -> None:
        """Let an execution go on."""
        with self._coordinator.holding():
            self._reasons.pop(arn, None)
            self._coordinator.schedule.release(arn, self._coordinator.find(arn))
        self._coordinator.wake()

    @property
    def reasons(self) -> Mapping[str, Mapping[str, object]]:
        """The reasons, where they are known, for which executions are held, by ARN."""
        return self._reasons
