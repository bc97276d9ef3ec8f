"""Killed processes, and the files and threads that are left."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.emulator.driver import Driver, Ending
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.protocol.control_plane import HistoryRequest, InvokeRequest

SCRIPT = """
import os, signal, sys
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.protocol.control_plane import InvokeRequest
path, lives = sys.argv[1:]
def handler(event, context):
    with open(path + ".calls", "a") as calls:
        calls.write("x")
    if os.path.getsize(path + ".calls") <= int(lives):
        os.kill(os.getpid(), signal.SIGKILL)
    return {"Status": "SUCCEEDED", "Result": "42"}
functions = Functions()
functions.add_durable("f", lambda plane: handler)
emulator = Emulator(SqliteStore(path), VirtualClock(), functions)
arn = emulator.start(InvokeRequest(function_name="f:$LATEST", durable_execution_name="once"))
Driver(emulator).run_until_closed(arn)
print(emulator.describe(arn).result)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_a_killed_handler_is_invoked_again_by_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "executions.db"
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(path), "2"],
            check=False,
            capture_output=True,
            text=True,
        )
        for _ in range(3)
    ]
    assert [run.returncode for run in runs] == [-9, -9, 0], runs[-1].stderr
    assert runs[-1].stdout.strip() == "42"
    emulator = Emulator(SqliteStore(path), VirtualClock(), Functions())
    arn = emulator.find_name("once")
    assert arn is not None
    page = emulator.history(HistoryRequest(durable_execution_arn=arn))
    invocations = [
        event.invocation_completed_details
        for event in page.events
        if event.invocation_completed_details is not None
    ]
    errors = [
        invocation.error.payload.error_type
        for invocation in invocations
        if invocation.error is not None and invocation.error.payload is not None
    ]
    assert errors == ["Runtime.ExitError", "Runtime.ExitError"]
    assert len(invocations) == 3
    emulator.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts files with /proc")
def test_fifty_emulators_leave_no_file_and_no_thread(tmp_path: Path) -> None:
    def use(number: int) -> None:
        functions = Functions()
        functions.add_durable("f", lambda _: lambda _, __: {"Status": "SUCCEEDED", "Result": "1"})
        emulator = Emulator(SqliteStore(tmp_path / f"{number}.db"), VirtualClock(), functions)
        request = InvokeRequest(function_name="f:$LATEST")
        answer = asyncio.run(EmulatorControlPlane(Driver(emulator)).invoke(request))
        assert answer.payload == b"1"
        emulator.close()

    use(-1)
    gc.collect()
    files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for number in range(50):
        use(number)
    assert len(os.listdir("/proc/self/fd")) == files
    assert threading.active_count() == threads


def test_threads_that_drive_one_emulator_share_the_work(tmp_path: Path) -> None:
    both = threading.Barrier(2)
    functions = Functions()

    def handler(_: object, __: object) -> object:
        both.wait()
        return {"Status": "SUCCEEDED", "Result": "1"}

    functions.add_durable("f", lambda _: handler)
    emulator = Emulator(SqliteStore(tmp_path / "executions.db"), VirtualClock(), functions)
    driver = Driver(emulator)
    arns = [emulator.start(InvokeRequest(function_name="f:$LATEST")) for _ in range(2)]
    endings: list[Ending] = []

    def drive() -> None:
        endings.append(driver.run_until(lambda: all(emulator.is_closed(arn) for arn in arns)))

    threads = [threading.Thread(target=drive) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert endings == [Ending.DONE, Ending.DONE]
    emulator.close()
