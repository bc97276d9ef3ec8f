"""The progress of maps and parallels: how many of their branches have ended, and when all will have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import msgspec

from durable_execution_sdk.engine.views.progress import OperationProgress
from durable_execution_sdk.protocol.operations import Operation, OperationStatus, OperationSubType
from durable_execution_sdk.rendering.family import Family
from durable_execution_sdk.rendering.times import span

__all__ = [
    "BatchProgress",
    "Batches",
    "Totals",
    "batch_progress",
    "batch_text",
    "family_batches",
    "no_totals",
]

Totals = Callable[[str], Mapping[str, int]]
"""Returns the numbers of branches that are known of an execution, by the ids of its maps and parallels."""

_BRANCH_OF: Mapping[str, str] = {
    OperationSubType.MAP: OperationSubType.MAP_ITERATION,
    OperationSubType.PARALLEL: OperationSubType.PARALLEL_BRANCH,
}
_NOTHING: Mapping[str, int] = MappingProxyType({})


class BatchProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of the branches of a map or parallel.

    ``total`` is ``None`` where it is not known: it is not in the log. ``ends_at`` is the time, in
    milliseconds since the epoch, at which all will have ended if they go on as fast as they did.
    """

    total: int | None
    started: int
    succeeded: int
    failed: int
    ends_at: float | None

    @property
    def ended(self) -> int:
        """The number of branches that have ended."""
        return self.succeeded + self.failed


def batch_progress(
    operations: Iterable[OperationProgress], totals: Mapping[str, int] = _NOTHING
) -> dict[str, BatchProgress]:
    """Return the progress of each map and parallel by its id; ``totals`` are numbers of branches by id.

    One whose branches have no operations of their own (``NestingType.FLAT``) is left out.
    """
    batches: dict[str, Operation] = {}
    branches: dict[str, list[Operation]] = {}
    for progress in operations:
        operation = progress.operation
        if operation.sub_type in _BRANCH_OF:
            batches[operation.id] = operation
        batch = batches.get(operation.parent_id or "")
        if batch is not None and operation.sub_type == _branch_type(batch):
            branches.setdefault(batch.id, []).append(operation)
    return {
        key: _counted(batches[key], operations_of, totals.get(key))
        for key, operations_of in branches.items()
    }


Batches = Mapping[str, Mapping[str, BatchProgress]]
"""The progress of maps and parallels, by the ARNs of executions and the ids of operations."""


def family_batches(executions: Family, totals: Totals) -> Batches:
    """Return the progress of the maps and parallels of an execution, and of those that it invoked."""
    arn = executions.execution.arn
    batches: dict[str, Mapping[str, BatchProgress]] = {
        arn: batch_progress(executions.execution.operations, totals(arn))
    }
    for invoked in executions.invoked.values():
        batches.update(family_batches(invoked, totals))
    return batches


def batch_text(batch: BatchProgress, now: int) -> str:
    """Write the progress of a map or parallel, such as ``3 of 10 done, 1 failed, about 2 min left``."""
    parts = [
        f"{batch.ended} done" if batch.total is None else f"{batch.ended} of {batch.total} done"
    ]
    if batch.failed:
        parts.append(f"{batch.failed} failed")
    if batch.ends_at is not None and batch.ends_at > now:
        parts.append(f"about {span(batch.ends_at - now)} left")
    return ", ".join(parts)


def no_totals(_arn: str) -> Mapping[str, int]:
    """Know the number of branches of no execution."""
    return _NOTHING


def _branch_type(batch: Operation) -> str | None:
    return _BRANCH_OF.get(batch.sub_type or "")


def _counted(batch: Operation, branches: list[Operation], total: int | None) -> BatchProgress:
    ends = [branch.end_timestamp for branch in branches if branch.end_timestamp is not None]
    succeeded = sum(branch.status == OperationStatus.SUCCEEDED for branch in branches)
    estimate = None
    if total is not None and ends and batch.end_timestamp is None:
        began = batch.start_timestamp or 0
        estimate = began + (max(ends) - began) * max(total, len(ends)) / len(ends)
    return BatchProgress(
        total=total,
        started=len(branches),
        succeeded=succeeded,
        failed=len(ends) - succeeded,
        ends_at=estimate,
    )
