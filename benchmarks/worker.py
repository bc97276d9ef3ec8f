"""Runs one workload once, in an environment of its own, and prints what it took.

    PYTHON benchmarks/worker.py SDK CELL

``CELL`` is JSON: kind, workload, the event, what the answer must be. The SDK is imported and warmed up
before anything is measured; what is measured is one call of the handler, as Lambda's runtime makes it.
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
import time
import tracemalloc
from hashlib import blake2b
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.service import Service

WARM_INVOCATIONS = 300


class LambdaContext:
    """What Lambda's runtime passes."""

    aws_request_id = "00000000-0000-0000-0000-000000000000"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:bench:$LATEST"
    function_name = "bench"
    tenant_id = None

    def get_remaining_time_in_millis(self) -> int:
        return 900_000

    def log(self, _msg: object) -> None:
        """Nowhere."""


def measured(handler: Any, event: Any, service: Service) -> tuple[dict[str, Any], Any]:
    """CPU time of the process without the service's own, and elapsed time, of one invocation."""
    service.reset_counts()
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    outcome = handler(event, LambdaContext())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    cpu -= service.own_cpu()
    return {"cpu": cpu, "wall": wall, "calls": service.calls, "reads": service.reads}, outcome


def check(outcome: Any, cell: dict[str, Any]) -> None:
    found = outcome.get("Status"), outcome.get("Result")
    wanted = ("SUCCEEDED", json.dumps(cell["answer"]))
    if found != wanted:
        raise SystemExit(f"expected {wanted}, found {str(outcome)[:300]}")


def warmed_up(sdk: Any, workload: str, event: Any) -> None:
    """Run something small of the same kind, so that no import or first use is measured."""
    service = Service(timestamp=sdk.timestamp)
    handler = sdk.handler(workload, service)
    for _ in range(2):
        service.operations.clear()
        handler(service.event(json.dumps(event)), LambdaContext())


def recorded_steps(service: Service, count: int) -> None:
    """Write the log of so many steps, from that of the first; ids are those of every SDK here."""
    first = next(iter(service.operations.values()), _STEP)
    assert first["Id"] == _STEP["Id"], "ids are made in another way"
    service.operations = {
        _step_id(n): {
            **first,
            "Id": _step_id(n),
            "StepDetails": {"Attempt": 1, "Result": str(n)},
            "StartTimestamp": 1_700_000_000_000 + n,
            "EndTimestamp": 1_700_000_000_000 + n,
        }
        for n in range(1, count + 1)
    }


def _step_id(n: int) -> str:
    return blake2b(str(n).encode()).hexdigest()[:64]


_STEP = {
    "Id": _step_id(1),
    "Type": "STEP",
    "Status": "SUCCEEDED",
    "Name": "add_async",
    "SubType": "Step",
}


def live(sdk: Any, cell: dict[str, Any]) -> dict[str, Any]:
    service = Service(cell.get("seconds", 0.0), sdk.timestamp)
    handler = sdk.handler(cell["workload"], service)
    figures, outcome = measured(handler, service.event(json.dumps(cell["event"])), service)
    check(outcome, cell)
    return figures


def warm(sdk: Any, cell: dict[str, Any]) -> dict[str, Any]:
    """Medians of many invocations of a warm environment."""
    service = Service(timestamp=sdk.timestamp)
    handler = sdk.handler(cell["workload"], service)
    runs: list[dict[str, Any]] = []
    for _ in range(WARM_INVOCATIONS):
        service.operations.clear()
        figures, outcome = measured(handler, service.event(json.dumps(cell["event"])), service)
        check(outcome, cell)
        runs.append(figures)
    return {name: median(run[name] for run in runs) for name in runs[0]}


def replay(sdk: Any, cell: dict[str, Any]) -> dict[str, Any]:
    """An invocation that finds everything recorded but its own end."""
    service = Service(timestamp=sdk.timestamp)
    if cell["workload"] == "steps":
        sdk.handler("steps", service)(service.event("1"), LambdaContext())
        recorded_steps(service, cell["event"])
    else:
        handler = sdk.handler(cell["workload"], service)
        check(handler(service.event(json.dumps(cell["event"])), LambdaContext()), cell)
    if cell["workload"] == "map":
        reopen(service)
    handler = sdk.handler(cell["workload"], service)
    state = json.dumps(service.event(json.dumps(cell["event"]), paged=cell.get("paged", False)))
    service._seconds = cell.get("seconds", 0.0)
    if cell.get("memory"):
        return memory(handler, state, service, cell)
    figures, outcome = measured(handler, json.loads(state), service)
    check(outcome, cell)
    return {**figures, "state": len(state)}


def reopen(service: Service) -> None:
    """Take the end of the map out of the log, and what its ended items hold, as the service does."""
    top = next(op for op in service.operations.values() if op.get("SubType") == "Map")
    kept = {i: op for i, op in service.operations.items() if op.get("ParentId") == top["Id"]}
    opened = {name: value for name, value in top.items() if name != "EndTimestamp"}
    service.operations = {
        top["Id"]: {**opened, "Status": "STARTED", "ContextDetails": {}},
        **kept,
    }


def memory(handler: Any, state: str, service: Service, cell: dict[str, Any]) -> dict[str, Any]:
    """Peak memory of an invocation, its event included, in bytes."""
    payloads = sum(
        len((op.get("StepDetails") or {}).get("Result") or "") for op in service.operations.values()
    )
    size = len(state)
    gc.collect()
    tracemalloc.start()
    event = json.loads(state)
    del state
    before, _ = tracemalloc.get_traced_memory()
    check(handler(event, LambdaContext()), cell)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"peak": peak, "beyond": peak - before, "state": size, "payloads": payloads}


def runner(sdk: Any, cell: dict[str, Any]) -> dict[str, Any]:
    """Steps and long waits in the SDK's own test runner; it keeps the log itself."""
    steps, waits = cell["event"]
    run = sdk.in_test_runner(steps, waits)
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    found = run()
    figures = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    if found != cell["answer"]:
        raise SystemExit(f"expected {cell['answer']}, found {found}")
    return figures


def floor(sdk: Any, cell: dict[str, Any]) -> dict[str, Any]:
    return sdk.floor(cell, recorded_steps)


KINDS = {"live": live, "warm": warm, "replay": replay, "runner": runner, "floor": floor}


def main() -> None:
    sdk = importlib.import_module(f"benchmarks.adapters.{sys.argv[1]}")
    cell = json.loads(sys.argv[2])
    if "warm_up" in cell:
        warmed_up(sdk, cell["workload"], cell["warm_up"])
    print(json.dumps(KINDS[cell["kind"]](sdk, cell)))


if __name__ == "__main__":
    main()
