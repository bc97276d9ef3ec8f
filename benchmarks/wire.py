"""Measure whole invocations over HTTP against this project's own server, which runs in this process.

    PYTHON benchmarks/wire.py SDK PYTHON_OF_SDK CELL

The function of the server runs ``wire_worker.py`` in a new process for each invocation, as Lambda does.
Printed are the CPU time, the wall time and, where ``valgrind`` is installed, the instructions of the last
invocation, those of a small workload taken off: so neither imports nor the first call count.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from durable_execution_sdk.emulator.clock import SkippingClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.invokers import Answer, Call
from durable_execution_sdk.emulator.functions.registry import Function, Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
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
    """Run a process to its end; return its output and the number of its instructions, without the kernel's."""
    with tempfile.NamedTemporaryFile() as log:
        valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        fixed = environment | {"PYTHONHASHSEED": "0"}
        out, _ = measured([*valgrind, f"--log-file={log.name}", *command], payload, fixed)
        found = re.search(r"Collected : (\d+)", Path(log.name).read_text())
    assert found is not None, "valgrind did not tell how many instructions there were"
    return out, {"instructions": float(found[1])}


class Invocations:
    """Runs each invocation of the function in a process, and keeps the figures of the last one."""

    def __init__(self, command: list[str], run: Any) -> None:
        self.command = command
        self.environment: dict[str, str] = {}
        self.figures: Figures = {}
        self._run = run

    def __call__(self, call: Call) -> Answer:
        try:
            out, self.figures = self._run(self.command, call.payload, self.environment)
        except RuntimeError as error:
            return Answer(error=ErrorObject(error_type="Failed", error_message=str(error)))
        return Answer(payload=out)


def executed(command: list[str], event: Any, run: Any) -> Figures:
    """Run one execution to its end, and return the figures of its last invocation."""
    invocations = Invocations(command, run)
    functions = Functions()
    functions.add_function(
        Function(name="bench", durable=True, connect=lambda _: invocations, execution_timeout=3600)
    )
    emulator = Emulator(MemoryStore(), SkippingClock(), functions, limits=LIMITS)
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
    return invocations.figures


def floor(command: list[str], event: Any, run: Any) -> Figures:
    return run(command, json.dumps(event).encode(), dict(os.environ))[1]


def main() -> None:
    sdk, python, cell = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    once = floor if sdk in ("blocking", "asyncio") else executed
    command = [python, WORKER, sdk, cell["workload"]]
    figures: Figures = {}
    for run in (measured, *([counted] if shutil.which("valgrind") else [])):
        small, large = (once(command, event, run) for event in (cell["small"], cell["event"]))
        figures |= {name: large[name] - small[name] for name in large}
    print(json.dumps(figures))


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
