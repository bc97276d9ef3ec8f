"""Measure whole invocations over HTTP, against this project's server, which runs in this process, or AWS's emulator.

    PYTHON benchmarks/wire.py SDK PYTHON_OF_SDK CELL

The function runs ``wire_worker.py`` in a new process for each invocation, as Lambda does.
Printed are the CPU time, the wall time and, where they can be counted, the instructions of the last invocation,
those of a small workload taken off: so neither imports nor the first call count. Instructions are counted in an
execution of their own, which is smaller because counting is slow, and scaled.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import aws_emulator, instructions

from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.invokers import Answer, Call
from durable_execution_sdk.emulator.functions.registry import Function, Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.server.http_server import serve

# A replay has more operations than the service allows by default; its quota can be raised.
LIMITS = Limits(operations=100_000)
WORKER = str(Path(__file__).with_name("wire_worker.py"))
Figures = dict[str, float]


def measured(
    command: list[str], payload: bytes, environment: dict[str, str]
) -> tuple[bytes, Figures]:
    """Run a process to its end; return its output, its CPU time and its wall time."""
    before, began = _cpu_of_children(), time.perf_counter()
    run = subprocess.run(command, input=payload, capture_output=True, env=environment, check=False)
    wall = time.perf_counter() - began
    if run.returncode:
        raise RuntimeError(run.stderr.decode()[-300:])
    return run.stdout, {"cpu": _cpu_of_children() - before, "wall": wall}


def counted(
    command: list[str], payload: bytes, environment: dict[str, str]
) -> tuple[bytes, Figures]:
    """Run a process to its end; return its output and the number of its instructions."""
    out, count = instructions.run(command, payload, environment)
    assert count is not None, "the instructions were not counted"
    return out, {"instructions": count}


class Invocations:
    """Runs each invocation of the function in a process, and keeps the figures of the last one.

    ``run`` measures the first invocation, and ``replay`` the others.
    """

    def __init__(self, command: list[str], run: Any, replay: Any) -> None:
        self.command = command
        self.environment: dict[str, str] = {}
        self.figures: Figures = {}
        self.failure: str | None = None
        self._run = run
        self._replay = replay

    def __call__(self, call: Call) -> Answer:
        run = self._replay if self.figures else self._run
        try:
            out, self.figures = run(self.command, call.payload, self.environment)
        except RuntimeError as error:
            self.failure = str(error)
            return Answer(error=ErrorObject(error_type="Failed", error_message=str(error)))
        return Answer(payload=out)


def on_our_server(invocations: Invocations, event: Any) -> None:
    """Run one execution to its end."""
    functions = Functions()
    functions.add_function(
        Function(name="bench", durable=True, connect=lambda _: invocations, execution_timeout=3600)
    )
    emulator = Emulator(
        MemoryStore(), RealClock(), functions, limits=LIMITS, time_mode=TimeMode.SKIP
    )
    driver = Driver(emulator)
    with serve(driver, workers=0) as server:
        invocations.environment = dict(os.environ) | {"AWS_ENDPOINT_URL_LAMBDA": server.url}
        request = InvokeRequest(
            function_name="bench:$LATEST",
            payload=json.dumps(event).encode(),
            invocation_type=InvocationType.EVENT,
        )
        arn = emulator.start(request)
        driver.run_until_closed(arn)
        status = emulator.describe(arn).status
        if status != "SUCCEEDED":
            raise SystemExit(f"the execution is {status}: {emulator.describe(arn).error}")


EXECUTED = {"ours": on_our_server, "aws": aws_emulator.executed}


def executed(service: str, command: list[str], event: Any, run: Any, replay: Any) -> Figures:
    """Run one execution to its end, and return the figures of its last invocation."""
    invocations = Invocations(command, run, replay)
    try:
        EXECUTED[service](invocations, event)
    except SystemExit:
        if invocations.failure is not None:
            raise SystemExit(invocations.failure) from None
        raise
    return invocations.figures


def figures_of(sdk: str, command: list[str], cell: dict[str, Any], event: Any, run: Any) -> Figures:
    """Return the figures of the last invocation of an execution, or of a floor."""
    if sdk in ("blocking", "asyncio"):
        return run(command, json.dumps(event).encode(), dict(os.environ))[1]
    first = measured if cell["replayed"] else run
    return executed(cell["service"], command, event, first, run)


def main() -> None:
    sdk, python, cell = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    command = [python, WORKER, sdk, cell["workload"]]
    runs: list[tuple[Any, Any, float]] = [(measured, cell["event"], 1.0)]
    if instructions.can_count():
        runs.append((counted, cell["counted_event"], cell["scale"]))
    figures: Figures = {}
    for run, event, scale in runs:
        small, large = (
            figures_of(sdk, command, cell, each, run) for each in (cell["small"], event)
        )
        figures |= {name: (large[name] - small[name]) * scale for name in large}
    print(json.dumps(figures))


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
