"""The numbers of branches of maps and parallels, which the log of an execution does not have."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from durable_execution_sdk.dev.logs.log_store import LogStore, logs_path
from durable_execution_sdk.errors import StoreError
from durable_execution_sdk.handler import AnyHandler
from durable_execution_sdk.operations.fan_out.operation import branch_contexts
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.rendering.batch_progress import Totals, no_totals
from durable_execution_sdk.runtime.completions.completion import Completion
from durable_execution_sdk.runtime.run import InvocationRun

_Counts = dict[str, dict[str, int]]


class CountedTotals:
    """Totals of the executions that this process runs, counted when their code calls map or parallel."""

    def __init__(self) -> None:
        self._counts: _Counts = {}

    def __call__(self, arn: str) -> Mapping[str, int]:
        """Return the totals of an execution, by operation id."""
        return dict(self._counts.get(arn, {}))

    def counting(self, handler: AnyHandler) -> AnyHandler:
        """Return the same handler, whose invocations count."""
        return handler.made_by(partial(_CountingRun, self._counts))


class _CountingRun(InvocationRun):
    def __init__(self, counts: _Counts, *args: Any) -> None:
        super().__init__(*args)
        self._counts = counts

    def claim(self, claimant: Completion[Any]) -> Operation | None:
        contexts = branch_contexts(claimant)
        if contexts is not None:
            self._counts.setdefault(self.invoked.arn, {})[claimant.operation_id] = contexts
        return super().claim(claimant)


class _NotedTotals:
    """Totals that the functions of a development server have sent to it."""

    def __init__(self, logs: LogStore) -> None:
        self._logs = logs
        self._counts: _Counts = {}
        self._read: dict[str, int] = {}

    def __call__(self, arn: str) -> Mapping[str, int]:
        counts = self._counts.setdefault(arn, {})
        try:
            notes = self._logs.notes(arn, after=self._read.get(arn, 0))
        except StoreError:
            return counts
        for note in notes:
            self._read[arn] = note.number
            if note.branches is not None:
                counts[note.operation_id] = note.branches
        return counts


@contextmanager
def noted_totals(store: Path) -> Generator[Totals]:
    """Read the totals that a development server has kept beside a store; none if it kept none."""
    path = logs_path(store)
    if not path.exists():
        yield no_totals
        return
    try:
        logs = LogStore(path)
    except StoreError:
        yield no_totals
        return
    try:
        yield _NotedTotals(logs)
    finally:
        logs.close()
