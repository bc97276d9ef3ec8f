"""The number of modules that a cold start loads. Each costs about 0.2 ms on a whole core."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, sys
from durable_execution_sdk import durable_execution
imported = sorted(name for name in sys.modules if name.startswith("durable_execution_sdk"))
from tests.memory_service import MemoryService

async def double(n: int) -> int:
    return n * 2

@durable_execution
async def workflow(event: int, ctx) -> int:
    return await ctx.step(double, event)

service = MemoryService()
handler, event = workflow.bind(service), service.event("21")
before = set(sys.modules)
outcome = handler(event, None)
assert outcome["Status"] == "SUCCEEDED", outcome
# On a slow machine: the thread of the warning loads it when an invocation takes longer than a quarter of a second.
before.add("durable_execution_sdk.runtime.event_loop.blocking")
print(json.dumps([imported, sorted(set(sys.modules) - before)]))
"""


def test_a_cold_start_loads_so_many_modules_and_the_first_invocation_none() -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    imported, later = json.loads(run.stdout)
    assert len(imported) <= MODULES, imported
    assert later == []


# A new module on this path has to be worth its cost in every cold start. A package whose every use needs one of its
# modules is that module: an empty ``__init__`` costs as much as a module does.
MODULES = 69
