"""What a map costs: checkpoint calls, time for each item as there are more, replay, memory.

Each item runs one step. Prints, for a number of items and a concurrency, CPU microseconds per item of
the first run and of a replay over all items with the map itself still open, kilobytes per item at the
peak, and how many calls were made; then the wall time of 1,000 items when a call takes 5 ms.

    python benchmarks/map.py [ITEMS ...]
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.memory_service import MemoryService

from durable_execution_sdk import DurableContext, MapConfig, durable_execution


async def double(n: int) -> int:
    return n * 2


async def item(ctx: DurableContext, n: int, index: int) -> int:
    return await ctx.step(double, n)


@durable_execution
async def workflow(event: list[int], ctx: DurableContext) -> int:
    items, most = event
    batch = await ctx.map(range(items), item, config=MapConfig(max_concurrency=most or None))
    return sum(batch.results())


def cpu(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def first_run(items: int, most: int, seconds_per_call: float = 0.0) -> tuple[MemoryService, float]:
    service = MemoryService(seconds_per_call)
    handler = workflow.bind(service)
    event = service.event(f"[{items},{most}]")
    outcome: dict[str, object] = {}
    spent = cpu(lambda: outcome.update(handler(event, None)))
    assert outcome["Result"] == str(items * (items - 1)), outcome
    return service, spent


def replay(service: MemoryService, items: int, most: int) -> float:
    """Replay every item, as an invocation does that finds the map itself still open."""
    top = next(op for op in service.operations.values() if op.sub_type == "Map")
    kept = {op.id: op for op in service.operations.values() if op is top or op.parent_id == top.id}
    from msgspec.structs import replace

    kept[top.id] = replace(top, status="STARTED", end_timestamp=None, context_details=None)
    service.operations = kept
    calls = service.calls
    handler = workflow.bind(service)
    event = service.event(f"[{items},{most}]")
    outcome: dict[str, object] = {}
    spent = cpu(lambda: outcome.update(handler(event, None)))
    assert outcome["Status"] == "SUCCEEDED", outcome
    assert service.calls == calls + 1, "more than the end of the map was written"
    return spent


def main() -> None:
    counts = [int(each) for each in sys.argv[1:]] or [1_000, 2_000, 4_000, 8_000, 16_000]
    print("  items  at a time   first run      replay      memory   calls")
    for most in (10, 0):
        for items in counts:
            service, spent = first_run(items, most)
            calls = service.calls
            replayed = replay(service, items, most)
            tracemalloc.start()
            first_run(items, most)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            print(
                f"{items:7,d} {most or 'all':>10}"
                f" {spent / items * 1e6:8.0f} us {replayed / items * 1e6:8.0f} us"
                f" {peak / items / 1024:8.1f} KiB {calls:7,d}"
            )
    before = time.perf_counter()
    service, _ = first_run(1_000, 0, 0.005)
    print(f"1,000 items, 5 ms a call: {time.perf_counter() - before:.2f} s, {service.calls} calls")


if __name__ == "__main__":
    main()
