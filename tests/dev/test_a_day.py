"""A day with `durable dev`: functions on Python and Node, boto3, crashes of a worker and of the server, edits, a month skipped."""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import botocore.config
import botocore.session
import pytest
from tests.cli.process import Running, running
from tests.dev.functions.test_node_functions import MODULES, NODE
from tests.dev.test_command import durable

pytestmark = pytest.mark.dev

PATIENCE = 60

APP = """
import os, pathlib
from durable_execution_sdk import DurableContext, Duration, durable_execution

def reserve(gate: str) -> str:
    file = pathlib.Path(gate)
    if not file.exists():
        file.write_text("")
        print(f"reserving in {os.getpid()}", flush=True)
        os.read(os.pipe()[0], 1)  # until it is killed
    return "reserved"

@durable_execution
async def order(gate: str, ctx: DurableContext):
    quote = await ctx.invoke("quote:$LATEST", {"of": "tea"}, name="quote")
    reserved = await ctx.step(reserve, gate)
    approved = await (await ctx.create_callback(name="approval"))
    shipped = await ctx.invoke("ship:$LATEST", quote, name="ship")
    return [quote, reserved, approved, shipped]

@durable_execution
async def ship(quote: object, ctx: DurableContext) -> str:
    await ctx.step(lambda: "packed", name="pack")
    await ctx.wait(Duration.from_days(30), name="month")
    return await ctx.step(lambda: "delivered", name="deliver")
"""

# An edit that changes what comes after the callback, and one that changes what is in the log.
HARMLESS = APP.replace("approved, shipped]", "approved, shipped, 'thanks']")
DIVERGING = HARMLESS.replace("ctx.step(reserve, gate)", 'ctx.step(reserve, gate, name="hold")')

# With AWS's own SDK where it is installed.
DURABLE_NODE = """
import { withDurableExecution } from "@aws/durable-execution-sdk-js";
export const quote = withDurableExecution(async (event, context) =>
  context.step("price", async () => ({ of: event.of, price: 7 })));
"""
PLAIN_NODE = "export const quote = async (event) => ({ of: event.of, price: 7 });\n"

RESULT = [{"of": "tea", "price": 7}, "reserved", "yes", "delivered", "thanks"]
HISTORY = [
    ("ExecutionStarted", "tea"),
    ("ChainedInvokeStarted", "quote"),
    ("ChainedInvokeSucceeded", "quote"),
    ("StepStarted", "reserve"),
    ("StepSucceeded", "reserve"),
    ("CallbackStarted", "approval"),
    ("CallbackSucceeded", "approval"),
    ("ChainedInvokeStarted", "ship"),
    ("ChainedInvokeSucceeded", "ship"),
    ("ExecutionSucceeded", "tea"),
]


# The fork begins anew before the step that has another name now.
HISTORY_OF_FORK = [
    (kind, {"tea": "fork", "reserve": "hold"}.get(name, name)) for kind, name in HISTORY
]


@contextmanager
def served(folder: Path) -> Iterator[tuple[Running, str]]:
    words = ["dev", "app.py", "--port", "0", "--function", "quote=quote.mjs:quote"]
    with running(folder, *words) as server:
        listens = server.until("durable dev listens at")
        server.until("start one with")
        yield server, listens.split()[4]


def aws(url: str) -> Any:
    client = botocore.session.Session().create_client(
        "lambda",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )
    return closing(client)


def until_gone(processes: list[int]) -> None:
    """Wait until processes that are no children of this one have ended."""
    for process in processes:
        try:
            descriptor = os.pidfd_open(process)
        except ProcessLookupError:
            continue
        try:
            assert select.select([descriptor], [], [], PATIENCE)[0], f"{process} still runs"
        finally:
            os.close(descriptor)


def workers(folder: Path) -> list[int]:
    listed = json.loads(durable(folder, "functions", "--json").stdout)
    return [worker["process"] for function in listed for worker in function["workers"]]


def events(client: Any, arn: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get_durable_execution_history(
        DurableExecutionArn=arn, IncludeExecutionData=True
    )["Events"]
    return found


def story(client: Any, arn: str) -> list[tuple[str, str | None]]:
    return [
        (event["EventType"], event.get("Name"))
        for event in events(client, arn)
        if event["EventType"] != "InvocationCompleted"
    ]


def answer(client: Any, arn: str, result: bytes = b'"yes"') -> None:
    """Complete the callback of an execution."""
    [callback] = [
        event["CallbackStartedDetails"]["CallbackId"]
        for event in events(client, arn)
        if event["EventType"] == "CallbackStarted"
    ]
    client.send_durable_execution_callback_success(CallbackId=callback, Result=result)


def edit(folder: Path, code: str, server: Running) -> None:
    """Write other code at once, as editors do, and wait until the server has it."""
    (folder / ".app.py.new").write_text(code)
    os.replace(folder / ".app.py.new", folder / "app.py")
    server.until("loaded again: order")


def activities(folder: Path) -> dict[str, str]:
    """Return the activities of open executions, by name."""
    listed = json.loads(durable(folder, "list", "--json").stdout)
    return {
        each["durable_execution_name"]: each["activity"]
        for each in listed
        if each["activity"] != "ended"
    }


def forked(folder: Path, client: Any, server: Running) -> str:
    """Fork the execution that is held, and play the fork to its end."""
    words = ("fork", "tea", "--before", "reserve", "--as", "fork", "--json")
    arn: str = json.loads(durable(folder, *words).stdout)["durable_execution_arn"]
    server.until("answer with: durable callback succeed fork/approval")
    assert durable(folder, "time", "fork", "skip").returncode == 0
    answer(client, arn)
    server.until("fork: ExecutionSucceeded")
    shown = client.get_durable_execution(DurableExecutionArn=arn)
    assert json.loads(shown["Result"]) == RESULT
    return arn


@pytest.mark.skipif(NODE is None, reason="no node: install Node 22 or newer")
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="processes are watched as on Linux")
def test_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert NODE is not None
    monkeypatch.setenv("PATH", f"{Path(NODE).parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "quote.mjs").write_text(DURABLE_NODE if MODULES else PLAIN_NODE)
    if MODULES:
        (tmp_path / "node_modules").symlink_to(MODULES)
    gate = json.dumps(str(tmp_path / "gate"))

    with served(tmp_path) as (server, url), aws(url) as client:
        arn = client.invoke(
            FunctionName="order:$LATEST",
            InvocationType="Event",
            DurableExecutionName="tea",
            Payload=gate.encode(),
        )["DurableExecutionArn"]
        # A worker is killed in a step.
        reserving = int(server.until("reserving in").split()[-1])
        os.kill(reserving, signal.SIGKILL)
        server.until("answer with: durable callback succeed tea/approval")
        # The code is edited while the execution waits.
        edit(tmp_path, HARMLESS, server)
        edit(tmp_path, DIVERGING, server)
        server.until("HELD  tea: the code was edited since it ran")
        assert activities(tmp_path) == {"tea": "held"}
        fork = forked(tmp_path, client, server)
        assert activities(tmp_path) == {"tea": "held"}
        edit(tmp_path, HARMLESS, server)
        server.until("tea is not held any more")
        assert activities(tmp_path) == {"tea": "asking"}
        answer(client, arn)
        server.until("WaitStarted")
        # The server is killed in a wait.
        running_workers = workers(tmp_path)
        assert running_workers
        server.kill()
        until_gone([*running_workers, reserving])

    with served(tmp_path) as (server, url), aws(url) as client:
        assert client.get_durable_execution(DurableExecutionArn=arn)["Status"] == "RUNNING"
        # A month is skipped.
        assert durable(tmp_path, "time", "tea", "skip").returncode == 0
        server.until("tea: ExecutionSucceeded")
        shown = client.get_durable_execution(DurableExecutionArn=arn)
        assert json.loads(shown["Result"]) == RESULT
        took = shown["EndTimestamp"] - shown["StartTimestamp"]
        assert took.days == 30

        listed = json.loads(durable(tmp_path, "list", "--json").stdout)
        assert {each["status"] for each in listed} == {"SUCCEEDED"}
        assert {each["function_name"] for each in listed} >= {"order", "ship"}
        for each in listed:
            check_history(events(client, each["durable_execution_arn"]))
        assert story(client, arn) == HISTORY
        assert story(client, fork) == HISTORY_OF_FORK
        history = durable(tmp_path, "history", "tea", "--json").stdout
        (tmp_path / "tea.json").write_text(history)
        replayed = durable(tmp_path, "replay", "app.py:order", "tea.json")
        assert replayed.returncode == 0, replayed

        # Ctrl-C ends the server and its processes.
        remaining = workers(tmp_path)
        server.interrupt()
        assert server.end() == 0
        until_gone(remaining)


def check_history(found: list[dict[str, Any]]) -> None:
    """Check what holds for every history of the service."""
    assert [event["EventId"] for event in found] == list(range(1, len(found) + 1))
    times = [event["EventTimestamp"] for event in found]
    assert times == sorted(times)
    assert found[0]["EventType"] == "ExecutionStarted"
    assert found[-1]["EventType"] == "ExecutionSucceeded"
    started: set[str] = set()
    for event in found:
        kind, operation = event["EventType"], event.get("Id")
        # Each event has the details of its type, and no others.
        assert [name for name in event if name.endswith("Details")] == [f"{kind}Details"]
        if kind.endswith("Started"):
            started.add(operation or "")
        elif kind.endswith(("Succeeded", "Failed", "TimedOut", "Stopped")):
            assert (operation or "") in started
