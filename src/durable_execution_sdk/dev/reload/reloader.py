"""New code for the functions of a server, after the open executions have been rehearsed with it.

An execution whose last invocation ran other code is held until its rehearsal: ``emulator.holds`` asks here before
each invocation. The code that is rehearsed is the code that runs, because both import the sources that were kept
when it was loaded. An invocation in flight ends on the code that it began with.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

from durable_execution_sdk.dev.discovery.found import Found
from durable_execution_sdk.dev.functions.host import ProcessFunctions
from durable_execution_sdk.dev.reload.findings import Finding, finding_document
from durable_execution_sdk.dev.reload.held_file import HeldExecution, HeldFile
from durable_execution_sdk.dev.reload.loaded_code import Load, LoadedCode
from durable_execution_sdk.dev.reload.open_executions import (
    Admission,
    Rehearsed,
    changed_code,
    rehearse_open,
)
from durable_execution_sdk.dev.reload.rehearsal_process import Rehearsals
from durable_execution_sdk.dev.reload.rehearsal_results import RehearsalResults
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import LATEST
from durable_execution_sdk.emulator.stores.store import Search
from durable_execution_sdk.engine.events import (
    ENDS,
    CodeAccepted,
    Event,
    ExecutionDeleted,
    InvocationCompleted,
)
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.control_plane import CLOSED_STATUSES, ExecutionStatus

__all__ = ["Listener", "Reloader"]

_AT_ONCE = 50
_PAGE = 500
_OPEN = [status for status in ExecutionStatus if status not in CLOSED_STATUSES]
_ONLY_PYTHON = "only functions in Python are rehearsed"
_OVER = (*ENDS, ExecutionDeleted, CodeAccepted)


class Listener(Protocol):
    """Takes the news of a reloader, in its thread."""

    def loaded(self, load: Load, found: Found) -> None:
        """Take the functions that were found, and the changes of those that run."""
        ...

    def held(self, findings: Mapping[str, Finding]) -> None:
        """Take executions that do not fit the code, by ARN."""
        ...

    def released(self, arns: Sequence[str]) -> None:
        """Take executions that were held and are not any more."""
        ...

    def unrehearsed(self, arns: Sequence[str], reason: str) -> None:
        """Take executions that go on although nothing was found out about them, and the reason."""
        ...

    def failed(self, error: str) -> None:
        """Take the reason for which nothing was loaded."""
        ...


class Reloader:
    """Loads functions, and holds the executions that they do not fit. ``close`` ends its thread."""

    def __init__(
        self,
        emulator: Emulator,
        host: ProcessFunctions,
        store: Path,
        listener: Listener,
        find: Callable[[], Found],
        results: RehearsalResults,
    ) -> None:
        self._emulator = emulator
        self._listener = listener
        self._find = find
        self._results = results
        self._file = HeldFile(store)
        self._code = LoadedCode(host, store)
        self._rehearsals = Rehearsals()
        self._held: dict[str, HeldExecution] = {}
        self._in_flight: set[str] = set()
        self._edited: set[str] = set()
        # Those that are due come first.
        self._asked: dict[str, None] = {}
        self._waiting: dict[str, None] = {}
        # The functions whose open executions were not looked for yet.
        self._unsearched: dict[str, None] = {}
        self._is_closed = False
        self._changed = threading.Condition()
        self._admission = Admission(self._ask)
        emulator.holds.ask(self._admission.admit)
        self._unsubscribe = emulator.subscribe(self._observe)
        self._thread = threading.Thread(target=self._run, name="durable-reload", daemon=True)

    def start(self) -> Found:
        """Load the functions that are found, and return them; rehearse the open executions in the thread.

        Raises ``ConfigError`` if they cannot be looked for.
        """
        found = self._load(set())
        self._thread.start()
        return found

    def edited(self, files: set[str]) -> None:
        """Load the functions again, in the thread, because files were edited."""
        with self._changed:
            self._edited |= files
            self._changed.notify()

    @property
    def directories(self) -> frozenset[Path]:
        """The directories of the files that the functions import."""
        return self._code.directories

    def close(self) -> None:
        """End the thread and the rehearsal in progress."""
        self._unsubscribe()
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._rehearsals.close()
        if self._thread.is_alive():
            self._thread.join()
        self._file.close()
        self._code.close()

    def _ask(self, arn: str) -> None:
        with self._changed:
            self._asked[arn] = None
            self._changed.notify()

    def _observe(self, arn: str, events: Sequence[Event]) -> None:
        is_over = arn in self._held and any(isinstance(event, _OVER) for event in events)
        is_at_rest = arn in self._in_flight and any(
            isinstance(event, InvocationCompleted) for event in events
        )
        if is_over or is_at_rest:
            self._in_flight.discard(arn)
            self._ask(arn)

    def _run(self) -> None:
        while True:
            if not self._has_work():
                self._rehearsals.rest()
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._is_closed:
                    return
                edited, self._edited = self._edited, set()
                functions, self._unsearched = self._unsearched, {}
                arns = [] if edited or functions else self._next()
            try:
                if functions:
                    self._search(functions)
                if edited:
                    self._load(edited)
                elif arns:
                    self._rehearse(arns)
            except ConfigError as error:
                self._listener.failed(str(error))

    def _has_work(self) -> bool:
        queues = (self._edited, self._unsearched, self._asked, self._waiting)
        return self._is_closed or any(queues)

    def _next(self) -> list[str]:
        """Take the next executions to rehearse."""
        arns = list(islice(self._asked or self._waiting, _AT_ONCE))
        for arn in arns:
            self._asked.pop(arn, None)
            self._waiting.pop(arn, None)
        return arns

    def _load(self, edited: set[str]) -> Found:
        found = self._find()
        load = self._code.load(found.declarations, broken=found.broken, edited=edited)
        self._results.loaded(
            [*load.added, *load.changed],
            self._code.functions_in(found.broken),
            self._emulator.clock.now(),
        )
        self._listener.loaded(load, found)
        with self._changed:
            # Those that are held may fit again, also if it is the code that they ran before.
            self._waiting |= dict.fromkeys(self._held)
            self._unsearched |= dict.fromkeys([*load.added, *load.changed])
            self._changed.notify()
        for function in load.unrehearsed:
            begun = [arn for arn in self._open(function) if self._has_begun(arn)]
            if begun:
                self._listener.unrehearsed(begun, _ONLY_PYTHON)
        return found

    def _search(self, functions: Iterable[str]) -> None:
        """Queue the open executions of functions that ran other code and are at rest."""
        arns = [arn for name in functions for arn in self._open(name) if self._is_due(arn)]
        with self._changed:
            self._waiting |= dict.fromkeys(arns)

    def _open(self, function: str) -> Iterator[str]:
        """Yield the open executions of the latest code of a function."""
        after = None
        while True:
            search = Search(
                function=function, version=LATEST, statuses=_OPEN, after=after, limit=_PAGE
            )
            records = self._emulator.store.search(search)
            yield from (record.arn for record in records)
            if len(records) < _PAGE:
                return
            after = (records[-1].started_at, records[-1].number)

    def _has_begun(self, arn: str) -> bool:
        with self._emulator.coordinator.holding():
            state = self._emulator.coordinator.find(arn)
            return state is not None and not state.is_closed and state.invocation_count > 0

    def _is_due(self, arn: str) -> bool:
        if changed_code(self._emulator, arn) is None:
            return False
        with self._emulator.coordinator.holding():
            state = self._emulator.coordinator.find(arn)
            if state is None or state.invocation is None:
                return True
            # It is rehearsed when its invocation has ended.
            self._in_flight.add(arn)
            return False

    def _rehearse(self, arns: Sequence[str]) -> None:
        rehearsed = {
            each.arn: each
            for each in rehearse_open(self._emulator, arns, self._code.target, self._rehearsals)
        }
        if self._is_closed:
            return  # The rehearsals were cut off.
        before = dict(self._held)
        for arn in arns:
            self._settle(arn, rehearsed.get(arn))
        for arn, each in rehearsed.items():
            if each.verdict.unknown is not None:
                self._listener.unrehearsed([arn], each.verdict.unknown)
        if before == self._held:
            return
        self._file.write(list(self._held.values()))
        released = [arn for arn in before if arn not in self._held]
        if released:
            self._listener.released(released)
        found = {
            arn: held.finding
            for arn, held in self._held.items()
            if arn not in before or before[arn].finding != held.finding
        }
        if found:
            self._listener.held(found)

    def _settle(self, arn: str, rehearsed: Rehearsed | None) -> None:
        """Hold an execution, or let it go on."""
        finding = None if rehearsed is None else rehearsed.verdict.obstacle
        if rehearsed is None:
            self._results.released(arn)
        else:
            self._results.settled(arn, finding, rehearsed.verdict.unknown)
        if rehearsed is None or finding is None:
            if rehearsed is not None:
                self._admission.take(rehearsed)
            self._held.pop(arn, None)
            self._emulator.holds.release(arn)
            return
        self._held[arn] = HeldExecution(arn=arn, code=rehearsed.code, finding=finding)
        self._emulator.holds.hold(arn, finding_document(finding))
        if self._emulator.is_closed(arn):
            # It was stopped in this moment.
            del self._held[arn]
