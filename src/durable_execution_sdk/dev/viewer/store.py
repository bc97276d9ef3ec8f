"""The executions of a store, which other processes may be running."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from durable_execution_sdk.dev.discovery_file import ServerAddress, find_server
from durable_execution_sdk.dev.feed.about import About, Origin
from durable_execution_sdk.dev.feed.changes import SERVER, Changes
from durable_execution_sdk.dev.feed.process_view import ProcessView
from durable_execution_sdk.dev.logs.log_store import LogStore, logs_path
from durable_execution_sdk.dev.processes import processes_of
from durable_execution_sdk.dev.reload.findings import finding_document
from durable_execution_sdk.dev.reload.held_file import read_held
from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.runs import Runs
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.errors import StoreError

__all__ = ["StoreFile"]

_SECONDS_BETWEEN_LOOKS = 0.2
_LOOKS_BETWEEN_PROCESSES = 5


class StoreFile:
    """The executions of a SQLite file, with the logs beside it. Raises ``StoreError`` if it cannot be read."""

    arn = None

    def __init__(self, path: Path, pause: float = _SECONDS_BETWEEN_LOOKS) -> None:
        self._path = path
        self._pause = pause
        self._trouble: str | None = None
        self._runs = Runs(path)
        self._server: ServerAddress | None = None
        self._held: Mapping[str, Mapping[str, object]] = {}
        self._working: frozenset[str] = frozenset()
        self._pulse: int | None = None
        store = SqliteStore(path, reads_only=True)
        self.emulator = Emulator(store, RealClock(), Functions(), reads_only=True)
        self.local = ProcessView(running=self._running, held=lambda: self._held)
        try:
            self._open_logs()
            self._look_for_processes()
            self.emulator.coordinator.refresh()
        except BaseException:
            self.close()
            raise

    def about(self) -> About:
        """Describe the store."""
        has_logs = self.local.logs is not None
        return About(
            read_only=True,
            origin=Origin.STORE,
            name=str(self._path),
            place=None if self._server is None else self._server.url,
            has_logs=has_logs,
            has_code=has_logs,
            trouble=self._trouble,
        )

    def follow(self, changes: Changes, stop: threading.Event) -> None:
        """Look at the files again and again. A file that cannot be read for a while is told, and read later."""
        looks = 0
        while not stop.wait(self._pause):
            looks += 1
            try:
                self._look(changes, with_processes=looks % _LOOKS_BETWEEN_PROCESSES == 0)
                trouble = None
            except StoreError as error:
                trouble = str(error)
            if trouble != self._trouble:
                self._trouble = trouble
                changes.note(SERVER)

    def close(self) -> None:
        """Close the files."""
        self.emulator.close()
        if self.local.logs is not None:
            self.local.logs.close()

    def _look(self, changes: Changes, *, with_processes: bool) -> None:
        self.emulator.coordinator.refresh()
        logs = self.local.logs
        if logs is None:
            if self._open_logs():
                changes.note(SERVER)
        elif (pulse := logs.pulse()) != self._pulse:
            self._pulse = pulse
            changes.wake()
        if with_processes:
            for arn in self._look_for_processes():
                changes.note(arn)

    def _open_logs(self) -> bool:
        """Open the logs if they are there; a server makes them when it begins."""
        path = logs_path(self._path)
        if not path.exists():
            return False
        self.local.logs = LogStore(path, reads_only=True)
        self._pulse = self.local.logs.pulse()
        return True

    def _look_for_processes(self) -> Iterable[str]:
        """Look for processes that have begun or ended; return the open executions whose rows that changes."""
        server = find_server(self._path)
        held = {} if server is None else read_held(self._path)
        reasons = {arn: finding_document(each.finding) for arn, each in held.items()}
        working = self._runs.working()
        before = self._server, self._held, self._working
        self._server, self._held, self._working = server, reasons, working
        if before == (server, reasons, working):
            return ()
        return self.emulator.store.open_heads()

    def _running(self, arn: str) -> list[int]:
        return processes_of(self.emulator, arn, self._runs, self._server)
