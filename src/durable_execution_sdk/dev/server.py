"""The development server: a store, the emulator over it, Lambda's API, and the feed of changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from durable_execution_sdk.dev.discovery_file import DiscoveryFile, ServerAddress
from durable_execution_sdk.dev.feed.about import About, Origin
from durable_execution_sdk.dev.feed.api import FeedRoutes
from durable_execution_sdk.dev.feed.changes import Changes
from durable_execution_sdk.dev.feed.process_view import ProcessView
from durable_execution_sdk.dev.page.routes import PageRoute
from durable_execution_sdk.dev.planned_faults import keep_faults
from durable_execution_sdk.dev.processes import processes_of
from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.runs import Runs
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.server.http_server import serve

__all__ = ["DEFAULT_PORT", "DevServer", "ServerOptions"]

DEFAULT_PORT = 9014


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Options of a development server.

    Port 0 takes a free port. A host that other computers can reach needs a ``token``. ``is_functions``
    tells by the header ``X-Amzn-Trace-Id`` that a function of the server makes a request. ``time_mode`` is
    that of executions which are started.
    """

    store: Path
    port: int = DEFAULT_PORT
    host: str = "127.0.0.1"
    allow_hosts: Sequence[str] = ()
    token: str | None = None
    workers: int = 8
    time_mode: TimeMode = TimeMode.REAL
    is_functions: Callable[[str | None], bool] = lambda _: False


class DevServer:
    """A running server; it goes on with the open executions of its store once their functions are added.

    Raises ``ConfigError`` if another server runs the store or listens on the port, and ``StoreError`` if
    the store cannot be used.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self.functions = Functions()
        with ExitStack() as started:
            self._discovery = DiscoveryFile(options.store)
            started.callback(self._discovery.close)
            self.emulator = Emulator(
                SqliteStore(options.store),
                RealClock(),
                self.functions,
                time_mode=options.time_mode,
            )
            started.callback(self.emulator.close)
            keep_faults(self.emulator, options.store)
            self.changes = Changes(self.emulator)
            started.callback(self.changes.close)
            self._store = str(options.store.resolve())
            self._runs = Runs(options.store)
            self.processes = ProcessView(
                running=self._running, held=lambda: self.emulator.holds.reasons
            )
            routes = FeedRoutes(
                self.emulator, self.changes, self.processes, self._about, options.store
            )
            server = serve(
                Driver(self.emulator),
                host=options.host,
                port=options.port,
                workers=options.workers,
                allow_hosts=options.allow_hosts,
                token=options.token,
                is_functions=options.is_functions,
                routes=lambda backend: [*routes.bound_to(backend), PageRoute()],
            )
            started.callback(server.close)
            started.callback(self.changes.close)
            self.url = server.url
            self.wait = server.wait
            self.announce()
            self._started = started.pop_all()

    def announce(self) -> None:
        """Write the discovery file; to be called again when functions were added or removed."""
        self._discovery.write(self._address(self.url))
        self.emulator.coordinator.wake()

    def _address(self, url: str) -> ServerAddress:
        return ServerAddress(
            url=url,
            pid=os.getpid(),
            store=self._store,
            functions=self.functions.names,
            token=self._options.token,
        )

    def _running(self, arn: str) -> list[int]:
        return processes_of(self.emulator, arn, self._runs, self._address(""))

    def _about(self) -> About:
        has_logs = self.processes.logs is not None
        return About(
            read_only=False,
            origin=Origin.STORE,
            name=str(self._options.store),
            has_logs=has_logs,
            has_code=has_logs,
        )

    def close(self) -> None:
        """Wait until running functions have ended and open calls are answered; release store and port."""
        self._started.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
