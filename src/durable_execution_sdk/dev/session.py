"""One run of the development server: its functions in processes, their logs, and what it deletes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from durable_execution_sdk.dev.discovery.found import Found
from durable_execution_sdk.dev.feed.changes import FUNCTIONS
from durable_execution_sdk.dev.functions.declaration import Declaration
from durable_execution_sdk.dev.functions.environment import Place
from durable_execution_sdk.dev.functions.host import ProcessFunctions
from durable_execution_sdk.dev.functions.records import (
    CodeNote,
    InvocationRecord,
    LogLine,
    RunNote,
)
from durable_execution_sdk.dev.functions.versions import Versions, versions_path
from durable_execution_sdk.dev.logs.log_store import LogStore, logs_path
from durable_execution_sdk.dev.reload.findings import Finding
from durable_execution_sdk.dev.reload.kept_code import KeptCode
from durable_execution_sdk.dev.reload.loaded_code import Load
from durable_execution_sdk.dev.reload.rehearsal_results import RehearsalResults
from durable_execution_sdk.dev.reload.reloader import Listener, Reloader
from durable_execution_sdk.dev.server import DEFAULT_PORT, DevServer, ServerOptions
from durable_execution_sdk.engine.events import Event, ExecutionDeleted
from durable_execution_sdk.engine.execution_time import TimeMode

if TYPE_CHECKING:
    from durable_execution_sdk.dev.reload.watcher import Watcher

__all__ = ["DevSession", "SessionOptions"]

_SECONDS_BETWEEN_DELETIONS = 3_600
_SLICE_SECONDS = 0.5


class SessionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a session.

    Attributes:
        allow_hosts: other names by which clients on this computer call the server.
        time_mode: the way in which time passes for executions that are started.
        keep: milliseconds for which executions that have ended are kept; ``None`` keeps them for good.
        has_deadlines: ``False`` suspends the timeouts of functions, for a debugger.
        environment: variables that all functions get, beside those of the server.
    """

    store: Path
    port: int = DEFAULT_PORT
    allow_hosts: Sequence[str] = ()
    time_mode: TimeMode = TimeMode.REAL
    keep: int | None = None
    has_deadlines: bool = True
    environment: Mapping[str, str] = {}


class DevSession:
    """A server whose functions run in processes. ``close`` waits for the invocations in flight."""

    def __init__(
        self, options: SessionOptions, on_line: Callable[[LogLine], None] = lambda _: None
    ) -> None:
        self._options = options
        # The server listens before the functions are there.
        self._is_running: Callable[[str | None], bool] = lambda _: False
        self._reloading = ExitStack()
        self._watcher: Watcher | None = None
        self._results = RehearsalResults(lambda: self.server.changes.note(FUNCTIONS))
        with ExitStack() as started:
            self.server = DevServer(
                ServerOptions(
                    store=options.store,
                    port=options.port,
                    allow_hosts=options.allow_hosts,
                    time_mode=options.time_mode,
                    is_functions=self._is_functions,
                )
            )
            started.callback(self.server.close)
            self.logs = LogStore(logs_path(options.store))
            started.callback(self.logs.close)
            self.host = ProcessFunctions(
                self.server.functions,
                Place(
                    endpoint_url=self.server.url,
                    environment={**os.environ, **options.environment},
                ),
                _Recorder(self.logs, on_line, self.server.changes.wake),
                has_deadlines=options.has_deadlines,
                on_workers=lambda: self.server.changes.note(FUNCTIONS),
            )
            started.callback(self.host.close)
            self._is_running = self.host.is_running
            self.server.emulator.subscribe(self._forget_deleted)
            self.server.emulator.faults.on_crash(self.host.kill)
            self.versions = Versions(versions_path(options.store), self.host, self.server.functions)
            self._show_processes()
            # Before the functions are added: executions of a version must not meet the latest code.
            self.versions.restore()
            started.pop_all()

    def _show_processes(self) -> None:
        """Let the routes of the server see the processes."""
        view = self.server.processes
        view.workers, view.logs = self.host.workers, self.logs
        view.code = KeptCode(self._options.store)
        view.reload_of = self._results.of
        view.publish, view.set_alias = self.versions.publish, self.versions.set_alias

    def add(self, declarations: Sequence[Declaration]) -> None:
        """Add functions, and go on with their executions."""
        for declaration in declarations:
            self.host.add(declaration)
        self.host.warm()
        self.server.announce()
        self.server.changes.note(FUNCTIONS)

    def load(
        self,
        find: Callable[[], Found],
        listener: Listener,
        folders: Callable[[], set[Path]] | None = None,
    ) -> Found:
        """Add the functions that are found, hold executions that they do not fit, and return them.

        With ``folders``, these directories and those of the files that the functions import are watched, and an
        edit loads the functions again.
        """
        began = time.time_ns()
        reloader = Reloader(
            self.server.emulator,
            self.host,
            self._options.store,
            _Announcing(listener, self._announce, self.server.changes.note_execution),
            find,
            self._results,
        )
        self._reloading.callback(reloader.close)
        found = reloader.start()
        if folders is not None:
            # Loaded here: a server that does not reload needs no watcher.
            from durable_execution_sdk.dev.reload.watcher import Watcher  # noqa: PLC0415

            def watched() -> set[Path]:
                directories = {*folders(), *reloader.directories}
                return {each for each in directories if each.is_dir()}

            self._watcher = Watcher(watched, reloader.edited, began)
            self._reloading.callback(self._watcher.close)
        return found

    def _announce(self) -> None:
        self.host.warm()
        self.server.announce()
        self.server.changes.note(FUNCTIONS)
        if self._watcher is not None:
            self._watcher.refresh()

    def wait(self, on_deleted: Callable[[int], object] = lambda _: None) -> None:
        """Block until the server has failed; delete executions that are older than is asked for, and tell how many.

        In slices, because a signal that comes just before an endless wait does not end it.
        """
        deletes_at = time.monotonic()
        while True:
            if self._options.keep is not None and time.monotonic() >= deletes_at:
                number = self.server.emulator.delete_older(self._options.keep)
                if number:
                    on_deleted(number)
                deletes_at = time.monotonic() + _SECONDS_BETWEEN_DELETIONS
            if self.server.wait(_SLICE_SECONDS):
                return

    def hurry(self) -> None:
        """End the processes of the functions, so that ``close`` in another thread need not wait for them."""
        threading.Thread(target=self.host.close, name="durable-hurry", daemon=True).start()

    def close(self) -> None:
        """Wait until invocations in flight have ended and open calls are answered, and end all processes."""
        try:
            self._reloading.close()
            self.server.close()
        finally:
            self.host.close()
            self.logs.close()

    def _is_functions(self, header: str | None) -> bool:
        return self._is_running(header)

    def _forget_deleted(self, arn: str, events: Sequence[Event]) -> None:
        if any(isinstance(event, ExecutionDeleted) for event in events):
            self.logs.forget(arn)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Announcing:
    """Passes on the news of a reloader, after the server has told its own readers."""

    def __init__(
        self, listener: Listener, announce: Callable[[], None], note: Callable[[str], None]
    ) -> None:
        self._listener = listener
        self._announce = announce
        self._note = note
        self.failed = listener.failed
        self.unrehearsed = listener.unrehearsed

    def loaded(self, load: Load, found: Found) -> None:
        """Tell of the functions."""
        if load:
            self._announce()
        self._listener.loaded(load, found)

    def held(self, findings: Mapping[str, Finding]) -> None:
        """Tell of held executions."""
        for arn in findings:
            self._note(arn)
        self._listener.held(findings)

    def released(self, arns: Sequence[str]) -> None:
        """Tell of executions that are not held any more."""
        for arn in arns:
            self._note(arn)
        self._listener.released(arns)


class _Recorder:
    """Keeps records, passes lines on as they come, and wakes the streams of changes."""

    def __init__(
        self, logs: LogStore, on_line: Callable[[LogLine], None], wake: Callable[[], None]
    ) -> None:
        self._on_line = on_line
        self._logs = logs
        self._wake = wake

    def add_lines(self, lines: list[LogLine]) -> None:
        """Keep and pass on the lines of a worker."""
        self._logs.add_lines(lines)
        self._wake()
        for line in lines:
            self._on_line(line)

    def add_invocation(self, record: InvocationRecord) -> None:
        """Keep an invocation."""
        self._logs.add_invocation(record)

    def add_notes(self, notes: list[CodeNote]) -> None:
        """Keep positions."""
        self._logs.add_notes(notes)
        self._wake()

    def add_run_notes(self, notes: list[RunNote]) -> None:
        """Keep starts of attempts, and lines at which code waits."""
        self._logs.add_run_notes(notes)
        self._wake()
