"""Runtime clients of others, and programs without one."""

from __future__ import annotations

import json
import os
import sys

import pytest
from tests.dev.dev_rig import DevRig

from durable_execution_sdk.dev.discovery.files import find_functions
from durable_execution_sdk.dev.functions.declaration import Runtime

pytestmark = pytest.mark.dev


def test_lambdas_own_client_for_python_works_unmodified(rig: DevRig) -> None:
    command = (sys.executable, "-m", "awslambdaric", "ours.handler")
    rig.add(
        "ours",
        """
from durable_execution_sdk import DurableContext, Duration, durable_execution

@durable_execution
async def handler(event: int, ctx: DurableContext) -> int:
    print("hello from the handler")
    double = await ctx.step(lambda: event * 2, name="double")
    await ctx.wait(Duration.from_seconds(1))
    return double
""",
        runtime=Runtime.COMMAND,
        command=command,
    )
    assert rig.invoke("ours:$LATEST", 4) == (8, None)
    assert rig.records.wait_for_line("hello from the handler").request_id is not None


def test_errors_of_lambdas_own_client_are_kept(rig: DevRig) -> None:
    command = (sys.executable, "-m", "awslambdaric", "theirs.handler")
    rig.add_plain("theirs", "import no_such_module\n", runtime=Runtime.COMMAND, command=command)
    payload, error = rig.invoke("theirs")
    assert error == "Unhandled"
    assert payload["errorType"] == "Runtime.ImportModuleError"


def test_a_program_that_is_not_there_is_named(rig: DevRig) -> None:
    rig.add_plain("nothing", "", runtime=Runtime.COMMAND, command=("/no/such/program",))
    payload, error = rig.invoke("nothing")
    assert error == "Unhandled"
    assert "No such file or directory" in payload["errorMessage"]


def test_a_program_that_never_asks_is_ended(rig: DevRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durable_execution_sdk.dev.functions.worker.INIT_SECONDS", 0.5)
    rig.add_plain("mute", "", runtime=Runtime.COMMAND, command=("sleep", "1000"), timeout=0.5)
    payload, error = rig.invoke("mute")
    assert error == "Unhandled"
    assert payload["errorType"] == "Sandbox.Timedout"


AWS_PYTHON = os.environ.get("DURABLE_AWS_PYTHON")
AWS_WORKFLOW = """
from aws_durable_execution_sdk_python import durable_execution
from aws_durable_execution_sdk_python.config import Duration

@durable_execution
def theirs(event, context):
    double = context.step(lambda _: event["n"] * 2, name="double")
    context.wait(Duration.from_seconds(1))
    return context.invoke("ours:$LATEST", {"n": double}, name="ours")
"""
OUR_WORKFLOW = """
from durable_execution_sdk import DurableContext, durable_execution

@durable_execution
async def ours(event: dict[str, int], ctx: DurableContext) -> int:
    return await ctx.step(lambda: event["n"] + 1, name="add")
"""


@pytest.mark.skipif(
    AWS_PYTHON is None,
    reason="DURABLE_AWS_PYTHON names no Python with aws-durable-execution-sdk-python",
)
def test_awss_sdk_for_python_is_found_and_runs_unmodified(rig: DevRig) -> None:
    file = rig.write("theirs.py", AWS_WORKFLOW)
    (declaration,) = find_functions([file], AWS_PYTHON).declarations
    assert (declaration.name, declaration.durable) == ("theirs", True)
    rig.host.add(declaration)
    rig.add("ours", OUR_WORKFLOW, attribute="ours")
    description = rig.finish(rig.start("theirs", {"n": 4}))
    assert description.error is None
    assert json.loads(description.result or "") == 9
