"""The processes that run an execution: a server that has its function, or runs of the command."""

from __future__ import annotations

from collections.abc import Iterator

from durable_execution_sdk.dev.discovery_file import ServerAddress
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.stores.runs import Runs
from durable_execution_sdk.protocol.ids import ExecutionArn

__all__ = ["lineage", "processes_of"]


def processes_of(
    emulator: Emulator, arn: str, runs: Runs, server: ServerAddress | None
) -> list[int]:
    """Return the ids of the processes that run an execution, or the one that invoked it."""
    processes = {process for each in lineage(emulator, arn) for process in runs.processes(each)}
    if server is not None and ExecutionArn.parse(arn).function_name in server.functions:
        processes.add(server.pid)
    return sorted(processes)


def lineage(emulator: Emulator, arn: str) -> Iterator[str]:
    """Yield an execution, the one that invoked it, and so on, up to one that a caller started."""
    while True:
        yield arn
        with emulator.coordinator.holding():
            parent = emulator.coordinator.recorded(arn).parent
            if parent is None or emulator.store.find(parent.arn) is None:
                return
        arn = parent.arn
