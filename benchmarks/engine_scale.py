"""Scaling of the embedded engine: open executions in both stores, a restart, and a map with retries.

Run it by hand: ``.venv/bin/python benchmarks/engine_scale.py``. Figures are CPU time of this process.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from durable_execution_sdk import DurableContext, Duration, durable_execution
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.emulator.stores.store import Store
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest
from durable_execution_sdk.testing import Limits, LocalDurableTestRunner


async def echo(value: int) -> int:
    return value


@durable_execution
async def waits(event: None, ctx: DurableContext) -> int:
    await ctx.step(echo, 1)
    await ctx.wait(Duration.from_hours(1))
    return await ctx.step(echo, 2)


def open_executions(kind: str, count: int) -> None:
    """Start executions, suspend all, read them as a new process does, and finish all."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "executions.db"
        store: Store = MemoryStore() if kind == "memory" else SqliteStore(path)
        functions = Functions()
        functions.add_durable("waits", waits.bind)
        clock = VirtualClock()
        emulator = Emulator(store, clock, functions)
        request = InvokeRequest(
            function_name="waits:$LATEST",
            payload=b"null",
            invocation_type=InvocationType.EVENT,
        )
        began = time.process_time()
        arns = [emulator.start(request) for _ in range(count)]
        Driver(emulator).run_until(lambda: False, wait=False)
        suspended = time.process_time()
        if kind == "sqlite":
            emulator.close()
            store = SqliteStore(path)
        emulator = Emulator(store, clock, functions)
        emulator.coordinator.refresh()
        restarted = time.process_time()
        Driver(emulator).run_until(lambda: False)
        finished = time.process_time()
        assert all(emulator.is_closed(arn) for arn in arns[-10:])
        emulator.close()
    milliseconds = (suspended - began + finished - restarted) / count * 1000
    print(
        f"{kind:<7} {count:>6} open  {milliseconds:.2f} ms each  restart {restarted - suspended:.2f} s"
    )


@durable_execution
async def unsteady_map(event: int, ctx: DurableContext) -> int:
    async def unsteady(item: int) -> int:
        attempts[item] = attempts.get(item, 0) + 1
        if attempts[item] <= 1 + (item % 3 == 0):
            raise ConnectionError("again")
        return item

    async def each(child: DurableContext, item: int, index: int) -> int:
        return await child.step(unsteady, item)

    attempts: dict[int, int] = seen
    return len((await ctx.map(range(event), each)).succeeded())


seen: dict[int, int] = {}


def map_with_retries(count: int) -> None:
    """Run a map whose items fail once or twice, on the virtual clock."""
    seen.clear()
    runner: LocalDurableTestRunner[Any] = LocalDurableTestRunner(
        unsteady_map, limits=Limits(operations=1_000_000), timeout=600
    )
    began = time.process_time()
    result = runner.run_sync(count)
    took = time.process_time() - began
    assert result.result == count
    print(f"map     {count:>6} items {took:.2f} s in {len(result.invocations)} invocations")


if __name__ == "__main__":
    for kind in ("memory", "sqlite"):
        for count in (250, 1_000, 5_000, 10_000):
            open_executions(kind, count)
    for count in (250, 500, 1_000, 2_000):
        map_with_retries(count)
