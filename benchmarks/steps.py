"""What a sequential step costs, live and replayed, beside its floors.

Prints CPU microseconds per step, the best of several runs in one process each. The floors are a bare
asyncio task for a live step, and JSON decoding of the same state for a replayed one.

    python benchmarks/steps.py [STEPS] [RUNS]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.memory_service import MemoryService

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.model.invocation import Invocation


async def add(a: int, b: int) -> int:
    return a + b


@durable_execution
async def workflow(event: int, ctx: DurableContext) -> int:
    total = 0
    for i in range(event):
        total += await ctx.step(add, i, 1)
    return total


async def bare_tasks(count: int) -> None:
    for i in range(count):
        await asyncio.create_task(add(i, 1))


def cpu(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def once(steps: int) -> dict[str, float]:
    service = MemoryService()
    handler = workflow.bind(service)
    live = cpu(lambda: handler(service.event(str(steps)), None))
    assert service.calls == steps, f"{service.calls} calls for {steps} steps"
    event = service.event(str(steps))
    replayed = cpu(lambda: handler(event, None))
    assert service.calls == steps, "replay wrote something"
    encoded = msgspec.json.encode(event)
    return {
        "live step": live,
        "floor: bare asyncio task": cpu(lambda: asyncio.run(bare_tasks(steps))),
        "replayed step": replayed,
        "floor: JSON decoding": cpu(lambda: msgspec.json.decode(encoded, type=Invocation)),
    }


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    best: dict[str, float] = {}
    for _ in range(runs):
        for name, seconds in once(steps).items():
            best[name] = min(best.get(name, seconds), seconds)
    print(f"{steps} steps, best of {runs}, one checkpoint call a step")
    for name, seconds in best.items():
        print(f"  {name:28s} {seconds / steps * 1e6:8.1f} us")


if __name__ == "__main__":
    main()
