"""The questions of callbacks are shown with the callbacks that wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from tests.cli.command import Durable, Write

from durable_execution_sdk.agents import Decision
from durable_execution_sdk.dev.schemas.one_line import in_one_line
from durable_execution_sdk.dev.schemas.type_schemas import type_schema

FLOWS = """
    @durable_execution
    async def asks(event, ctx):
        return await ctx.wait_for_callback(lambda callback_id: event, name="approval")
"""


def listed(durable: Durable, write: Write, about: str) -> list[str]:
    write(FLOWS)
    durable("run", "app.py:asks", "--name", "a", "--no-wait", "--input", about)
    shown = durable("show", "a").out
    lines = durable("callback", "list").out.splitlines()
    assert lines[0].split() == ["callback", "since", "until"]
    assert lines[1].startswith("a/approval ")
    assert all(f"a/approval {line.strip()}" in shown.splitlines() for line in lines[2:])
    return lines[2:]


@pytest.mark.parametrize(
    ("about", "line"),
    [
        ('{"question": "Pay?"}', "  asks: Pay?"),
        (
            '{"question": "Pay\\nit?", "about": {"amount": 90}}',
            '  asks: Pay it? {"amount": 90}',
        ),
        ('{"question": "Pay?", "amount": 90}', '  asks: Pay? {"amount": 90}'),
        ('{"amount": 90}', '  asks: {"amount": 90}'),
        ('"Pay?"', "  asks: Pay?"),
        ('{"question": 3}', '  asks: {"question": 3}'),
    ],
)
def test_a_question_stands_below_its_callback(
    durable: Durable, write: Write, about: str, line: str
) -> None:
    assert listed(durable, write, about) == [line]


def test_a_long_question_is_cut(durable: Durable, write: Write) -> None:
    (line,) = listed(durable, write, f'"{"long " * 200}"')
    assert line.endswith("…")
    assert len(line) == len("  asks: ") + 300


def test_a_submitter_without_a_result_adds_no_line(durable: Durable, write: Write) -> None:
    assert listed(durable, write, "null") == []


@dataclass
class Order:
    size: Literal["small", "big"]
    lines: list[Decision]


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (bool, "boolean"),
        (str, "string"),
        (Decision, '{"approved": boolean, "comment"?: string or null}'),
        (
            Order,
            '{"size": "small" or "big", "lines": [{"approved": boolean, "comment"?: string or null}, ...]}',
        ),
    ],
)
def test_the_shape_of_an_answer_fits_in_a_line(kind: type, shape: str) -> None:
    schema = type_schema(kind)
    assert schema is not None
    assert in_one_line(schema) == shape


@pytest.mark.parametrize("schema", ["", "[]", "{}", '{"$ref": "#/$defs/Lost"}'])
def test_a_schema_that_tells_nothing_is_any_json(schema: str) -> None:
    assert in_one_line(schema) == "JSON"


def test_a_schema_that_has_itself_ends() -> None:
    schema = '{"properties": {"next": {"$ref": "#"}}}'
    assert in_one_line(schema).count("next") < 6
