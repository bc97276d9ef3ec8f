"""Compares runs of a workflow: their ends, their logs, the world outside.

Two undisturbed runs are the standard. A value that differs between them differs by itself and is not
compared. Two equal readings of a clock say nothing yet: whenever a value differs, the workflow may be
run undisturbed once more, to learn whether it differs by itself after all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import msgspec

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.model.control import ExecutionStatus
from durable_execution_sdk.testing.snapshots import Entry, Snapshot

__all__ = ["Differences", "Standard"]

_LONGEST = 200
# How often a workflow is run undisturbed once more, because of values that differ.
_MOST_LOOKS = 10


class Differences(msgspec.Struct, frozen=True):
    """The differences of a disturbed run: those that are harm, and results that differ and may.

    ``results`` are those of operations that end as they do undisturbed, with another value that none
    of the others had; they come with the label of the operation. The same goes for ``arguments`` that
    a step was given on replay.
    """

    harms: list[str]
    results: list[tuple[str, str]]
    arguments: list[tuple[str, str]]


class Standard:
    """The standard that undisturbed runs set: two of them tell what differs from run to run."""

    def __init__(self, one: Snapshot, other: Snapshot) -> None:
        self.calm = one
        self.problems = [
            f"two undisturbed runs differ already: {each}" for each in self._structure(other)
        ]
        if one.status != other.status:
            self.problems.append(
                f"two undisturbed runs end otherwise: {one.status} ({_short(one.outcome)}) and"
                f" {other.status} ({_short(other.outcome)}). Reset what they share in setup="
            )
        if one.world != other.world:
            self.problems.append(
                "two undisturbed runs leave the world outside in different states:"
                f" {_short(one.world)} and {_short(other.world)}. Reset it in setup="
            )
        if one.outcome.startswith(f"{DeterminismError.__name__}:"):
            self.problems.append(f"the execution fails on replay, undisturbed: {one.outcome}")
        self._outcomes_vary: set[str] = set()
        self._arguments_vary: set[str] = set()
        self._end_varies = False
        self._wondered: set[tuple[str, str]] = set()
        self._looks = 0
        self.learn(other)

    def learn(self, undisturbed: Snapshot) -> None:
        """Take in another undisturbed run: what differs there differs by itself."""
        calm = self.calm
        self._outcomes_vary |= {
            each
            for each in calm.entries.keys() & undisturbed.entries.keys()
            if calm.entries[each].outcome != undisturbed.entries[each].outcome
        }
        self._arguments_vary |= {
            each
            for each in calm.given.keys() & undisturbed.given.keys()
            if calm.given[each] != undisturbed.given[each]
        }
        self._end_varies |= calm.outcome != undisturbed.outcome

    def may_vary(self, found: Snapshot) -> bool:
        """Tell whether a run has a value that is not known to be the same in undisturbed runs.

        Each value is wondered about once: if it is not learned then, it is a difference.
        """
        values = set(self._values(found)) - self._wondered
        self._wondered |= values
        if not values or self._looks >= _MOST_LOOKS:
            return False
        self._looks += 1
        return True

    def _values(self, found: Snapshot) -> Iterator[tuple[str, str]]:
        calm = self.calm
        if found.status != calm.status:
            return
        if found.outcome != calm.outcome and not self._end_varies:
            yield "", found.outcome
        for each in calm.ended & found.ended:
            now = found.entries[each].outcome
            if now != calm.entries[each].outcome and each not in self._outcomes_vary:
                yield each, now or ""
        for regiven in found.regiven:
            if regiven.operation_id not in self._arguments_vary and not regiven.is_swapped:
                yield regiven.operation_id, regiven.now

    @property
    def notes(self) -> list[str]:
        """Sentences on what could not be compared."""
        calm = self.calm
        notes: list[str] = []
        if calm.status != ExecutionStatus.SUCCEEDED:
            notes.append(f"undisturbed, the execution {calm.status}: {_short(calm.outcome)}")
        if self._end_varies and calm.status == ExecutionStatus.SUCCEEDED:
            notes.append(
                "the result differs from run to run without any disturbance: it is not compared"
            )
        if self._outcomes_vary:
            labels = ", ".join(sorted({calm.entries[each].label for each in self._outcomes_vary}))
            notes.append(
                f"so do the results of {labels}"
                if self._end_varies
                else f"the results of {labels} differ from run to run without any disturbance: they"
                " are not compared"
            )
        return notes

    def problems_of(self, undisturbed: Snapshot) -> list[str]:
        """Sentences on steps that were given other arguments on replay even undisturbed."""
        return [
            str(each)
            for each in undisturbed.regiven
            if each.is_swapped or each.operation_id not in self._arguments_vary
        ]

    def differences(
        self, found: Snapshot, *, same_result: bool = True, same_log: bool = True
    ) -> Differences:
        """The differences between a disturbed run and an undisturbed one."""
        return Differences(
            harms=list(self._harms(found, same_result=same_result, same_log=same_log)),
            results=list(self._results(found)) if same_log else [],
            arguments=[
                (each.label, str(each))
                for each in found.regiven
                if not each.is_swapped and each.operation_id in self._arguments_vary
            ],
        )

    def may_be_timing(self, found: Snapshot) -> bool:
        """Tell whether ``same_result=False, same_log=False`` would allow all the differences."""
        return not any(self._harms(found, same_result=False, same_log=False))

    def _harms(self, found: Snapshot, *, same_result: bool, same_log: bool) -> Iterator[str]:
        calm = self.calm
        if found.status != calm.status:
            yield (
                f"the execution {calm.status} undisturbed, and {found.status} now"
                f" ({_short(found.outcome)})"
            )
        elif same_result and not self._end_varies and found.outcome != calm.outcome:
            yield f"the result is {_short(calm.outcome)} undisturbed, {_short(found.outcome)} now"
        if same_log:
            yield from self._structure(found)
            yield from self._statuses(found)
        yield from self.problems_of(found)
        if found.world != calm.world:
            yield (
                f"the world outside is {_short(calm.world)} undisturbed, {_short(found.world)} now"
            )

    def _structure(self, found: Snapshot) -> Iterator[str]:
        calm = self.calm
        if found.status != calm.status:
            return  # what follows from that is no news
        for each in sorted(calm.ended - found.entries.keys()):
            yield f"{calm.entries[each].label} is missing from the log"
        for each in sorted(found.ended - calm.entries.keys()):
            yield f"{found.entries[each].label} is in the log, and was not undisturbed"
        for each, entry in calm.entries.items():
            now = found.entries.get(each)
            if now is not None and now.identity != entry.identity:
                yield f"where the log had {entry.label} undisturbed, it has {now.label} now"

    def _statuses(self, found: Snapshot) -> Iterator[str]:
        """Operations that end in another way, and results that have changed places."""
        for then, now in self._pairs(found):
            if then.status != now.status:
                yield f"{then.label} {then.status} undisturbed, {now.status} now"
        differing = self._differing(found)
        for place in (_by_label, _by_parent):
            groups: dict[object, list[tuple[Entry, Entry]]] = defaultdict(list)
            for pair in differing:
                groups[place(pair[0])].append(pair)
            for pairs in groups.values():
                if len(pairs) > 1 and _have_changed_places(pairs):
                    yield from (f"{_differs(*each)}, as another one did" for each in pairs)
                    return

    def _results(self, found: Snapshot) -> Iterator[tuple[str, str]]:
        for then, now in self._differing(found):
            yield then.label, _differs(then, now)

    def _differing(self, found: Snapshot) -> list[tuple[Entry, Entry]]:
        return [
            (then, now)
            for then, now in self._pairs(found)
            if then.status == now.status
            and then.outcome != now.outcome
            and then.operation_id not in self._outcomes_vary
        ]

    def _pairs(self, found: Snapshot) -> Iterator[tuple[Entry, Entry]]:
        """The operations that have ended in both runs."""
        calm = self.calm
        if found.status == calm.status:
            for each in sorted(calm.ended & found.ended):
                then, now = calm.entries[each], found.entries[each]
                if then.identity == now.identity:
                    yield then, now


def _have_changed_places(pairs: list[tuple[Entry, Entry]]) -> bool:
    return Counter(then.outcome for then, _ in pairs) == Counter(now.outcome for _, now in pairs)


def _differs(then: Entry, now: Entry) -> str:
    return f"{then.label} came to {_short(then.outcome)} undisturbed, {_short(now.outcome)} now"


def _by_label(entry: Entry) -> object:
    return entry.label


def _by_parent(entry: Entry) -> object:
    return entry.parent_id


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
