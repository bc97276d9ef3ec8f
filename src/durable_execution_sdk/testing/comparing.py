"""What is compared between two runs of a workflow: its end, its log, the world outside."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.model.control import ExecutionStatus
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.operations.lifecycle import label_of
from durable_execution_sdk.runtime.journal import LATE_NEWS_NAME
from durable_execution_sdk.runtime.timers import TIMER_NAME
from durable_execution_sdk.testing.operations import RecordedOperation
from durable_execution_sdk.testing.result import DurableTestResult

__all__ = ["Entry", "Snapshot", "Standard", "snapshot_of"]

_LONGEST = 200


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An operation as the log has it, without times, attempts and what else may differ."""

    label: str
    parent_id: str | None
    status: str
    outcome: str | None

    @property
    def identity(self) -> tuple[str, str | None]:
        """What must be the same even of an operation that has not ended."""
        return (self.label, self.parent_id)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one run. ``ended`` are the operations that ended, in contexts that ended."""

    status: str
    outcome: str
    entries: dict[str, Entry]
    ended: frozenset[str]
    world: Any = None


def snapshot_of(result: DurableTestResult[Any], observe: Callable[[], Any] | None) -> Snapshot:
    """Take down what came of a run."""
    entries = {
        each.id: Entry(
            label=label_of(each.type, each.sub_type, each.name),
            parent_id=each.parent_id,
            status=each.status,
            outcome=each.payload or _told(each.error_object),
        )
        for each in result.operations
        # A timer of asyncio is only in the log if it mattered, and a note if a service was out of order.
        if each.name not in (TIMER_NAME, LATE_NEWS_NAME)
    }
    by_id = {each.id: each for each in result.operations}
    ended = frozenset(each for each in entries if _has_ended(by_id[each], by_id))
    error = result.error_object
    return Snapshot(
        status=result.status,
        outcome=_told(error) if error else result.described.result or "nothing",
        entries=entries,
        ended=ended,
        world=None if observe is None else _copy_of(observe()),
    )


def _copy_of(state: Any) -> Any:
    try:
        return copy.deepcopy(state)
    except Exception as error:
        raise ConfigError(
            f"what observe= returns is compared with that of other runs, and {state!r} cannot be"
            f" copied ({error}): return plain data"
        ) from error


def _has_ended(operation: RecordedOperation, known: dict[str, RecordedOperation]) -> bool:
    around = known.get(operation.parent_id or "")
    return operation.is_done and (around is None or _has_ended(around, known))


def _told(error: ErrorObject | None) -> str:
    return "" if error is None else f"{error.error_type}: {error.error_message}"


class Standard:
    """What undisturbed runs come to: two of them tell what differs from run to run anyway."""

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
        self._varying = {
            each
            for each in one.entries.keys() & other.entries.keys()
            if one.entries[each].outcome != other.entries[each].outcome
        }
        self._outcome_varies = one.outcome != other.outcome
        self.notes: list[str] = []
        if one.status != ExecutionStatus.SUCCEEDED:
            self.notes.append(f"undisturbed, the execution {one.status}: {_short(one.outcome)}")
        if self._outcome_varies and one.status == other.status:
            self.notes.append(
                "the result differs from run to run without any disturbance: it is not compared"
            )
        if self._varying:
            labels = sorted({one.entries[each].label for each in self._varying})
            self.notes.append(f"so do the results of {', '.join(labels)}")

    def differences(
        self, found: Snapshot, *, same_result: bool = True, same_log: bool = True
    ) -> Iterator[str]:
        """In what a disturbed run differs from an undisturbed one."""
        calm = self.calm
        if found.status != calm.status:
            yield (
                f"the execution {calm.status} undisturbed, and {found.status} now"
                f" ({_short(found.outcome)})"
            )
        elif same_result and not self._outcome_varies and found.outcome != calm.outcome:
            yield f"the result is {_short(calm.outcome)} undisturbed, {_short(found.outcome)} now"
        if same_log:
            yield from self._structure(found)
            yield from self._outcomes(found)
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

    def _outcomes(self, found: Snapshot) -> Iterator[str]:
        calm = self.calm
        if found.status != calm.status:
            return
        for each in sorted(calm.ended & found.ended):
            then, now = calm.entries[each], found.entries[each]
            if then.identity != now.identity:
                continue
            if then.status != now.status:
                yield f"{then.label} {then.status} undisturbed, {now.status} now"
            elif then.outcome != now.outcome and each not in self._varying:
                yield (
                    f"{then.label} came to {_short(then.outcome)} undisturbed,"
                    f" {_short(now.outcome)} now"
                )


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
