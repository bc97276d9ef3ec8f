"""What an import costs a process that has asyncio and msgspec loaded already.

Modules of the SDK are measured without its public face, which would load the rest of the SDK first.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import NamedTuple

_CODE = """
import asyncio, importlib.util, json, msgspec, sys, time, types
face = types.ModuleType("durable_execution_sdk")
face.__path__ = importlib.util.find_spec("durable_execution_sdk").submodule_search_locations
sys.modules["durable_execution_sdk"] = face
modules, began = len(sys.modules), time.process_time()
try:
    {statement}
except ImportError as missing:
    sys.exit(f"missing: {{missing}}")
took = time.process_time() - began
print(json.dumps([took, len(sys.modules) - modules]))
"""


class Cost(NamedTuple):
    """CPU time in milliseconds, the best of several runs, and how many modules came."""

    milliseconds: float
    modules: int


def import_cost(statement: str, *, runs: int = 9) -> Cost | None:
    """Measure an import statement; ``None`` when something that it imports is not installed."""
    best: Cost | None = None
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-c", _CODE.format(statement=statement)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.stderr.startswith("missing:"):
            return None
        if done.returncode:
            raise RuntimeError(done.stderr)
        seconds, modules = json.loads(done.stdout)
        if best is None or seconds * 1000 < best.milliseconds:
            best = Cost(seconds * 1000, modules)
    return best
