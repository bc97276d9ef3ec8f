"""Comparison of the operations that the code asks for with those of the log, in one rehearsal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from durable_execution_sdk.operations.callback import CallbackOperation
from durable_execution_sdk.operations.lifecycle import DurableOperation
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    Operation,
    OperationSubType,
    OperationType,
    label_of,
)
from durable_execution_sdk.protocol.updates import OperationUpdate
from durable_execution_sdk.replay.arguments import Arguments
from durable_execution_sdk.replay.payloads import comparable, short
from durable_execution_sdk.replay.recording import Moment, Recording
from durable_execution_sdk.replay.report import (
    HINT_CHANGED,
    HINT_INVOKE,
    HINT_SWAPPED,
    Divergence,
    DivergenceKind,
)
from durable_execution_sdk.replay.source_places import Place, asking_place
from durable_execution_sdk.replay.unrecorded import UnrecordedOperations
from durable_execution_sdk.runtime.completions.completion import Completion
from durable_execution_sdk.runtime.log import LATE_NEWS_NAME
from durable_execution_sdk.runtime.log.ids import is_unnumbered

__all__ = [
    "FUNCTIONS",
    "RehearsalLog",
    "Result",
    "difference_text",
    "differing_members",
    "is_of_the_sdk",
]


class Asked(msgspec.Struct, frozen=True):
    """An operation that the code has asked for. ``record`` is that of the log, if it holds one."""

    claimant: Completion[Any]
    label: str
    place: Place | None
    record: Operation | None

    @property
    def is_open(self) -> bool:
        """True if the log is still to end it: the code has not dropped it, and cannot end it here."""
        claimant = self.claimant
        is_ended = self.record is not None and self.record.status in TERMINAL_STATUSES
        is_left_to_code = isinstance(claimant, DurableOperation) and claimant.is_left_to_code
        return not (is_ended or claimant.is_done or is_left_to_code)


class Result(msgspec.Struct, frozen=True):
    """The result of a context: ``recorded`` is that in the log, ``built`` that of its function now."""

    record: Operation
    recorded: str
    built: str
    is_same: bool

    @property
    def label(self) -> str:
        """The context's kind and name, for messages."""
        return label_of(self.record.type, self.record.sub_type, self.record.name)


class RehearsalLog:
    """The log of one rehearsal, and the operations that the code asked for.

    ``added`` holds operations that a history with an end lacks. They count as new code after the end,
    as long as the code asked for all recorded operations before them.
    """

    def __init__(self, recording: Recording, moment: Moment, arguments: Arguments) -> None:
        self.recording = recording
        self.arguments = arguments
        self.moment = moment
        self.asked: dict[str, Asked] = {}
        # The names of the operations that the code waited for when it last came to rest.
        self.waits_for: list[str] = []
        self._unrecorded = UnrecordedOperations(recording, moment)
        self.added = self._unrecorded.added
        self.divergence: Divergence | None = None
        self.completion: OperationUpdate | None = None
        self._results: dict[str | None, list[Result]] = {}
        self._unclaimed = {
            operation.id: operation
            for operation in recording.moments[-1].operations
            # The SDK itself records this operation (see `runtime.journal`); no user code asks for it.
            if operation.type != OperationType.EXECUTION and not is_of_the_sdk(operation)
        }
        # The names of the markers of the patches that the code asked for, and if it took a new one.
        self.patches: set[str] = set()
        self._is_patched = False

    def ask(self, claimant: Completion[object], record: Operation | None) -> None:
        """Record an operation that the code asks for, and compare it with that of the log."""
        place = asking_place() or self._place_around(claimant)
        self.asked[claimant.operation_id] = Asked(claimant, claimant.label, place, record)
        if self.divergence is None and isinstance(claimant, DurableOperation):
            # Only operations are compared: a timer of asyncio need not be in the log.
            self._compare(claimant, place)
        claimed = self._unclaimed.pop(claimant.operation_id, None)
        if claimed is not None and self.added:
            # A recorded operation follows the added one, so it is not after the end.
            self.divergence = self.added[0]

    @property
    def unclaimed(self) -> Iterable[Operation]:
        """The operations of the whole history that the code has not asked for."""
        return self._unclaimed.values()

    def take_patch(self, name: str, *, is_new: bool) -> None:
        """Record a patch that the code asks for. After a new one, it may ask for operations that are new too."""
        self.patches.add(name)
        self._is_patched = self._is_patched or is_new

    @property
    def misplaced(self) -> Divergence | None:
        """The first added operation, if the run is over and recorded operations were not asked for."""
        if not (self.added and self._unclaimed):
            return None
        first = next(iter(self._unclaimed.values()))
        label = label_of(first.type, first.sub_type, first.name)
        return replace(self.added[0], expected=f"{label}, which the code has not asked for")

    @property
    def notes(self) -> list[str]:
        """A sentence for each change that running executions can continue with."""
        notes = [
            f"{result.label} returned {short(result.recorded)}, and its function returns"
            f" {short(result.built)} now: executions that have recorded it keep the recorded result"
            for results in self._results.values()
            for result in results
            if not result.is_same
        ]
        return notes + [
            f"{added.actual}{f' ({added.place})' if added.place else ''} comes after the recorded"
            " end: executions can go on with it, and nothing after it could be compared"
            for added in self.added
        ]

    def take_result(self, result: Result) -> None:
        """Record the result that a context's function returns over the same log."""
        self._results.setdefault(result.record.parent_id, []).append(result)

    @property
    def swapped(self) -> Divergence | None:
        """The first branch of a map or a parallel that now has the result of another branch."""
        for results in self._results.values():
            branches = [result for result in results if result.record.sub_type in _BRANCHES]
            differing = [result for result in branches if not result.is_same]
            recorded = Counter(comparable(result.recorded) for result in differing)
            if differing and recorded == Counter(comparable(result.built) for result in differing):
                return self._swapped(differing[0])
        return None

    def _swapped(self, result: Result) -> Divergence:
        call = self.asked.get(result.record.id)
        return Divergence(
            kind=DivergenceKind.OTHER_RESULT,
            expected=f"{result.label} returned {short(result.recorded)}",
            actual=f"it returns {short(result.built)}, as another one did",
            invocation=self.moment.invocation,
            place=call.place if call else None,
            operation_id=result.record.id,
            hint=HINT_SWAPPED,
        )

    def invoke_differs(self, record: Operation, recorded: str, actual: str) -> None:
        """Record that the code invokes another function, or passes another payload."""
        call = self.asked.get(record.id)
        label = label_of(record.type, record.sub_type, record.name)
        self._set_divergence(
            DivergenceKind.OTHER_OPERATION,
            f"{label} of {recorded}",
            f"{label} of {actual}",
            record.id,
            call.place if call else None,
            HINT_INVOKE,
        )

    def _set_divergence(
        self,
        kind: DivergenceKind,
        expected: str,
        actual: str,
        operation_id: str,
        place: Place | None,
        hint: str | None = None,
    ) -> None:
        if self.divergence is None:
            self.divergence = Divergence(
                kind=kind,
                expected=expected,
                actual=actual,
                invocation=self.moment.invocation,
                place=place,
                operation_id=operation_id,
                hint=hint or HINT_CHANGED,
            )

    def _compare(self, operation: DurableOperation[object], place: Place | None) -> None:
        expected = self.recording.operations.get(operation.operation_id)
        if expected is None:
            # After a new patch the execution may continue with any operation.
            self.divergence = None if self._is_patched else self._unrecorded.take(operation, place)
        elif differing := differing_members(expected, operation):
            self._set_divergence(
                DivergenceKind.OTHER_OPERATION,
                label_of(expected.type, expected.sub_type, expected.name),
                f"{operation.label} ({difference_text(differing)})",
                operation.operation_id,
                place,
            )

    def comes_to_rest(self, *, for_any: bool) -> bool:
        """Return ``True`` if the code awaits operations that the log does not end; with ``for_any``, if any are open."""
        self.waits_for = [
            call.label
            for call in self.asked.values()
            if call.is_open and (for_any or _is_awaited(call.claimant))
        ]
        if self.divergence is None:
            self.divergence = self._unrecorded.at_rest()
        return bool(self.waits_for)

    def _place_around(self, claimant: Completion[object]) -> Place | None:
        """Return the place of the enclosing operation: a branch is asked for by its map."""
        around = self.asked.get(claimant.context_state.operation_id)
        return None if around is None else around.place


_BRANCHES = frozenset({OperationSubType.MAP_ITERATION, OperationSubType.PARALLEL_BRANCH})
# Contexts whose result is that of a user's function; a map's result consists of its items' results.
FUNCTIONS = _BRANCHES | {OperationSubType.RUN_IN_CHILD_CONTEXT}


def _is_awaited(claimant: Completion[Any]) -> bool:
    # Timers and the ends of calls in threads exist only while code waits for them.
    is_created = isinstance(claimant, CallbackOperation) and claimant.creation.is_awaited
    return is_created or claimant.is_awaited or not isinstance(claimant, DurableOperation)


def is_of_the_sdk(operation: Operation) -> bool:
    """Return ``True`` for a record of the SDK's own, which no code has to ask for."""
    return operation.name == LATE_NEWS_NAME or is_unnumbered(operation.id, operation.name)


def differing_members(expected: Operation, operation: DurableOperation[object]) -> list[str]:
    """Return what differs between a record and the operation that the code asks for at its place."""
    log = (expected.type, expected.sub_type, expected.name, expected.parent_id)
    code = (operation.kind, operation.sub_type, operation.name, operation.context_state.parent_id)
    members = ("type", "subtype", "name", "parent")
    return [m for m, e, f in zip(members, log, code, strict=True) if e != f]


def difference_text(members: list[str]) -> str:
    """Say in what an operation differs from its record."""
    return f"another {' and '.join(members)}"
