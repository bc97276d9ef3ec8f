"""Edits of functions on Node under running executions: they run on with the new code, and that is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.dev.functions.test_node_functions import NODE
from tests.dev.reload.reload_rig import ReloadRig, write

from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime
from durable_execution_sdk.dev.functions.environment import Place
from durable_execution_sdk.dev.functions.host import ProcessFunctions
from durable_execution_sdk.dev.reload.loaded_code import LoadedCode
from durable_execution_sdk.emulator.functions.registry import Functions

pytestmark = pytest.mark.dev

# A durable function without an SDK: it speaks the service's API itself.
DURABLE = """
export const withDurableExecution = (name, wait, code) => async (event) => {
  const asked = event.InitialExecutionState.Operations.find((each) => each.Type === "CALLBACK");
  if (asked?.CallbackDetails.Result !== undefined) {
    return { Status: "SUCCEEDED", Result: JSON.stringify([code, asked.CallbackDetails.Result]) };
  }
  if (asked === undefined) {
    console.log("begun", code);
    await wait(event);
    const arn = encodeURIComponent(event.DurableExecutionArn);
    const headers = { "Content-Type": "application/json" };
    const start = { Id: "1", Type: "CALLBACK", Action: "START", Name: `${name}-${code}` };
    const response = await fetch(
      `${process.env.AWS_ENDPOINT_URL_LAMBDA}/2025-12-01/durable-executions/${arn}/checkpoint`,
      { method: "POST", headers, body: JSON.stringify({ CheckpointToken: event.CheckpointToken, Updates: [start] }) },
    );
    if (!response.ok) throw new Error(await response.text());
  }
  return { Status: "PENDING" };
};
"""
APP = """
import { existsSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { withDurableExecution } from "./lib/durable.mjs";

const wait = async () => { while (!existsSync(new URL("flag", import.meta.url))) await setTimeout(5); };
export const handler = withDurableExecution("ask", wait, "CODE");
"""
PYTHON = """
    @durable_execution
    async def order(event, ctx):
        return await (await ctx.create_callback(name="approval"))
"""


@pytest.fixture(autouse=True)
def _node_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    if NODE is None:
        pytest.skip("no node: install Node 22 or newer")
    monkeypatch.setenv("PATH", f"{Path(NODE).parent}{os.pathsep}{os.environ['PATH']}")


def written(folder: Path) -> None:
    """Write the files long ago: those that are younger than the server count as edited."""
    for name, code in (("lib/durable.mjs", DURABLE), ("app.mjs", APP.replace("CODE", "first"))):
        edit(folder / name, code)
        os.utime(folder / name, (1, 1))


def edit(file: Path, code: str) -> None:
    """Write a file at once, as editors do."""
    file.parent.mkdir(exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text(code)
    os.replace(fresh, file)


def test_an_edit_lets_invocations_end_on_the_old_code_and_the_next_ones_run_the_new(
    tmp_path: Path,
) -> None:
    written(tmp_path)
    with ReloadRig(tmp_path, "app.mjs") as rig:
        arn = rig.start("n", "handler")
        rig.news.until(lambda: any("begun first" in line for line in rig.news.lines))
        edit(tmp_path / "app.mjs", APP.replace("CODE", "second"))
        reason = "only functions in Python are rehearsed"
        rig.news.until(lambda: rig.news.errors == [f"n: {reason}"])
        assert rig.news.loads[-1].changed == ["handler"]
        assert rig.emulator.snapshot(arn).invocation is not None
        (tmp_path / "flag").touch()
        rig.asks(arn)
        assert rig.emulator.operations(arn)[-1].name == "ask-first"
        # An edit of a file that it imports counts too.
        edit(tmp_path / "lib" / "durable.mjs", DURABLE.replace("[code,", "[code, 'edited',"))
        rig.news.until(lambda: rig.news.errors == [f"n: {reason}"] * 2)
        rig.answer(arn)
        assert rig.result(arn) == ["second", "edited", '"yes"']
        assert rig.news.told == []


def test_executions_of_both_languages_share_a_folder(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "flag").touch()
    write(tmp_path / "app.py", PYTHON)
    with ReloadRig(tmp_path, "app.mjs", "app.py") as rig:
        arns = [rig.start("javascript", "handler"), rig.start("python")]
        for arn in arns:
            rig.asks(arn)
        rig.edit(PYTHON.replace("approval", "consent"))
        rig.news.until(lambda: rig.news.told == ["held python"])
        # The edit of a Python file is none of the function on Node.
        assert all("handler" not in load.changed for load in rig.news.loads)
        assert rig.news.errors == []
        for arn in arns:
            rig.answer(arn)
        assert rig.result(arns[0]) == ["first", '"yes"']
        rig.edit(PYTHON)
        assert rig.result(arns[1]) == "yes"


@pytest.mark.parametrize(
    ("edited", "runtime", "is_changed"),
    [
        ("app.mjs", Runtime.NODE, True),
        ("lib/data.json", Runtime.NODE, True),
        ("app.py", Runtime.NODE, False),
        ("../app.mjs", Runtime.NODE, False),
        ("app.py", Runtime.COMMAND, True),
    ],
)
def test_edits_that_concern_a_function_whose_imports_are_not_followed(
    tmp_path: Path, edited: str, runtime: Runtime, is_changed: bool
) -> None:
    edit(tmp_path / "app.mjs", APP)
    host = ProcessFunctions(Functions(), Place(endpoint_url="http://127.0.0.1:1"))
    code = LoadedCode(host, tmp_path / "x.db")
    declaration = Declaration(
        name="f", runtime=runtime, root=str(tmp_path), handler="app.handler", command=("true",)
    )
    try:
        assert code.load([declaration]).added == ["f"]
        file = os.path.normpath(tmp_path / edited)
        load = code.load([declaration], edited=[file])
        assert (load.changed, load.unrehearsed) == ((["f"], ["f"]) if is_changed else ([], []))
    finally:
        host.close()
        code.close()
