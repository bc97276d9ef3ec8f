"""Takes down one run of a workflow, as far as it is compared with others."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import msgspec

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.operations.lifecycle import label_of
from durable_execution_sdk.replay.arguments import Arguments, Regiven
from durable_execution_sdk.runtime.journal import LATE_NEWS_NAME
from durable_execution_sdk.runtime.timers import TIMER_NAME
from durable_execution_sdk.testing.operations import RecordedOperation
from durable_execution_sdk.testing.result import DurableTestResult

__all__ = ["Entry", "Snapshot", "snapshot_of"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An operation as the log has it, without times, attempts and what else may differ."""

    operation_id: str
    label: str
    parent_id: str | None
    status: str
    outcome: str | None

    @property
    def identity(self) -> tuple[str, str | None]:
        """What must be the same even of an operation that has not ended."""
        return (self.label, self.parent_id)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One run. ``ended`` are the operations that ended, in contexts that ended.

    ``given`` are the arguments of steps when they were first asked for, by operation id; ``regiven``
    are the steps that were given others on replay.
    """

    status: str
    outcome: str
    entries: dict[str, Entry]
    ended: frozenset[str]
    world: Any = None
    given: dict[str, str] = {}
    regiven: list[Regiven] = []


def snapshot_of(
    result: DurableTestResult[Any],
    observe: Callable[[], Any] | None,
    arguments: Arguments | None = None,
) -> Snapshot:
    """Take down a run."""
    entries = {
        each.id: Entry(
            operation_id=each.id,
            label=label_of(each.type, each.sub_type, each.name),
            parent_id=each.parent_id,
            status=each.status,
            outcome=each.payload or _told(each.error_object),
        )
        for each in result.operations
        # A timer of asyncio is only in the log if it mattered.
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
        given={} if arguments is None else arguments.first(),
        regiven=[] if arguments is None else arguments.regiven(),
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
