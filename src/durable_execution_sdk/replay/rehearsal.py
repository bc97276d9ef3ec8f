"""A workflow over a recorded log in which nothing happens: no body runs, nothing is recorded.

The log is all there is. What has not ended in it stays as it is, so code that waits for it waits, and
that is where the run stops. Contexts that have succeeded are built again, so the code in them is
looked at too. Workflow code itself does run: what it does outside its operations, it does.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, cast

import msgspec

from durable_execution_sdk.errors import InternalError
from durable_execution_sdk.model.api import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.model.operation import (
    TERMINAL_STATUSES,
    Operation,
    OperationType,
)
from durable_execution_sdk.model.update import OperationUpdate
from durable_execution_sdk.operations.child import MAX_STORED_RESULT_BYTES
from durable_execution_sdk.operations.lifecycle import DurableOperation, label_of
from durable_execution_sdk.replay.places import Place, asking_place
from durable_execution_sdk.replay.recording import Moment, Recording
from durable_execution_sdk.replay.report import Divergence, DivergenceKind
from durable_execution_sdk.runtime.suspension import WentAway
from durable_execution_sdk.runtime.workflow import Attempting, Claimant, Workflow

__all__ = ["Rehearsal", "Script", "Spectator"]


class Asked(msgspec.Struct, frozen=True):
    """An operation that the code has asked for."""

    label: str
    place: Place | None
    has_ended: bool


class Script:
    """What one rehearsal is to do, and what it did."""

    def __init__(self, recording: Recording, moment: Moment) -> None:
        self.recording = recording
        self.moment = moment
        self.asked: dict[str, Asked] = {}
        self.divergence: Divergence | None = None
        self.completion: OperationUpdate | None = None

    def ask(self, claimant: Claimant, record: Operation | None) -> None:
        """The code asks for this operation: it must be the one that the log holds there."""
        place = asking_place() or self._place_around(claimant)
        ended = record is not None and record.status in TERMINAL_STATUSES
        self.asked[claimant.operation_id] = Asked(claimant.label, place, ended)
        if self.divergence is None and isinstance(claimant, DurableOperation):
            # A timer of asyncio is in the log only if it mattered.
            self._compare(cast("Any", claimant), place)

    def _compare(self, operation: DurableOperation[Any], place: Place | None) -> None:
        expected = self.recording.operations.get(operation.operation_id)
        if expected is None:
            self._not_in_the_log(operation, place)
        elif differing := _differing(expected, operation):
            self.divergence = Divergence(
                kind=DivergenceKind.OTHER_OPERATION,
                expected=label_of(expected.type, expected.sub_type, expected.name),
                actual=f"{operation.label} ({_differ(differing)})",
                invocation=self.moment.invocation,
                place=place,
                operation_id=operation.operation_id,
                hint=_CHANGED,
            )

    def waits_for(self) -> list[Asked]:
        """What the code has asked for that has no end in the log."""
        return [asked for asked in self.asked.values() if not asked.has_ended]

    def _not_in_the_log(self, operation: DurableOperation[Any], place: Place | None) -> None:
        if not self.moment.is_settled:
            return  # this is where the execution goes on
        self.divergence = Divergence(
            kind=DivergenceKind.NEW_OPERATION,
            expected="nothing more at this place",
            actual=operation.label,
            invocation=self.moment.invocation,
            place=place,
            operation_id=operation.operation_id,
            hint=_CHANGED,
        )

    def _place_around(self, claimant: Claimant) -> Place | None:
        """A branch of a map is asked for by the map: the place is the map's."""
        frame: Any = getattr(claimant, "frame", None)
        around = None if frame is None else self.asked.get(frame.operation_id)
        return None if around is None else around.place


_CHANGED = (
    "The code has changed since, or it branches on something that is not recorded: executions that"
    " stand here cannot go on with it."
)


def _differing(expected: Operation, found: DurableOperation[Any]) -> list[str]:
    log = (expected.type, expected.sub_type, expected.name, expected.parent_id)
    code = (found.kind, found.sub_type, found.name, found.frame.parent_id)
    members = ("type", "subtype", "name", "parent")
    return [m for m, e, f in zip(members, log, code, strict=True) if e != f]


def _differ(members: list[str]) -> str:
    return f"another {' and '.join(members)}"


class Rehearsal(Workflow):
    """Runs the code over the log, and lets nothing happen."""

    is_rehearsal: ClassVar[bool] = True

    def __init__(self, script: Script, *args: Any) -> None:
        super().__init__(*args)
        self._script = script

    def claim(self, claimant: Claimant) -> Operation | None:
        """Compare what the code asks for with what the log holds; the first difference ends it all."""
        record = super().claim(claimant)
        self._script.ask(claimant, record)
        if self._script.divergence is None:
            return record
        self.end(WentAway())
        return None

    def built_again(self, record: Operation, payload: str) -> str:
        """The recorded result, unless it was too large to be recorded."""
        recorded = record.context_details.result if record.context_details else None
        if recorded is None or len(payload.encode()) > MAX_STORED_RESULT_BYTES:
            return payload
        return recorded

    def submit(self, update: OperationUpdate) -> None:
        """Record nothing; how the execution completes itself is what came of it."""
        if update.type is OperationType.EXECUTION:
            self._script.completion = update

    def leave_behind(self, update: OperationUpdate) -> None:
        """Record nothing."""

    def start_body(self, operation: Attempting, body: Any) -> NoReturn:
        """Run no body, whatever asks for it."""
        body.close()
        raise InternalError(f"{operation.label} was about to run in a rehearsal")

    def expect(self, due_at: float | None) -> None:
        """Nothing will change."""

    def _is_waiting_for_service(self) -> bool:
        return bool(self._script.waits_for())


class Spectator:
    """The service, during a rehearsal: it takes note of an end that is too large for a response."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record nothing, and give no token for more."""
        for update in request.updates:
            if update.type is OperationType.EXECUTION:
                self._script.completion = update
        return CheckpointResponse(checkpoint_token=None)

    async def get_state(self, request: StateRequest) -> StatePage:
        """There are no further pages."""
        return StatePage(operations=[])

    def now(self) -> int:
        """The time at which the log was as it is."""
        return round(self._script.moment.at)
