"""Compare runs of a workflow: their outcome, their log, and the external state.

The standard is made from two undisturbed runs. A value that differs between them varies by itself and
is not compared. A value may also be equal in both by chance, like the reading of a clock. So when a value
of a disturbed run differs, the workflow is run undisturbed once more to learn whether it varies.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import msgspec

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.testing.checks.snapshots import Entry, Snapshot

__all__ = ["Differences", "Standard"]

_LONGEST = 200
# The largest number of extra undisturbed runs.
_MOST_EXTRA_RUNS = 10


class Differences(msgspec.Struct, frozen=True):
    """The differences of a disturbed run from an undisturbed one.

    ``harms`` are faults. ``results`` are results of operations that ended with the same status and
    another value, which is harmless if nothing else differs; ``arguments`` are arguments of steps that
    differed on replay and vary by themselves. Both are pairs of the operation's label and a sentence.
    """

    harms: list[str]
    results: list[tuple[str, str]]
    arguments: list[tuple[str, str]]


class Standard:
    """The outcome of undisturbed runs, and the values that vary between them."""

    def __init__(self, first_run: Snapshot, second_run: Snapshot) -> None:
        self.calm = first_run
        self.problems = [
            f"two undisturbed runs differ already: {sentence}"
            for sentence in self._structure(second_run)
        ]
        if first_run.status != second_run.status:
            self.problems.append(
                f"two undisturbed runs end otherwise: {first_run.status} ({_short(first_run.outcome)}) and"
                f" {second_run.status} ({_short(second_run.outcome)}). Reset what they share in setup="
            )
        if first_run.observed != second_run.observed:
            self.problems.append(
                "two undisturbed runs leave different external states:"
                f" {_short(first_run.observed)} and {_short(second_run.observed)}. Reset it in setup="
            )
        if first_run.outcome.startswith(f"{DeterminismError.__name__}:"):
            self.problems.append(f"the execution fails on replay, undisturbed: {first_run.outcome}")
        self._outcomes_vary: set[str] = set()
        self._arguments_vary: set[str] = set()
        self._end_varies = False
        self._reexamined: set[tuple[str, str]] = set()
        self._extra_runs = 0
        self.learn(second_run)

    def learn(self, undisturbed: Snapshot) -> None:
        """Add an undisturbed run: values that differ in it vary by themselves."""
        calm = self.calm
        self._outcomes_vary |= {
            operation_id
            for operation_id in calm.entries.keys() & undisturbed.entries.keys()
            if calm.entries[operation_id].outcome != undisturbed.entries[operation_id].outcome
        }
        self._arguments_vary |= {
            operation_id
            for operation_id in calm.given.keys() & undisturbed.given.keys()
            if calm.given[operation_id] != undisturbed.given[operation_id]
        }
        self._end_varies |= calm.outcome != undisturbed.outcome

    def may_vary(self, run: Snapshot) -> bool:
        """Tell whether a run has a new differing value, for which another undisturbed run is worth while.

        Each value counts once: if the extra run does not show that it varies, it is a difference.
        """
        values = set(self._values(run)) - self._reexamined
        self._reexamined |= values
        if not values or self._extra_runs >= _MOST_EXTRA_RUNS:
            return False
        self._extra_runs += 1
        return True

    def _values(self, run: Snapshot) -> Iterator[tuple[str, str]]:
        calm = self.calm
        if run.status != calm.status:
            return
        if run.outcome != calm.outcome and not self._end_varies:
            yield "", run.outcome
        for operation_id in calm.ended & run.ended:
            outcome = run.entries[operation_id].outcome
            if (
                outcome != calm.entries[operation_id].outcome
                and operation_id not in self._outcomes_vary
            ):
                yield operation_id, outcome or ""
        for changed_arguments in run.changed_arguments:
            if (
                changed_arguments.operation_id not in self._arguments_vary
                and not changed_arguments.is_swapped
            ):
                yield changed_arguments.operation_id, changed_arguments.now

    @property
    def notes(self) -> list[str]:
        """Sentences about values that are not compared."""
        calm = self.calm
        notes: list[str] = []
        if calm.status != ExecutionStatus.SUCCEEDED:
            notes.append(f"undisturbed, the execution {calm.status}: {_short(calm.outcome)}")
        if self._end_varies and calm.status == ExecutionStatus.SUCCEEDED:
            notes.append(
                "the result differs from run to run without any disturbance: it is not compared"
            )
        if self._outcomes_vary:
            labels = ", ".join(
                sorted({calm.entries[operation_id].label for operation_id in self._outcomes_vary})
            )
            notes.append(
                f"so do the results of {labels}"
                if self._end_varies
                else f"the results of {labels} differ from run to run without any disturbance: they"
                " are not compared"
            )
        return notes

    def problems_of(self, undisturbed: Snapshot) -> list[str]:
        """Return sentences about steps that replay gives other arguments even undisturbed."""
        return [
            str(step)
            for step in undisturbed.changed_arguments
            if step.is_swapped or step.operation_id not in self._arguments_vary
        ]

    def differences(
        self, run: Snapshot, *, same_result: bool = True, same_log: bool = True
    ) -> Differences:
        """Return the differences between a disturbed run and an undisturbed one."""
        return Differences(
            harms=list(self._harms(run, same_result=same_result, same_log=same_log)),
            results=list(self._results(run)) if same_log else [],
            arguments=[
                (step.label, str(step))
                for step in run.changed_arguments
                if not step.is_swapped and step.operation_id in self._arguments_vary
            ],
        )

    def may_be_timing(self, run: Snapshot) -> bool:
        """Tell whether ``same_result=False, same_log=False`` would accept all differences."""
        return not any(self._harms(run, same_result=False, same_log=False))

    def _harms(self, run: Snapshot, *, same_result: bool, same_log: bool) -> Iterator[str]:
        calm = self.calm
        if run.status != calm.status:
            yield (
                f"the execution {calm.status} undisturbed, and {run.status} now"
                f" ({_short(run.outcome)})"
            )
        elif same_result and not self._end_varies and run.outcome != calm.outcome:
            yield f"the result is {_short(calm.outcome)} undisturbed, {_short(run.outcome)} now"
        if same_log:
            yield from self._structure(run)
            yield from self._statuses(run)
        yield from self.problems_of(run)
        if run.observed != calm.observed:
            yield (
                f"the external state is {_short(calm.observed)} undisturbed, {_short(run.observed)} now"
            )

    def _structure(self, run: Snapshot) -> Iterator[str]:
        calm = self.calm
        if run.status != calm.status:
            return  # the other differences follow from the status
        for operation_id in sorted(calm.ended - run.entries.keys()):
            yield f"{calm.entries[operation_id].label} is missing from the log"
        for operation_id in sorted(run.ended - calm.entries.keys()):
            yield f"{run.entries[operation_id].label} is in the log, and was not undisturbed"
        for operation_id, entry in calm.entries.items():
            current = run.entries.get(operation_id)
            if current is not None and current.identity != entry.identity:
                yield f"where the log had {entry.label} undisturbed, it has {current.label} now"

    def _statuses(self, run: Snapshot) -> Iterator[str]:
        """Yield sentences about operations that end otherwise, and results that have changed places."""
        for then, now in self._pairs(run):
            if then.status != now.status:
                yield f"{then.label} {then.status} undisturbed, {now.status} now"
        differing = self._differing(run)
        for place in (_by_label, _by_parent):
            groups: dict[object, list[tuple[Entry, Entry]]] = defaultdict(list)
            for pair in differing:
                groups[place(pair[0])].append(pair)
            for pairs in groups.values():
                if len(pairs) > 1 and _have_changed_places(pairs):
                    yield from (f"{_differs(*changed)}, as another one did" for changed in pairs)
                    return

    def _results(self, run: Snapshot) -> Iterator[tuple[str, str]]:
        for then, now in self._differing(run):
            yield then.label, _differs(then, now)

    def _differing(self, run: Snapshot) -> list[tuple[Entry, Entry]]:
        return [
            (then, now)
            for then, now in self._pairs(run)
            if then.status == now.status
            and then.outcome != now.outcome
            and then.operation_id not in self._outcomes_vary
        ]

    def _pairs(self, run: Snapshot) -> Iterator[tuple[Entry, Entry]]:
        """Yield the operations that have ended in both runs."""
        calm = self.calm
        if run.status == calm.status:
            for operation_id in sorted(calm.ended & run.ended):
                then, now = calm.entries[operation_id], run.entries[operation_id]
                if then.identity == now.identity:
                    yield then, now


def _have_changed_places(pairs: list[tuple[Entry, Entry]]) -> bool:
    return Counter(then.outcome for then, _ in pairs) == Counter(now.outcome for _, now in pairs)


def _differs(then: Entry, now: Entry) -> str:
    return f"{then.label} ended with {_short(then.outcome)} undisturbed, {_short(now.outcome)} now"


def _by_label(entry: Entry) -> object:
    return entry.label


def _by_parent(entry: Entry) -> object:
    return entry.parent_id


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
