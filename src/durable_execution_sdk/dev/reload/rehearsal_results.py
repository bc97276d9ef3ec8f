"""The last load of each function's code, and the rehearsals of open executions with it, for those who look at them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from enum import StrEnum

import msgspec

from durable_execution_sdk.dev.reload.findings import Finding
from durable_execution_sdk.protocol.ids import ExecutionArn

__all__ = ["FunctionReload", "RehearsalOutcome", "RehearsalResult", "RehearsalResults"]

MOST_RESULTS = 20
"""Executions of a function whose results are kept; all are counted."""


class RehearsalOutcome(StrEnum):
    """The outcomes of a rehearsal."""

    FINE = "fine"
    HELD = "held"
    UNKNOWN = "unknown"


class RehearsalResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome for one execution, with the reason if it is not fine."""

    arn: str
    outcome: RehearsalOutcome
    text: str | None = None


class FunctionReload(msgspec.Struct, frozen=True, kw_only=True):
    """The load of a function's code. ``is_broken``: its file was edited since, and cannot be imported."""

    loaded_at: int
    is_broken: bool = False
    counts: dict[RehearsalOutcome, int] = {}
    results: tuple[RehearsalResult, ...] = ()


class RehearsalResults:
    """Keeps the last load of each function. Thread-safe; ``on_change`` is called after each change."""

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self._on_change = on_change
        self._lock = threading.Lock()
        self._loads: dict[str, int] = {}
        self._results: dict[str, dict[str, RehearsalResult]] = {}
        self._broken: frozenset[str] = frozenset()

    def loaded(self, functions: Iterable[str], broken: Collection[str], at: int) -> None:
        """Take functions with new code, and the names of those that keep theirs because their file is broken."""
        with self._lock:
            for name in functions:
                self._loads[name] = at
                self._results[name] = {}
            self._broken = frozenset(broken)
        self._on_change()

    def settled(self, arn: str, finding: Finding | None, unknown: str | None) -> None:
        """Take the outcome of the rehearsal of an execution."""
        outcome, text = RehearsalOutcome.FINE, unknown
        if finding is not None:
            outcome = RehearsalOutcome.HELD
            text = f"the log has: {finding.expected}; the code now: {finding.actual}"
        elif unknown is not None:
            outcome = RehearsalOutcome.UNKNOWN
        function = ExecutionArn.parse(arn).function_name
        with self._lock:
            results = self._results.setdefault(function, {})
            results.pop(arn, None)
            results[arn] = RehearsalResult(arn=arn, outcome=outcome, text=text)
        self._on_change()

    def released(self, arn: str) -> None:
        """Forget an execution that was held, and is over or goes on anyway."""
        function = ExecutionArn.parse(arn).function_name
        with self._lock:
            results = self._results.get(function, {})
            if arn not in results or results[arn].outcome is not RehearsalOutcome.HELD:
                return
            del results[arn]
        self._on_change()

    def of(self, function: str) -> FunctionReload | None:
        """Return the last load of a function; ``None`` if it was never loaded by a reload."""
        with self._lock:
            if function not in self._loads:
                return None
            results = tuple(self._results.get(function, {}).values())
            counts = dict.fromkeys(RehearsalOutcome, 0)
            for result in results:
                counts[result.outcome] += 1
            return FunctionReload(
                loaded_at=self._loads[function],
                is_broken=function in self._broken,
                counts=counts,
                # Those that are held are the ones to look at.
                results=tuple(sorted(results, key=_rank))[:MOST_RESULTS],
            )


def _rank(result: RehearsalResult) -> int:
    return (RehearsalOutcome.HELD, RehearsalOutcome.UNKNOWN, RehearsalOutcome.FINE).index(
        result.outcome
    )
