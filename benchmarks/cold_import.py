"""CPU time of an import in a process that has loaded asyncio and msgspec already.

Modules of the SDK are imported without its ``__init__``, which would load the rest of the SDK first.
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
    """CPU time in milliseconds, the best of several runs, and the number of modules loaded."""

    milliseconds: float
    modules: int


def import_cost(statement: str, *, runs: int = 9) -> Cost | None:
    """Measure an import statement; return ``None`` when a module is not installed."""
    best: Cost | None = None
    for _ in range(runs):
        process = subprocess.run(
            [sys.executable, "-c", _CODE.format(statement=statement)],
            capture_output=True,
            text=True,
            check=False,
        )
        if process.stderr.startswith("missing:"):
            return None
        if process.returncode:
            raise RuntimeError(process.stderr)
        seconds, modules = json.loads(process.stdout)
        if best is None or seconds * 1000 < best.milliseconds:
            best = Cost(seconds * 1000, modules)
    return best
