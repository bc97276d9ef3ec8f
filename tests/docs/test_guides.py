"""The policies, commands and tables of the guides for deployment and operations are right."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.docs.aws_command_lines import SESSION, check, lines_of
from tests.docs.tables import DOCS
from tests.rig import rig_of

from durable_execution_sdk import DurableContext, Duration
from durable_execution_sdk.emulator.emulator import Emulator

GUIDES = ("deploy.md", "operations.md")
POLICIES = [
    json.loads(block)
    for block in re.findall(
        r"```json\n(.*?)```", (DOCS / "deploy.md").read_text(encoding="utf-8"), re.DOTALL
    )
]
STATEMENTS: list[dict[str, Any]] = [part for policy in POLICIES for part in policy["Statement"]]
# Actions whose names are not those of an operation.
ACTIONS = {"lambda:InvokeFunction": "Invoke"}
LISTS = {"ListDurableExecutionsByFunction", "ListVersionsByFunction", "ListAliases"}


def actions_of(statement: dict[str, Any]) -> list[str]:
    action = statement["Action"]
    return [action] if isinstance(action, str) else list(action)


def test_there_are_policies() -> None:
    assert len(POLICIES) == 5
    assert all(policy["Version"] == "2012-10-17" for policy in POLICIES)


@pytest.mark.parametrize("action", sorted({a for part in STATEMENTS for a in actions_of(part)}))
def test_an_action_is_an_operation_of_the_service(action: str) -> None:
    service, _, name = action.partition(":")
    names = SESSION.get_service_model(service).operation_names
    assert ACTIONS.get(action, name) in names


@pytest.mark.parametrize(
    "statement", [part for part in STATEMENTS if "lambda:" in str(part["Action"])]
)
def test_resources_are_executions_of_versions_or_an_alias(statement: dict[str, Any]) -> None:
    names = {action.removeprefix("lambda:") for action in actions_of(statement)}
    resource = statement["Resource"]
    if names == {"InvokeFunction"}:
        assert resource.endswith(":function:order:live")
    elif names <= LISTS:
        assert [part.rpartition(":function:")[2] for part in resource] == ["order", "order:*"]
    else:
        assert not names & LISTS
        assert resource.endswith(":function:order:*")


def test_the_function_has_all_that_the_data_plane_calls() -> None:
    [first, *_] = STATEMENTS
    assert actions_of(first) == [
        "lambda:CheckpointDurableExecution",
        "lambda:GetDurableExecutionState",
    ]


@pytest.mark.parametrize("line", [line for page in GUIDES for line in lines_of(page)])
def test_a_call_of_the_aws_command_is_one_of_the_model(line: str) -> None:
    check(line)


def test_the_check_finds_what_is_wrong() -> None:
    for line in (
        "aws lambda invoke-durable --function-name order",
        "aws lambda stop-durable-execution",
        "aws lambda publish-version --function-name order --durable-config '{}'",
        "aws lambda get-durable-execution --durable-execution-arn",
        "aws lambda update-function-configuration --function-name order --durable-config '{\"Timeout\": 1}'",
    ):
        with pytest.raises((AssertionError, argparse.ArgumentError)):
            check(line)


def test_each_source_that_a_guide_names_is_in_the_table() -> None:
    texts = {page: (DOCS / page).read_text(encoding="utf-8") for page in GUIDES}
    listed = set(
        re.findall(r"^\| (\d+) \|", texts["deploy.md"].partition("## Sources")[2], re.MULTILINE)
    )
    of_operations = set(re.findall(r"\[(\d+)\] (?:is|its)", texts["operations.md"]))
    named = {
        number
        for text in texts.values()
        for group in re.findall(r"\[(\d+(?:, \d+)*)\](?!\()", text)
        for number in group.split(", ")
    }
    assert named == listed | of_operations


Workflow = Callable[[Any, DurableContext], Awaitable[None]]


async def go(item: int) -> int:
    return item


async def one_after_the_other(event: Any, ctx: DurableContext) -> None:
    for item in range(10):
        await ctx.step(go, item)


async def at_once(event: Any, ctx: DurableContext) -> None:
    await asyncio.gather(*(ctx.step(go, item) for item in range(10)))


async def mapped(event: Any, ctx: DurableContext) -> None:
    async def each(ctx: DurableContext, item: int, index: int) -> int:
        return await ctx.step(go, item)

    await ctx.map(range(10), each)


async def one_step(event: Any, ctx: DurableContext) -> None:
    await ctx.step(lambda: list(range(10)), name="all")


async def with_waits(event: Any, ctx: DurableContext) -> None:
    for item in range(10):
        await ctx.step(go, item)
        await ctx.wait(Duration.from_seconds(5))


ROWS: dict[str, Workflow] = {
    "ten steps, one after the other": one_after_the_other,
    "ten steps at once, with `asyncio.gather`": at_once,
    "a map of ten items, with a step in each": mapped,
    "one step over all ten": one_step,
    "ten steps with a wait after each": with_waits,
}


def costs() -> dict[str, list[int]]:
    text = (DOCS / "deploy.md").read_text(encoding="utf-8")
    table = text.partition("| ten items |")[2].partition("\n\n")[0]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {name: [int(cell) for cell in cells] for name, *cells in lines}


def test_each_row_of_the_costs_has_a_program() -> None:
    assert list(costs()) == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_what_a_workflow_costs(row: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    checkpoint = Emulator.checkpoint

    def counted(emulator: Emulator, request: Any) -> Any:
        calls.append(request)
        return checkpoint(emulator, request)

    monkeypatch.setattr(Emulator, "checkpoint", counted)
    ran = rig_of(ROWS[row]).run({})
    assert ran.status == "SUCCEEDED"
    operations = [kind for kind in ran.types() if kind.endswith("Started")]
    assert [len(operations) - 1, len(calls), ran.invocations] == costs()[row]
