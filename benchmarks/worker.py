"""Run one workload once with one SDK, and print its figures as JSON.

    PYTHON benchmarks/worker.py SDK CELL

``CELL`` is JSON: kind, workload, event, and the expected result. The SDK is imported and warmed up first;
then one call of the handler is measured, made as Lambda's runtime makes it.
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
    """The context object that Lambda's runtime passes to a handler."""

    aws_request_id = "00000000-0000-0000-0000-000000000000"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:bench:$LATEST"
    function_name = "bench"
    tenant_id = None

    def get_remaining_time_in_millis(self) -> int:
        return 900_000

    def log(self, _msg: object) -> None:
        """Discard the message."""


def measured(handler: Any, event: Any, service: Service) -> tuple[dict[str, Any], Any]:
    """Return the figures and the outcome of one invocation; CPU time without the service's own."""
    service.reset_counts()
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    outcome = handler(event, LambdaContext())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    cpu -= service.own_cpu()
    return {"cpu": cpu, "wall": wall, "calls": service.calls, "reads": service.reads}, outcome


def check(outcome: Any, cell: dict[str, Any]) -> None:
    actual = outcome.get("Status"), outcome.get("Result")
    expected = ("SUCCEEDED", json.dumps(cell["answer"]))
    if actual != expected:
        raise SystemExit(f"expected {expected}, found {str(outcome)[:300]}")


def warmed_up(sdk: Any, workload: str, event: Any) -> None:
    """Run a small workload of the same kind, so that imports and first uses are not measured."""
    service = Service(timestamp=sdk.timestamp)
    handler = sdk.handler(workload, service)
    for _ in range(2):
        service.operations.clear()
        handler(service.event(json.dumps(event)), LambdaContext())


def recorded_steps(service: Service, count: int) -> None:
    """Write the log of ``count`` steps, copied from the first; all measured SDKs have the same ids."""
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
    """Measure many invocations in a warm process; return the medians."""
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
    """Measure an invocation in which all operations are recorded already."""
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
    """Remove the map's end and the children of its ended items from the log, as the service does."""
    top = next(op for op in service.operations.values() if op.get("SubType") == "Map")
    items = {i: op for i, op in service.operations.items() if op.get("ParentId") == top["Id"]}
    opened = {name: value for name, value in top.items() if name != "EndTimestamp"}
    service.operations = {
        top["Id"]: {**opened, "Status": "STARTED", "ContextDetails": {}},
        **items,
    }


def memory(handler: Any, state: str, service: Service, cell: dict[str, Any]) -> dict[str, Any]:
    """Measure the peak memory of an invocation in bytes, its event included."""
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
    """Measure steps and long waits in the SDK's own test runner, which keeps the log itself."""
    steps, waits = cell["event"]
    run = sdk.in_test_runner(steps, waits)
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    result = run()
    figures = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    if result != cell["answer"]:
        raise SystemExit(f"expected {cell['answer']}, found {result}")
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
