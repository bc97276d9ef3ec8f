from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.dev.dev_rig import DevRig

from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime, handler_of
from durable_execution_sdk.dev.functions.environment import Place, Surroundings
from durable_execution_sdk.dev.functions.pool import Pool
from durable_execution_sdk.dev.functions.records import NoRecorder

pytestmark = pytest.mark.dev

CHAIN = """
import json, os
import botocore.session
from durable_execution_sdk import DurableContext, durable_execution

def call(name, depth):
    client = botocore.session.Session().create_client("lambda", region_name="us-east-1")
    response = client.invoke(FunctionName=name, Payload=json.dumps(depth).encode())
    answer = json.loads(response["Payload"].read())
    assert "FunctionError" not in response, answer
    return answer

def plain(depth, context):
    return depth if depth >= 20 else call("plain", depth + 1)

@durable_execution
async def durable(depth: int, ctx: DurableContext) -> int:
    if depth >= 20:
        return depth
    return await ctx.step(call, "durable:$LATEST", depth + 1, name="call")
"""


@pytest.mark.parametrize("name", ["plain", "durable"])
def test_functions_call_one_another_twenty_deep(tmp_path: Path, name: str) -> None:
    with DevRig(tmp_path, workers=2) as rig:
        rig.add(name, CHAIN, attribute=name, durable=name == "durable")
        qualified = name if name == "plain" else f"{name}:$LATEST"
        assert rig.invoke(qualified, 1) == (20, None)
        # The test's own call, and those that botocore made with the trace header of the function.
        assert rig.calls_of_functions == [False, *[True] * 19]


def test_a_burst_runs_over_few_workers(tmp_path: Path) -> None:
    with DevRig(tmp_path, workers=4) as rig:
        rig.add(
            "quick",
            """
from durable_execution_sdk import DurableContext, durable_execution

@durable_execution
async def handler(event: int, ctx: DurableContext) -> int:
    return await ctx.step(lambda: event + 1, name="add")
""",
        )
        with ThreadPoolExecutor(4) as threads:
            arns = list(threads.map(lambda n: rig.start("quick", n), range(60)))
        results = [json.loads(rig.finish(arn).result or "") for arn in arns]
        assert results == list(range(1, 61))
        assert len({record.worker for record in rig.records.invocations}) <= 5


def test_new_code_runs_from_the_next_invocation_on(rig: DevRig) -> None:
    old = rig.add_plain(
        "code",
        "import pathlib, threading\ndef handler(event, context):\n    print('in', flush=True)\n"
        "    while event and not pathlib.Path(event).exists():\n        threading.Event().wait(0.01)\n"
        "    return 'old'\n",
    )
    gate = rig.folder / "gate"
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(rig.invoke, "code", str(gate))
        rig.records.wait_for_line("in")
        rig.write("code.py", "def handler(event, context):\n    return 'new'\n")
        rig.host.add(old)
        assert rig.invoke("code") == ("new", None)
        gate.touch()
        assert running.result() == ("old", None)
    assert rig.invoke("code") == ("new", None)


@pytest.mark.parametrize("ends", ["reload", "retire", "close", "kill"])
def test_a_worker_that_is_ended_while_it_begins_runs_no_process(tmp_path: Path, ends: str) -> None:
    root, handler = handler_of(tmp_path / "f.py", "handler")
    surroundings = Surroundings(
        declaration=Declaration(name="f", runtime=Runtime.PYTHON, root=root, handler=handler),
        version="$LATEST",
        place=Place(endpoint_url="http://127.0.0.1:1"),
    )

    async def begin_and_end() -> None:
        pool = Pool(surroundings, NoRecorder(), has_deadlines=True, on_change=lambda: None)
        beginning = asyncio.create_task(pool.warm())
        await asyncio.sleep(0)
        [worker] = pool.workers
        assert worker.pid is None
        match ends:
            case "reload":
                pool.reload(surroundings)
            case "retire":
                pool.retire()
            case "close":
                await pool.close()
            case _:
                worker.kill()
        await beginning
        await worker.ended()
        assert worker.is_ended
        assert worker.pid is None
        assert worker not in pool.workers
        await pool.close()
        assert all(each.is_ended for each in pool.workers)

    asyncio.run(begin_and_end())


def test_versions_stay_side_by_side(rig: DevRig) -> None:
    declared = rig.add_plain(
        "code", "def handler(event, context):\n    return context.function_version\n"
    )
    rig.host.add(declared, "1")
    rig.functions.add_alias("code", "live", "1")
    assert rig.invoke("code") == ("$LATEST", None)
    assert rig.invoke("code:1") == ("1", None)
    assert rig.invoke("code:live") == ("1", None)
    with pytest.raises(Exception, match="Function not found"):
        rig.invoke("code:2")
    with pytest.raises(Exception, match="Function not found"):
        rig.invoke("code:test")


def test_no_process_outlives_a_server_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import os, subprocess, sys, threading\n"
        "def handler(event, context):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import threading; threading.Event().wait()'])\n"
        "    os.write(int(os.environ['ALIVE']), f'{os.getpid()} {child.pid}\\n'.encode())\n"
        "    threading.Event().wait()\n"
    )
    script = """
import sys, threading
from pathlib import Path
from tests.dev.dev_rig import DevRig
rig = DevRig(Path(sys.argv[1]))
rig.add_plain("app", Path(sys.argv[1], "app.py").read_text(), environment={"ALIVE": "1"})
from durable_execution_sdk.dev.functions.records import LogLine
threading.Thread(target=rig.invoke, args=("app",), daemon=True).start()
line = rig.records.wait_for(lambda record: isinstance(record, LogLine) and record.stream == "stdout")
print(line.text, flush=True)
threading.Event().wait()
"""
    server = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    pids = [int(pid) for pid in server.stdout.readline().split()]
    assert len(pids) == 2
    descriptors = [os.pidfd_open(pid) for pid in pids]
    server.send_signal(signal.SIGKILL)
    server.wait()
    server.stdout.close()
    for descriptor in descriptors:
        # A pidfd is readable when its process has ended.
        readable = threading.Event()
        import select

        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        assert poll.poll(10_000)
        os.close(descriptor)
        readable.set()
