"""Judge operations that the code asks for and the history does not hold."""

from __future__ import annotations

from durable_execution_sdk.operations.lifecycle import DurableOperation
from durable_execution_sdk.operations.time_limits.limited_step import LimitedStep
from durable_execution_sdk.protocol.operations import TERMINAL_STATUSES
from durable_execution_sdk.replay.recording import Moment, Recording
from durable_execution_sdk.replay.report import HINT_CHANGED, Divergence, DivergenceKind
from durable_execution_sdk.replay.source_places import Place
from durable_execution_sdk.runtime.log.ids import needs_wait_id

__all__ = ["UnrecordedOperations"]


class UnrecordedOperations:
    """The operations of one rehearsal that its history lacks.

    ``added`` holds those that count as new code after the end of the history.
    """

    def __init__(self, recording: Recording, moment: Moment) -> None:
        self.added: list[Divergence] = []
        self._recording = recording
        self._moment = moment
        # Steps that may have waited for an invocation with time enough when the code around them ended.
        self._postponed: dict[DurableOperation[object], Place | None] = {}

    def take(self, operation: DurableOperation[object], place: Place | None) -> Divergence | None:
        """Take in an operation; return the divergence if it cannot be new code after the end."""
        if not self._moment.is_settled:
            return None  # the log ends here, and the execution may continue with any operation
        if needs_wait_id(operation.operation_id, 1, 1) in self._recording.operations:
            return None  # it was asked for, and waits for an invocation with time enough
        may_be_postponed = isinstance(operation, LimitedStep) and operation.may_be_postponed
        if may_be_postponed and (self._has_ended or self._has_ended_around(operation)):
            # The WAIT of a postponed step is recorded once the code rests. This code may have ended before.
            self._postponed[operation] = place
            return None
        return self._take_new(operation, place)

    def at_rest(self) -> Divergence | None:
        """Judge postponed steps that the code awaits over the whole log: it has not ended before their WAITs."""
        if not self._moment.is_last:
            return None
        awaited = [step for step in self._postponed if step.is_awaited]
        found = [self._take_new(step, self._postponed.pop(step)) for step in awaited]
        return next(filter(None, found), None)

    def _take_new(
        self, operation: DurableOperation[object], place: Place | None
    ) -> Divergence | None:
        divergence = Divergence(
            kind=DivergenceKind.NEW_OPERATION,
            expected="nothing more at this place",
            actual=operation.label,
            invocation=self._moment.invocation,
            place=place,
            operation_id=operation.operation_id,
            hint=HINT_CHANGED,
        )
        if self._has_ended and not self._has_ended_around(operation):
            self.added.append(divergence)
            return None
        return divergence

    @property
    def _has_ended(self) -> bool:
        """True if the execution has ended by itself."""
        ending = self._recording.ending
        return ending is not None and ending.is_own

    def _has_ended_around(self, operation: DurableOperation[object]) -> bool:
        """Tell whether the enclosing context has ended in the history."""
        around = self._recording.operations.get(operation.context_state.operation_id or "")
        return around is not None and around.status in TERMINAL_STATUSES
