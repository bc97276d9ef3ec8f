"""A name without an input means an execution that exists, or a new one whose input is none."""

from __future__ import annotations

import pytest
from tests.cli.command import Durable, Write

ANY = """
    @durable_execution
    async def greet(event: dict[str, str], ctx: DurableContext) -> str:
        return "hello"

    @durable_execution
    async def other(event: object, ctx: DurableContext) -> str:
        return "other"
"""

TYPED = """
    from dataclasses import dataclass
    from typing import Any

    @dataclass
    class Order:
        id: int
        kind: str = "retail"

    class Lenient:
        def serialize(self, value: Any, context: SerDesContext) -> str:
            return repr(value)

        def deserialize(self, payload: str, context: SerDesContext) -> Any:
            return payload

    @durable_execution
    async def order(event: Order, ctx: DurableContext) -> int:
        return event.id

    @durable_execution
    async def text(event: str, ctx: DurableContext) -> str:
        return event

    @durable_execution
    async def optional(event: Order | dict[str, int], ctx: DurableContext) -> str:
        return "fine"

    @durable_execution(serdes=Lenient())
    async def lenient(event: Order, ctx: DurableContext) -> str:
        return "read"
"""


@pytest.mark.parametrize(
    ("existing", "typed"),
    [
        ("order-first", "order-frist"),
        ("order-first", "order-firs"),
        ("order-first", "oder-first"),
        ("hello", "helo"),
        ("order-7-eu", "ordre-7-eu"),
    ],
)
def test_a_mistyped_name_starts_nothing_and_the_right_one_is_named(
    durable: Durable, write: Write, existing: str, typed: str
) -> None:
    target = f"{write(ANY)}:greet"
    assert durable("run", target, "--name", existing).code == 0
    refused = durable("run", target, "--name", typed)
    assert (refused.code, refused.out) == (2, "")
    assert f"there is no execution '{typed}' of greet" in refused.err
    assert f"did you mean '{existing}'?" in refused.err
    assert [each["durable_execution_name"] for each in durable("list", "--json").document] == [
        existing
    ]
    # The way that the message shows.
    assert "--input '{}'" in refused.err
    assert durable("run", target, "--name", typed, "--input", "{}").code == 0


@pytest.mark.parametrize(
    ("existing", "fresh"),
    [
        ("order-1", "order-2"),
        ("o1", "o11"),
        ("order", "order-2"),
        ("first", "second"),
        ("2026-01-31", "2026-02-01"),
    ],
)
def test_a_new_name_of_a_series_needs_no_input(
    durable: Durable, write: Write, existing: str, fresh: str
) -> None:
    target = f"{write(ANY)}:greet"
    assert durable("run", target, "--name", existing).code == 0
    assert durable("run", target, "--name", fresh).result == "hello"


def test_names_of_other_functions_are_not_meant(durable: Durable, write: Write) -> None:
    file = write(ANY)
    assert durable("run", f"{file}:other", "--name", "order-first").code == 0
    assert durable("run", f"{file}:greet", "--name", "order-firs").code == 0


def test_names_that_were_made_are_never_taken_for_mistyped(durable: Durable, write: Write) -> None:
    target = f"{write(ANY)}:greet"
    durable("run", target)
    made = durable("list", "--json").document[0]["durable_execution_name"]
    # An existing execution whose name is nearly each name that is made for this function.
    for letter in "abcdef":
        durable("run", target, "--name", made[:-8] + letter * 8, "--input", "{}")
    for _ in range(3):
        assert durable("run", target).code == 0


@pytest.mark.parametrize(
    ("function", "parameter"), [("order", "event: Order"), ("text", "event: str")]
)
@pytest.mark.parametrize("name", [(), ("--name", "n")])
def test_a_workflow_that_needs_an_input_is_not_started_without_one(
    durable: Durable, write: Write, function: str, parameter: str, name: tuple[str, ...]
) -> None:
    file = write(TYPED)
    refused = durable("run", f"{file}:{function}", *name)
    assert (refused.code, refused.out) == (2, "")
    assert f"{function} needs an input, for '{parameter}': --input JSON" in refused.err
    assert durable("list", "--json").document == []
    refused = durable("run", f"{file}:{function}", *name, "--input", "{}")
    assert (refused.code, refused.out) == (2, "")
    assert f"no execution was started: the input, for {parameter}: " in refused.err


@pytest.mark.parametrize(
    "typed", ['{"ids": 7}', '{"id": "seven"}', "[]", "null", '{"id": 7, "kind": {}}']
)
def test_an_input_that_does_not_fit_takes_no_name(
    durable: Durable, write: Write, typed: str
) -> None:
    target = f"{write(TYPED)}:order"
    refused = durable("run", target, "--name", "n", "--input", typed)
    assert (refused.code, refused.out) == (2, "")
    assert "no execution was started: the input, for event: Order: " in refused.err
    assert durable("list", "--json").document == []
    assert durable("run", target, "--name", "n", "--input", '{"id": 7}').result == 7


def test_a_serdes_of_the_users_own_decides_itself(durable: Durable, write: Write) -> None:
    assert durable("run", f"{write(TYPED)}:lenient", "--name", "n", "--input", "[]").code == 0


@pytest.mark.parametrize("function", ["optional", "lenient"])
def test_a_workflow_that_takes_an_empty_input_is_started_without_one(
    durable: Durable, write: Write, function: str
) -> None:
    assert durable("run", f"{write(TYPED)}:{function}", "--name", "n").code == 0


def test_an_execution_that_exists_needs_no_input(durable: Durable, write: Write) -> None:
    target = f"{write(TYPED)}:order"
    durable("run", target, "--name", "n", "--input", '{"id": 7}')
    assert durable("run", target, "--name", "n").result == 7


def test_the_last_execution_and_an_arn_are_names_too(durable: Durable, write: Write) -> None:
    target = f"{write(TYPED)}:order"
    refused = durable("run", target, "--name", "@last")
    assert (refused.code, "there is no store" in refused.err) == (2, True)
    durable("run", target, "--name", "n", "--input", '{"id": 7}')
    arn = durable("show", "n", "--json").document["durable_execution_arn"]
    for reference in ("@last", arn):
        assert durable("run", target, "--name", reference).result == 7
    other = durable("run", "app.py:text", "--name", "@last")
    assert "the name 'n' belongs to an execution of order" in other.err
    assert len(durable("list", "--json").document) == 1


@pytest.mark.parametrize("command", ["show", "history", "stop", "delete", "fork", "time"])
def test_a_mistyped_name_of_any_command_says_which_is_meant(
    durable: Durable, write: Write, command: str
) -> None:
    target = f"{write(ANY)}:greet"
    durable("run", target, "--name", "order-first")
    refused = durable(command, "order-frist")
    assert refused.code == 2
    assert "there is no execution 'order-frist'" in refused.err
    assert "did you mean 'order-first'? `durable list` shows those that are there" in refused.err
    assert "did you mean" not in durable(command, "another").err
