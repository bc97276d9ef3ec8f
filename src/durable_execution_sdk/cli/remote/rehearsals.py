"""Replays of histories by the code in a file, in processes of their own; in several where that is quicker."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import msgspec

from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.remote.rehearsal_process import RehearsalProcess
from durable_execution_sdk.cli.user_code import split_target
from durable_execution_sdk.replay.report import ReplayReport

__all__ = ["Rehearsal", "Rehearsals", "report_lines"]

_FEWEST_IN_SEVERAL = 8
"""Histories that are worth the start of more processes, each of which imports the code."""

_MOST_HANGS = 2
"""Histories with which the code may hang before the others are not tried any more."""


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """The report of a history's replay; without one, ``fault`` is the reason for which it cannot be replayed."""

    history: str
    report: ReplayReport | None = None
    fault: str | None = None

    @property
    def diverges(self) -> bool:
        """True if the code does not replay the history."""
        return self.report is not None and not self.report.ok

    def about(self, name: str) -> Rehearsal:
        """Return the same with another name for the history, as in a text about a file that is temporary."""
        fault = None if self.fault is None else self.fault.replace(self.history, name)
        return Rehearsal(history=name, report=self.report, fault=fault)

    def document(self) -> dict[str, object]:
        """Return the report for a JSON document, or the reason for which there is none."""
        report = self.report
        if report is None:
            return {"history": self.history, "fault": self.fault}
        document: dict[str, object] = {
            "history": self.history,
            "function": report.function,
            "recorded_as": report.recorded_as,
            "ok": report.ok,
            "operations": report.operations,
            "moments": report.moments,
            "skipped": report.skipped,
            "notes": report.notes,
            "patches": report.patches,
            "patches_gone": report.patches_gone,
        }
        divergence = report.divergence
        if divergence is not None:
            place = divergence.place
            document["divergence"] = {
                "kind": divergence.kind,
                "invocation": divergence.invocation,
                "operation_id": divergence.operation_id,
                "expected": divergence.expected,
                "actual": divergence.actual,
                "file": place.file if place else None,
                "line": place.line if place else None,
            }
        return document


def report_lines(rehearsals: Iterable[Rehearsal]) -> Iterator[str]:
    """Yield the reports of replays as text: that of a divergence once, with all histories that have it."""
    histories_by_text: dict[str, list[str]] = {}
    for each in rehearsals:
        if each.diverges:
            histories_by_text.setdefault(str(each.report), []).append(each.history)
        elif each.report is not None:
            yield f"{each.history}: {each.report}"
    for text, (first, *others) in histories_by_text.items():
        yield f"{first}: {text}"
        if others:
            yield f"  It is the same in {len(others)} more: {', '.join(others)}"


class Rehearsals:
    """The code in ``FILE[:HANDLER]``, which replays histories. Raises ``Refusal`` if it cannot be loaded."""

    def __init__(self, target: str) -> None:
        self._file, self._wanted = split_target(target)
        self._processes: list[RehearsalProcess] = []
        self._hangs = 0
        self._is_closed = False
        self._started().load()

    def of(self, histories: Sequence[str], arn: str | None = None) -> list[Rehearsal]:
        """Replay the histories in files, in their order; ``arn`` is that of histories which lack it."""
        if not histories:
            return []
        count = 1
        if len(histories) >= _FEWEST_IN_SEVERAL:
            count = min(os.cpu_count() or 1, len(histories))
        idle: queue.SimpleQueue[RehearsalProcess | None] = queue.SimpleQueue()
        idle.put(self._processes[0])
        for _ in range(count - 1):
            idle.put(None)

        def replay(history: str) -> Rehearsal:
            process = idle.get()
            try:
                fault = self._fault()
                if fault is not None:
                    return Rehearsal(history=history, fault=fault)
                if process is None or process.is_over:
                    process = self._started()
                    process.load()
                answer = process.replay(history, arn)
                self._hangs += process.hangs
                return Rehearsal(history=history, report=answer.report, fault=answer.fault)
            except Refusal as refusal:
                # It was loaded before, so it loads differently each time.
                return Rehearsal(history=history, fault=refusal.message)
            finally:
                idle.put(process)

        with ThreadPoolExecutor(count, thread_name_prefix="durable-replay") as pool:
            try:
                return list(pool.map(replay, histories))
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """End the processes; what is still to be replayed is not tried any more."""
        self._is_closed = True
        for process in self._processes:
            process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _started(self) -> RehearsalProcess:
        process = RehearsalProcess(self._file, self._wanted)
        self._processes.append(process)
        return process

    def _fault(self) -> str | None:
        """Return the reason for which no more histories are tried."""
        if self._is_closed:
            return "the replay was ended"
        if self._hangs >= _MOST_HANGS:
            return f"not tried: the code in {self._file} did not come to rest with {self._hangs} others"
        return None
