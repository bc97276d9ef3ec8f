"""Attempts of steps that wait for an invocation with the time that they need.

Such an attempt is no work of this invocation, but it must not be forgotten when it suspends. It stands among the timers
of the process, which are recorded as WAITs once nothing else can move (``runtime.scheduler``). So other bodies keep the
invocation open as they always do, and only then a WAIT of a second suspends it:

    invocation 1    copy: 13 of 15 minutes; load, which needs 10, finds 2 left
                    nothing else can move: WAIT needs-1f0c... START, 1 s, PENDING
    invocation 2    the WAIT has ended; replay asks for copy and load, which begins with 15 minutes left

The id of the WAIT derives from that of the step, the number of the attempt and the number of the postponement. So it
shifts no other id, and replay asks for it only by asking for the step (``ids.SELF_NUMBERED``). Its end is never
delivered. Whether there is time enough can differ between invocations, but workflow code cannot see it: all that it
sees is when the step ends.

The log may not hold the step itself when the next invocation begins, though the last one has asked for it. To replay it is
then a step that is due (``recall``): it is neither new nor a sign that the last invocation was cut.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from durable_execution_sdk.operations.lifecycle.attempts import AttemptOperation
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    Operation,
    OperationStatus,
    OperationSubType,
    OperationType,
    StepDetails,
)
from durable_execution_sdk.protocol.updates import (
    OperationAction,
    OperationUpdate,
    WaitOptions,
)
from durable_execution_sdk.runtime.completions.completion import Timer
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.log.ids import NEEDS_NAME, needs_wait_id

__all__ = ["Postponement", "recall"]

# Seconds for which the first WAIT suspends: the fewest that the service takes. If it ends before the invocation does,
# because a call took as long or code went on, the next one is twice as long, and so on.
_SECONDS = 1
_MOST_SECONDS = 60


def recall(scope: IdScope, name: str | None) -> None:
    """Let the log hold the step that will be claimed next as due, if it was postponed before its first attempt."""
    state = scope.context_state
    journal = state.run.journal
    step_id = scope.following_id
    if journal.is_recorded(step_id) or not journal.is_recorded(needs_wait_id(step_id, 1, 1)):
        return
    step = Operation(
        id=step_id,
        type=OperationType.STEP,
        status=OperationStatus.READY,
        parent_id=state.parent_id,
        name=name,
        sub_type=OperationSubType.STEP,
        step_details=StepDetails(attempt=0),
    )
    journal.merge(step)


class Postponement(Timer):
    """An attempt that waits for an invocation with more time. ``number`` counts those before it."""

    __slots__ = ("_number", "_seconds", "_step", "is_loose", "is_ticking")

    # As an operation that has not settled: the step itself is pending, and not its WAIT.
    is_pending = False
    is_awaited = False
    due_at: float | None = None

    def __init__(self, step: AttemptOperation[Any], number: int) -> None:
        self._step = step
        self._number = number
        self._seconds = _SECONDS
        self.is_loose = True
        self.is_ticking = False
        step.run.timers[self] = None

    @staticmethod
    def last_number(step: AttemptOperation[Any]) -> int:
        """Return the number of postponements of this attempt that the log holds."""
        number = 0
        while step.run.journal.is_recorded(_wait_id(step, number + 1)):
            number += 1
        return number

    @staticmethod
    def was_last(step: AttemptOperation[Any]) -> bool:
        """Return ``True`` if the last invocation ended with a postponement of this attempt, and was not cut."""
        number, journal = Postponement.last_number(step), step.run.journal
        wait_id = _wait_id(step, number)
        record = journal.get(wait_id)
        # An invocation that began after the end of the WAIT would have begun the attempt, or postponed it again.
        return record is not None and (
            record.status not in TERMINAL_STATUSES or wait_id in journal.updated_ids
        )

    @property
    def label(self) -> str:
        """The name of the step, in messages."""
        return self._step.label

    def hand_over(self) -> None:
        """Record the WAIT, which suspends the invocation."""
        if not self.is_loose:
            return
        self.is_loose = False
        self._number += 1
        step = self._step
        wait_id = _wait_id(step, self._number)
        step.run.registered[wait_id] = self
        step.run.journal.marked(wait_id)
        update = OperationUpdate(
            id=wait_id,
            type=OperationType.WAIT,
            action=OperationAction.START,
            parent_id=step.context_state.parent_id,
            name=NEEDS_NAME,
            sub_type=OperationSubType.WAIT,
        )
        step.submit(replace(update, wait_options=WaitOptions(wait_seconds=self._seconds)))

    def observe(self, record: Operation) -> None:
        """Let the step pend while the WAIT lasts; after it, wait again for the end of this invocation."""
        if record.status in TERMINAL_STATUSES:
            self._step.is_pending = False
            self.is_loose = True
            self._seconds = min(2 * self._seconds, _MOST_SECONDS)
            self._unregister()
        else:
            details = record.wait_details
            self._step.pend(details.scheduled_end_timestamp if details else None)

    def end(self) -> None:
        """Forget the attempt: the step was given up."""
        self.is_loose = False
        self._step.run.timers.pop(self, None)
        self._unregister()

    def _unregister(self) -> None:
        self._step.run.registered.pop(_wait_id(self._step, self._number), None)


def _wait_id(step: AttemptOperation[Any], number: int) -> str:
    return needs_wait_id(step.operation_id, step.attempt_number, number)
