"""Snapshots of runs of a workflow, with the facts that are compared between runs."""

from __future__ import annotations

import copy
from collections.abc import Callable

import msgspec

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.continuation import comparable
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import label_of
from durable_execution_sdk.replay.arguments import Arguments, ChangedArguments
from durable_execution_sdk.runtime.log import LATE_NEWS_NAME
from durable_execution_sdk.runtime.log.ids import is_self_numbered
from durable_execution_sdk.testing.results.operations import RecordedOperation
from durable_execution_sdk.testing.results.result import DurableTestResult

__all__ = ["Entry", "Snapshot", "snapshot_of"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An operation of the log, without times, attempts and other facts that may differ."""

    operation_id: str
    label: str
    parent_id: str | None
    status: str
    outcome: str | None

    @property
    def identity(self) -> tuple[str, str | None]:
        """The facts that must be equal even if the operation has not ended."""
        return (self.label, self.parent_id)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One run. ``ended`` holds the ids of operations that ended, in contexts that ended.

    ``given`` holds the first arguments of each step, by operation id; ``changed_arguments`` the steps that got
    other arguments on replay.
    """

    status: str
    outcome: str
    entries: dict[str, Entry]
    ended: frozenset[str]
    observed: object = None
    given: dict[str, str] = {}
    changed_arguments: list[ChangedArguments] = []


def snapshot_of(
    result: DurableTestResult[object],
    observe: Callable[[], object] | None,
    arguments: Arguments | None = None,
) -> Snapshot:
    """Take the snapshot of a run."""
    entries = {
        operation.id: Entry(
            operation_id=operation.id,
            label=label_of(operation.type, operation.sub_type, operation.name),
            parent_id=operation.parent_id,
            status=operation.status,
            outcome=comparable(result.arn, operation.payload)
            or _error_text(operation.error_object),
        )
        for operation in result.operations
        # Timing decides if timers of asyncio, time limits, and the SDK's own records, are in the log.
        if operation.name != LATE_NEWS_NAME and not is_self_numbered(operation.id, operation.name)
    }
    by_id = {operation.id: operation for operation in result.operations}
    ended = frozenset(operation for operation in entries if _has_ended(by_id[operation], by_id))
    error = result.error_object
    return Snapshot(
        status=result.status,
        outcome=_error_text(error)
        if error
        else comparable(result.arn, result.described.result) or "nothing",
        entries=entries,
        ended=ended,
        observed=None if observe is None else _copy_of(observe()),
        given={} if arguments is None else arguments.first(),
        changed_arguments=[] if arguments is None else arguments.changed_arguments(),
    )


def _copy_of(state: object) -> object:
    try:
        return copy.deepcopy(state)
    except Exception as error:
        raise ConfigError(
            f"what observe= returns is compared with that of other runs, and {state!r} cannot be"
            f" copied ({error}): return plain data"
        ) from error


def _has_ended(operation: RecordedOperation, by_id: dict[str, RecordedOperation]) -> bool:
    around = by_id.get(operation.parent_id or "")
    return operation.is_done and (around is None or _has_ended(around, by_id))


def _error_text(error: ErrorObject | None) -> str:
    return "" if error is None else f"{error.error_type}: {error.error_message}"
