"""The log that a rehearsal is run over, and what the code asks for over it."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from durable_execution_sdk.model.operation import (
    TERMINAL_STATUSES,
    Operation,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.model.update import OperationUpdate
from durable_execution_sdk.operations.lifecycle import DurableOperation, label_of
from durable_execution_sdk.replay.arguments import Arguments
from durable_execution_sdk.replay.payloads import comparable, short
from durable_execution_sdk.replay.places import Place, asking_place
from durable_execution_sdk.replay.recording import Moment, Recording
from durable_execution_sdk.replay.report import Divergence, DivergenceKind
from durable_execution_sdk.runtime.journal import LATE_NEWS_NAME
from durable_execution_sdk.runtime.workflow import Claimant

__all__ = ["FUNCTIONS", "Result", "Script"]


class Asked(msgspec.Struct, frozen=True):
    """An operation that the code has asked for."""

    label: str
    place: Place | None
    has_ended: bool


class Result(msgspec.Struct, frozen=True):
    """The result of a context: in the log, and as its function comes to it now."""

    record: Operation
    recorded: str
    built: str
    is_same: bool

    @property
    def label(self) -> str:
        """The words that messages have for the context."""
        return label_of(self.record.type, self.record.sub_type, self.record.name)


class Script:
    """The log that one rehearsal is run over, and what the code asked for.

    ``added`` are operations that the code asks for and the history of an execution that has ended does
    not hold. They are new code as long as everything recorded has been asked for before them.
    """

    def __init__(self, recording: Recording, moment: Moment, arguments: Arguments) -> None:
        self.recording = recording
        self.arguments = arguments
        self.moment = moment
        self.asked: dict[str, Asked] = {}
        self.added: list[Divergence] = []
        self.divergence: Divergence | None = None
        self.completion: OperationUpdate | None = None
        self._results: dict[str | None, list[Result]] = {}
        self._unclaimed = {
            each.id: each
            for each in recording.moments[-1].operations
            # That news came late is noted by the SDK, and asked for by no code.
            if each.type != OperationType.EXECUTION and each.name != LATE_NEWS_NAME
        }

    def ask(self, claimant: Claimant, record: Operation | None) -> None:
        """Take note that the code asks for an operation: it must be the one that the log holds there."""
        place = asking_place() or self._place_around(claimant)
        ended = record is not None and record.status in TERMINAL_STATUSES
        self.asked[claimant.operation_id] = Asked(claimant.label, place, ended)
        if self.divergence is None and isinstance(claimant, DurableOperation):
            # A timer of asyncio is in the log only if it mattered.
            self._compare(cast("Any", claimant), place)
        claimed = self._unclaimed.pop(claimant.operation_id, None)
        if claimed is not None and self.added:
            # Recorded operations come after it, so it stands among them.
            self.divergence = self.added[0]

    @property
    def misplaced(self) -> Divergence | None:
        """The operation that the code asks for in place of recorded ones, once it has come to rest."""
        if not (self.added and self._unclaimed):
            return None
        first = next(iter(self._unclaimed.values()))
        label = label_of(first.type, first.sub_type, first.name)
        return replace(self.added[0], expected=f"{label}, which the code has not asked for")

    @property
    def notes(self) -> list[str]:
        """A sentence for each change that executions can go on with."""
        changed = [each for results in self._results.values() for each in results]
        notes = [
            f"{each.label} came to {short(each.recorded)}, and its function comes to"
            f" {short(each.built)} now: executions that have recorded it keep what it came to"
            for each in changed
            if not each.is_same
        ]
        return notes + [
            f"{each.actual}{f' ({each.place})' if each.place else ''} comes after the recorded end:"
            " executions can go on with it, and nothing after it could be compared"
            for each in self.added
        ]

    def take_result(self, result: Result) -> None:
        """Take note of the result that a context's function comes to over the same log."""
        self._results.setdefault(result.record.parent_id, []).append(result)

    @property
    def swapped(self) -> Divergence | None:
        """The first branch that has come to the result of another one of its map or parallel."""
        for results in self._results.values():
            branches = [each for each in results if each.record.sub_type in _BRANCHES]
            differing = [each for each in branches if not each.is_same]
            recorded = Counter(comparable(each.recorded) for each in differing)
            if differing and recorded == Counter(comparable(each.built) for each in differing):
                return self._swapped(differing[0])
        return None

    def _swapped(self, result: Result) -> Divergence:
        asked = self.asked.get(result.record.id)
        return Divergence(
            kind=DivergenceKind.OTHER_RESULT,
            expected=f"{result.label} came to {short(result.recorded)}",
            actual=f"it comes to {short(result.built)}, as another one did",
            invocation=self.moment.invocation,
            place=asked.place if asked else None,
            operation_id=result.record.id,
            hint=_PLACES,
        )

    def invoke_differs(self, record: Operation, recorded: str, actual: str) -> None:
        """Take note that the code invokes another function, or gives it another payload."""
        asked = self.asked.get(record.id)
        label = label_of(record.type, record.sub_type, record.name)
        self._part(
            DivergenceKind.OTHER_OPERATION,
            f"{label} of {recorded}",
            f"{label} of {actual}",
            record.id,
            asked.place if asked else None,
        )

    def _part(
        self,
        kind: DivergenceKind,
        expected: str,
        actual: str,
        operation_id: str,
        place: Place | None,
    ) -> None:
        if self.divergence is None:
            self.divergence = Divergence(
                kind=kind,
                expected=expected,
                actual=actual,
                invocation=self.moment.invocation,
                place=place,
                operation_id=operation_id,
                hint=_CHANGED,
            )

    def _compare(self, operation: DurableOperation[Any], place: Place | None) -> None:
        expected = self.recording.operations.get(operation.operation_id)
        if expected is None:
            self._not_in_the_log(operation, place)
        elif differing := _differing(expected, operation):
            self._part(
                DivergenceKind.OTHER_OPERATION,
                label_of(expected.type, expected.sub_type, expected.name),
                f"{operation.label} ({_differ(differing)})",
                operation.operation_id,
                place,
            )

    def waits_for(self) -> list[Asked]:
        """What the code has asked for that has no end in the log."""
        return [asked for asked in self.asked.values() if not asked.has_ended]

    def _not_in_the_log(self, operation: DurableOperation[Any], place: Place | None) -> None:
        if not self.moment.is_settled:
            return  # this is where the execution goes on
        divergence = Divergence(
            kind=DivergenceKind.NEW_OPERATION,
            expected="nothing more at this place",
            actual=operation.label,
            invocation=self.moment.invocation,
            place=place,
            operation_id=operation.operation_id,
            hint=_CHANGED,
        )
        if self._may_be_added(operation):
            self.added.append(divergence)
        else:
            self.divergence = divergence

    def _may_be_added(self, operation: DurableOperation[Any]) -> bool:
        """Tell whether the execution and the context around the operation leave room for more."""
        ending = self.recording.ending
        around = self.recording.operations.get(operation.frame.operation_id or "")
        is_over = around is not None and around.status in TERMINAL_STATUSES
        return ending is not None and ending.is_own and not is_over

    def _place_around(self, claimant: Claimant) -> Place | None:
        """A branch of a map is asked for by the map: the place is the map's."""
        frame: Any = getattr(claimant, "frame", None)
        around = None if frame is None else self.asked.get(frame.operation_id)
        return None if around is None else around.place


_CHANGED = (
    "The code has changed since, or it branches on something that is not recorded: executions that"
    " stand here cannot go on with it."
)


_PLACES = (
    "Items or branches have changed places, and the log knows them by their index: executions that"
    " stand among them would take the result of one for that of another."
)
_BRANCHES = frozenset({OperationSubType.MAP_ITERATION, OperationSubType.PARALLEL_BRANCH})
# Contexts whose result is that of a function of the user's; a map's result is made of its items'.
FUNCTIONS = _BRANCHES | {OperationSubType.RUN_IN_CHILD_CONTEXT}


def _differing(expected: Operation, found: DurableOperation[Any]) -> list[str]:
    log = (expected.type, expected.sub_type, expected.name, expected.parent_id)
    code = (found.kind, found.sub_type, found.name, found.frame.parent_id)
    members = ("type", "subtype", "name", "parent")
    return [m for m, e, f in zip(members, log, code, strict=True) if e != f]


def _differ(members: list[str]) -> str:
    return f"another {' and '.join(members)}"
