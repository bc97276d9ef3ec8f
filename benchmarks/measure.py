"""Run the cells, each run in a fresh process, and collect their figures."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks import instructions
from benchmarks.control_group import NoControlGroupError, fraction_of_core
from benchmarks.environments import ROOT, package_of, python_of
from benchmarks.service import Service
from benchmarks.workloads import SDKS, Cell, as_argument

# A cell whose runs took longer than this with one SDK is not run again with it.
ENOUGH_SECONDS = 8.0


@dataclass
class Measured:
    """The runs of one cell with one SDK, or the reason for a failure; ``spent`` is in seconds."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    failure: str | None = None
    spent: float = 0.0

    def median(self, figure: str) -> float | None:
        values = [run[figure] for run in self.runs if figure in run]
        return median(values) if values else None


# Counting takes long, and the same number comes each time.
_COUNTED: set[tuple[str, str]] = set()

Results = dict[tuple[str, str], Measured]


@contextmanager
def endpoint() -> Iterator[int]:
    """Run the service over HTTP in another process, and provide its port."""
    command = [python_of("ours"), str(ROOT / "benchmarks" / "endpoint.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.communicate("")


def run_all(cells: list[Cell], rounds: int, sdks: list[str]) -> Results:
    """Run all cells with all SDKs in turn, and repeat that for each round."""
    results: Results = {}
    with endpoint() as port:
        environment = _environment(port)
        for number in range(rounds):
            for cell in cells:
                if number >= cell.rounds:
                    continue
                chosen = [sdk for sdk in cell.sdks if sdk in sdks or sdk not in SDKS]
                if not chosen:
                    continue
                with ThreadPoolExecutor(len(chosen) if cell.together else 1) as executor:
                    runs = [
                        executor.submit(_run, cell, sdk, results, environment) for sdk in chosen
                    ]
                for run in runs:
                    run.result()
            print(f"round {number + 1} done", file=sys.stderr, flush=True)
    return results


def _run(cell: Cell, sdk: str, results: Results, environment: dict[str, str]) -> None:
    measured = results.setdefault((cell.key, sdk), Measured())
    smaller = results.get((cell.larger_than or "", sdk))
    if smaller is not None and smaller.failure:
        measured.failure = "not tried: fewer already failed"
    if measured.failure or measured.spent > ENOUGH_SECONDS:
        return
    began = time.perf_counter()
    try:
        run = {"cold": _cold, "wire": _wire}.get(cell.worker["kind"], _worker)
        measured.runs.append(run(cell, sdk, environment))
    except subprocess.TimeoutExpired:
        measured.failure = f"more than {cell.limit:g} s"
    except NoControlGroupError:
        measured.failure = "no control group can be made here"
    except subprocess.CalledProcessError as error:
        measured.failure = _reason(error.stderr)
    except RuntimeError as error:
        measured.failure = _reason(str(error))
    measured.spent += time.perf_counter() - began


def _worker(cell: Cell, sdk: str, environment: dict[str, str]) -> dict[str, Any]:
    command = [python_of(sdk), str(ROOT / "benchmarks" / "worker.py"), sdk, as_argument(cell)]
    process = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=cell.limit
    )
    return json.loads(process.stdout)


def _wire(cell: Cell, sdk: str, environment: dict[str, str]) -> dict[str, Any]:
    """Measure an invocation in a process of its own, against a server in another one."""
    script = str(ROOT / "benchmarks" / "wire.py")
    command = [python_of("server"), script, sdk, python_of(sdk), as_argument(cell)]
    process = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=cell.limit
    )
    return json.loads(process.stdout)


def _cold(cell: Cell, sdk: str, environment: dict[str, str]) -> dict[str, Any]:
    """Measure a process from its start to the handler's response."""
    script = str(ROOT / "benchmarks" / "cold" / f"{sdk}.py")
    command = [
        python_of(sdk),
        *(["-c", "import json, os; os._exit(0)"] if sdk == "bare" else [script]),
    ]
    event = json.dumps(Service().event("21"))
    bytecode, cores = cell.worker.get("bytecode"), cell.worker.get("cores")
    if bytecode is not None:
        package = {"PYTHONPATH": str(package_of(sdk, bytecode)), "PYTHONDONTWRITEBYTECODE": "1"}
        environment = environment | package
    figures: dict[str, float] = {}
    if cell.worker.get("counted") and (cell.key, sdk) not in _COUNTED:
        _COUNTED.add((cell.key, sdk))
        _, count = instructions.run(command, event.encode(), environment, cell.limit)
        figures = {} if count is None else {"instructions": count}
    with nullcontext([]) if cores is None else fraction_of_core(cores) as prefix:
        cpu_before, began = _cpu_of_children(), time.perf_counter()
        subprocess.run(
            [*prefix, *command],
            env=environment,
            input=event,
            check=True,
            capture_output=True,
            text=True,
            timeout=cell.limit,
        )
        wall, cpu = time.perf_counter() - began, _cpu_of_children() - cpu_before
    return {"wall": wall, "cpu": cpu, **figures}


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _environment(port: int) -> dict[str, str]:
    """Return Lambda's environment variables for the local endpoint; hash seeds stay random."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return inherited | {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{port}",
        "BENCH_PORT": str(port),
    }


def _reason(stderr: str) -> str:
    """Return the last line of the error output, shortened."""
    lines = [line.strip() for line in stderr.strip().splitlines() if line.strip()]
    if any("RecursionError" in line or "recursion" in line for line in lines):
        return "recursion limit"
    return lines[-1][:120] if lines else "failed without a message"
