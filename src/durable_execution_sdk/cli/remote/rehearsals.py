"""Replays of many histories by the code in a file, in several processes where that is quicker."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import msgspec

from durable_execution_sdk.cli.output.streams import Streams
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.user_code import UserCode, split_target
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import AnyHandler
from durable_execution_sdk.replay.check import replay_history
from durable_execution_sdk.replay.report import ReplayReport

__all__ = ["Rehearsal", "Rehearsals"]

_FEWEST_IN_PROCESSES = 8
"""Histories that are worth the start of other processes, each of which imports the code."""


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


class Rehearsals:
    """The code in ``FILE[:HANDLER]``, which replays histories. Raises ``Refusal`` if it cannot be loaded."""

    def __init__(self, target: str, *, as_json: bool) -> None:
        self._file, wanted = split_target(target)
        self._as_json = as_json
        self._streams = Streams(as_json=as_json)
        user_code = UserCode()
        with self._streams.for_user_code():
            self._name = user_code.choose(self._file, wanted)
            self._handler = user_code.handlers(self._file)[self._name]

    def of(self, histories: Sequence[str], arn: str | None = None) -> list[Rehearsal]:
        """Replay the histories in files, in their order; ``arn`` is that of histories which lack it."""
        processes = min(os.cpu_count() or 1, len(histories))
        if processes == 1 or len(histories) < _FEWEST_IN_PROCESSES:
            with self._streams.for_user_code():
                return [_rehearsal(self._handler, history, arn) for history in histories]
        # A fork of this process would take over connections and threads.
        pool = ProcessPoolExecutor(
            processes,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_load,
            initargs=(self._file, self._name, self._as_json),
        )
        with pool:
            try:
                return list(pool.map(_in_process, histories, [arn] * len(histories)))
            except BrokenProcessPool as error:
                raise Refusal(
                    f"a process that replayed histories with {self._file} ended: the code ends its process, or"
                    " memory ran out"
                ) from error


_LOADED: list[AnyHandler] = []
"""The handler of a process that replays histories."""


def _load(file: str, name: str, as_json: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if as_json:
        # The document is on stdout, so what user code prints goes to stderr.
        os.dup2(2, 1)
    _LOADED.append(UserCode().handlers(file)[name])


def _in_process(history: str, arn: str | None) -> Rehearsal:
    return _rehearsal(_LOADED[0], history, arn)


def _rehearsal(handler: AnyHandler, history: str, arn: str | None) -> Rehearsal:
    try:
        report = replay_history(handler, history, execution_arn=arn)
    except ConfigError as error:
        return Rehearsal(history=history, fault=str(error))
    return Rehearsal(history=history, report=report)
