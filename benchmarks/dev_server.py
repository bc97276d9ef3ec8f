"""Figures of the development server, with real processes: its start, a warm invocation, 1,000 executions, a restart.

Run it by hand: ``.venv/bin/python benchmarks/dev_server.py``. It needs Linux. ``--open 10000`` and
``--executions 1000`` are the sizes. CPU is that of the server, without its workers.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from durable_execution_sdk import durable_execution
from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime, handler_of
from durable_execution_sdk.dev.session import DevSession, SessionOptions
from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.emulator.stores.store import ExecutionRecord
from durable_execution_sdk.engine.events import ExecutionSucceeded
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest

_CLIENTS = 4

CODE = """
from durable_execution_sdk import DurableContext, Duration, durable_execution

@durable_execution
async def many(event: int, ctx: DurableContext) -> int:
    first = await ctx.step(lambda: event + 1, name="first")
    if event > 0:
        await ctx.wait(Duration.from_seconds(1), name="nap")
    return await ctx.step(lambda: first * 2, name="second")

@durable_execution
async def waits(event, ctx: DurableContext) -> int:
    await ctx.step(lambda: 1, name="first")
    return await (await ctx.create_callback(name="approval"))

def plain(event, context):
    return event
"""


def say(what: str, figure: str) -> None:
    print(f"{what:<62} {figure}", flush=True)


def memory_megabytes(process: int) -> tuple[float, float]:
    """Return the resident memory of a process now, and its most."""
    text = Path(f"/proc/{process}/status").read_text()
    now, most = (
        int(re.findall(rf"{name}:\s+(\d+)", text)[0]) / 1024 for name in ("VmRSS", "VmHWM")
    )
    return now, most


def start_of_the_command(folder: Path) -> None:
    """Measure the time from the start of the command to the line that says how to start an execution."""
    times: list[float] = []
    cpu: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "durable_execution_sdk.cli.main",
                "dev",
                "app.py",
                "--port",
                "0",
            ],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        assert process.stdout is not None
        for line in process.stdout:
            if "start one with" in line:
                break
        times.append(time.perf_counter() - began)
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        cpu.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    say("durable dev: until it is ready (best of 5)", f"{min(times):.2f} s")
    say("durable dev: CPU of the server until then (best of 5)", f"{min(cpu):.2f} s")


class Client:
    """Calls Lambda's API over one connection that stays open."""

    def __init__(self, url: str) -> None:
        self._connection = HTTPConnection(url.removeprefix("http://"))

    def invoke(self, function: str, payload: object, kind: str = "RequestResponse") -> bytes:
        self._connection.request(
            "POST",
            f"/2015-03-31/functions/{function}/invocations",
            json.dumps(payload).encode(),
            {"Content-Type": "application/json", "X-Amz-Invocation-Type": kind},
        )
        response = self._connection.getresponse()
        body = response.read()
        assert response.status < 300, body
        return body


@contextmanager
def session(folder: Path, store: Path) -> Iterator[DevSession]:
    declarations = []
    for name in ("many", "waits", "plain"):
        root, handler = handler_of(folder / "app.py", name)
        declarations.append(
            Declaration(
                name=name,
                runtime=Runtime.PYTHON,
                root=root,
                handler=handler,
                durable=name != "plain",
            )
        )
    with DevSession(SessionOptions(store=store, port=0)) as made:
        made.add(declarations)
        yield made


class Ends:
    """Counts the executions of an emulator that have ended, and lets a caller wait for a number."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._changed = threading.Condition()
        self._ended: set[str] = set()
        emulator.subscribe(self._observe)

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._ended) >= count, 600)

    def _observe(self, arn: str, events: Any) -> None:
        is_last = any(isinstance(event, ExecutionSucceeded) for event in events)
        if is_last and self._emulator.is_closed(arn):
            with self._changed:
                self._ended.add(arn)
                self._changed.notify_all()


def warm_invocations(folder: Path) -> None:
    with session(folder, folder / "warm.db") as made:
        client = Client(made.server.url)
        for function, payload, what in (
            ("plain", 1, "a plain function"),
            ("many:$LATEST", -1, "a durable function of two steps"),
        ):
            client.invoke(function, payload)
            times = []
            for _ in range(100):
                began = time.perf_counter()
                client.invoke(function, payload)
                times.append(time.perf_counter() - began)
            say(
                f"a warm invocation of {what} (median)", f"{statistics.median(times) * 1000:.1f} ms"
            )


def at_once(folder: Path, count: int) -> None:
    with session(folder, folder / "many.db") as made:
        ends = Ends(made.server.emulator)
        began, cpu = time.perf_counter(), time.process_time()

        def start(part: int) -> None:
            client = Client(made.server.url)
            for number in range(part, count, _CLIENTS):
                client.invoke("many:$LATEST", 1 + number, "Event")

        with ThreadPoolExecutor(_CLIENTS) as threads:
            list(threads.map(start, range(_CLIENTS)))
        say(f"{count:,} executions: started in", f"{time.perf_counter() - began:.1f} s")
        ends.wait_for(count)
        say(f"{count:,} executions: all ended after", f"{time.perf_counter() - began:.1f} s")
        say(f"{count:,} executions: CPU of the server", f"{time.process_time() - cpu:.1f} s")
        workers = [worker.pid for worker in made.host.workers() if worker.pid is not None]
        say(f"{count:,} executions: workers that are left", f"{len(workers)}")
        say(
            f"{count:,} executions: most memory of a worker",
            f"{max(memory_megabytes(each)[1] for each in workers):.0f} MB",
        )
        say(
            f"{count:,} executions: most memory of the server",
            f"{memory_megabytes(os.getpid())[1]:.0f} MB",
        )


def fill(store: Path, count: int) -> None:
    """Fill a store with executions of ``waits`` that wait for a callback, copies of one that ran."""

    async def body(event: Any, ctx: Any) -> Any:
        await ctx.step(lambda: 1, name="first")
        return await (await ctx.create_callback(name="approval"))

    functions = Functions()
    functions.add_durable("waits", durable_execution(body).bind)
    emulator = Emulator(SqliteStore(store), RealClock(), functions)
    arn = emulator.start(
        InvokeRequest(
            function_name="waits:$LATEST",
            payload=b"null",
            invocation_type=InvocationType.EVENT,
            durable_execution_name="name-00000",
        )
    )
    Driver(emulator).run_until(lambda: False, wait=False)
    encoded = emulator.store.events(arn)
    record = emulator.store.find(arn)
    assert record is not None
    with emulator.coordinator.holding():
        for number in range(1, count):
            name = f"name-{number:05d}"
            emulator.store.create(
                ExecutionRecord(
                    arn=arn.replace("name-00000", name),
                    name=name,
                    function=record.function,
                    version=record.version,
                    status=record.status,
                    started_at=record.started_at,
                ),
                [event.replace(b"name-00000", name.encode()) for event in encoded],
            )
    emulator.close()


def restart(folder: Path, count: int) -> None:
    store = folder / "open.db"
    fill(store, count)
    before = memory_megabytes(os.getpid())[0]
    began, cpu = time.perf_counter(), time.process_time()
    with session(folder, store) as made:
        # Answered when the server has read its store.
        made.server.emulator.coordinator.refresh()
        Client(made.server.url).invoke("plain", 1)
        elapsed, used = time.perf_counter() - began, time.process_time() - cpu
        say(f"{count:,} open executions: restart until a call is answered", f"{elapsed:.2f} s")
        say(f"{count:,} open executions: CPU of the server for it", f"{used:.2f} s")
        grown = memory_megabytes(os.getpid())[0] - before
        say(f"{count:,} open executions: memory of the server for them", f"{grown:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executions", type=int, default=1_000)
    parser.add_argument("--open", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "app.py").write_text(CODE)
        start_of_the_command(folder)
        warm_invocations(folder)
        restart(folder, options.open)
        at_once(folder, options.executions)


if __name__ == "__main__":
    main()
