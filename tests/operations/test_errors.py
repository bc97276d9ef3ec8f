"""Failures: the exception that the workflow sees, on the first run and on every replay."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest
from tests.rig import run_workflow

from durable_execution_sdk import (
    ChildConfig,
    ChildContextError,
    DurableContext,
    Duration,
    NoRetry,
    OperationError,
    StepConfig,
    StepError,
)

ONE_TRY = StepConfig(retry_strategy=NoRetry())


class CardDeclined(Exception):
    """An exception with an ``__init__`` of its own."""

    def __init__(self, code: str, *, amount: float, tags: tuple[str, ...] = ()) -> None:
        super().__init__(f"declined: {code}")
        self.code = code
        self.amount = amount
        self.tags = tags

    def __str__(self) -> str:
        return f"card declined with {self.code}"


class Stolen(CardDeclined):
    pass


@dataclass
class Coded(Exception):
    code: int


class Holding(Exception):
    """An exception with an attribute that JSON cannot hold."""

    def __init__(self) -> None:
        super().__init__("holds")
        self.socket = object()


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class NeedsArguments(Exception):
    def __new__(cls, a: int, b: int) -> NeedsArguments:
        return super().__new__(cls, a, b)


class Quarrelsome(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__("q")
        self.value = value

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    __hash__ = None  # type: ignore[assignment]


def observed(error: Exception) -> tuple[list[Exception], Any]:
    """Return the exceptions that the workflow catches on the first run and on a replay."""
    seen: list[Exception] = []

    async def fails() -> None:
        raise error

    async def workflow(event: Any, ctx: DurableContext) -> None:
        try:
            await ctx.step(fails, config=ONE_TRY)
        except StepError as caught:
            seen.append(caught)
        await ctx.wait(Duration.from_seconds(1))

    ran = run_workflow(workflow)
    assert ran.status == "SUCCEEDED", ran.error
    assert len(seen) == 2
    return seen, ran


FAITHFUL = [
    ValueError("simple"),
    KeyError("k"),
    LookupError(),
    ValueError(1, "two", None, [3, {"four": 5}], 6.5),
    ValueError((1, ("a", b"\xff"))),
    CardDeclined("stolen", amount=3.5),
    Stolen("lost", amount=1, tags=("a", "b")),
    Coded(code=7),
    OSError(2, "No such file", "/x"),
    OSError(18, "Cross-device", "/a", None, "/b"),
    FileNotFoundError(2, "No such file", "/x"),
    ConnectionRefusedError(111, "refused"),
    OSError("only a message"),
    TimeoutError(),
    socket.gaierror(-2, "Name or service not known"),
    UnicodeDecodeError("utf-8", b"\xff\x00", 0, 1, "invalid start byte"),
    UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range"),
    ImportError("cannot import", name="n", path="p"),
    ModuleNotFoundError("No module named 'm'", name="m"),
    AttributeError("no attribute", name="a"),
    NameError("not defined", name="n"),
    SyntaxError("bad", ("f.py", 1, 2, "text", 1, 3)),
    ZeroDivisionError("division by zero"),
    json.JSONDecodeError("Expecting value", "doc", 0),
    subprocess.CalledProcessError(3, ["cmd", "x"], b"out", "err"),
    NeedsArguments(1, 2),
    AssertionError("assert 1 == 2"),
    RecursionError("maximum recursion depth exceeded"),
]


@pytest.mark.parametrize("error", FAITHFUL, ids=repr)
def test_the_error_is_an_instance_of_the_raised_class_with_its_attributes(error: Exception) -> None:
    seen, _ = observed(error)
    for caught in seen:
        assert isinstance(caught, StepError)
        assert isinstance(caught, type(error))
        assert type(caught).__name__ == type(error).__name__
        assert caught.error_type == type(error).__name__
        assert str(caught) == str(error)
        assert caught.args == error.args
        for name in ("errno", "strerror", "filename", "filename2", "encoding", "object", "reason"):
            assert getattr(caught, name, None) == getattr(error, name, None)
        for name in ("name", "path", "lineno", "offset", "text", "print_file_and_line"):
            assert getattr(caught, name, None) == getattr(error, name, None)
        for name, value in vars(error).items():
            assert getattr(caught, name) == value
            assert type(getattr(caught, name)) is type(value)


IN_PART = [
    Holding(),
    ValueError(object()),
    ValueError(float("nan")),
    ValueError({1: "int key"}),
    ValueError("\udc80"),
    Quarrelsome(object()),
    type("Local", (Exception,), {})("unknown class"),
    CardDeclined("x" * 20_000, amount=1),
]


@pytest.mark.parametrize("error", IN_PART, ids=lambda error: type(error).__name__)
def test_an_error_that_is_recorded_in_part_keeps_its_class(error: Exception) -> None:
    first, second = observed(error)[0]
    for caught in (first, second):
        assert isinstance(caught, StepError)
        assert isinstance(caught, type(error))
        assert caught.error_type == type(caught).__name__ == type(error).__name__
        assert caught.error_message == str(caught)
    assert str(first) == str(second)
    assert vars(first) == vars(second)


def test_a_group_is_also_a_group_with_its_members() -> None:
    inner = ExceptionGroup("inner", [CardDeclined("deep", amount=3), ValueError(object())])
    group = ExceptionGroup("many", [LookupError("a"), inner])
    for caught in observed(group)[0]:
        assert isinstance(caught, StepError)
        assert isinstance(caught, ExceptionGroup)
        assert str(caught) == str(group)
        message = str(group.exceptions[1].exceptions[1])
        assert caught.error_message == (
            f"{group}: LookupError: a; CardDeclined: card declined with deep; ValueError: {message}"
        )
        lookup, rest = caught.split(LookupError)
        assert [str(e) for e in lookup.exceptions] == ["a"]
        ((declined, plain),) = (e.exceptions for e in rest.exceptions)
        assert isinstance(declined, CardDeclined)
        assert (declined.code, declined.amount) == ("deep", 3)
        assert isinstance(plain, ValueError)
        assert (isinstance(plain, OperationError), plain.error_type) == (True, "ValueError")


def test_a_task_group_that_fails_tells_which_tasks_did_and_where() -> None:
    async def fails(n: int) -> None:
        raise CardDeclined(f"card {n}", amount=n)

    async def child(ctx: DurableContext) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails(1))
            group.create_task(fails(2))

    async def workflow(event: Any, ctx: DurableContext) -> None:
        amounts = []
        try:
            await ctx.run_in_child_context(child)
        except* CardDeclined as declined:
            amounts += [error.amount for error in declined.exceptions]
        await ctx.wait(Duration.from_seconds(1))
        assert amounts == [1, 2]
        await child(ctx)

    ran = run_workflow(workflow)
    assert ran.error.error_type == "ExceptionGroup"
    assert "CardDeclined: card declined with card 1; CardDeclined:" in ran.error.error_message
    trace = "\n".join(ran.error.stack_trace)
    assert trace.count("raise CardDeclined") == 2
    assert trace.index("CardDeclined: card declined with card 1") < trace.index("in fails")


def test_a_message_that_cannot_be_told_does_not_keep_a_step_from_failing() -> None:
    seen, _ = observed(Unprintable("x"))
    assert [error.error_message for error in seen if isinstance(error, StepError)] == [
        "<its message cannot be told: RuntimeError in __str__>"
    ] * 2


def test_first_run_and_replay_raise_the_same_thing() -> None:
    first, second = observed(CardDeclined("a", amount=1))[0]
    assert type(first) is type(second)
    assert vars(first) == vars(second)
    assert first.args == second.args


def test_the_wire_error_is_whole() -> None:
    _, ran = observed(CardDeclined("stolen", amount=2))
    failed = next(e for e in ran.events if e.event_type == "StepFailed")
    error = failed.step_failed_details.error.payload
    assert error.error_type == "CardDeclined"
    assert error.error_message == "card declined with stolen"
    assert "raise error" in error.stack_trace[-1]
    assert not any("durable_execution_sdk" in context_state for context_state in error.stack_trace)
    assert json.loads(error.error_data)["attributes"]["code"] == "stolen"


def test_a_message_that_is_very_long_is_cut_in_the_log() -> None:
    seen, _ = observed(ValueError("x" * 1_000_000))
    assert len(str(seen[0])) < 10_000
    assert "more characters" in str(seen[0])


def test_an_error_keeps_its_class_through_nested_contexts_and_out_of_the_execution() -> None:
    caught: list[Any] = []

    async def fails() -> None:
        raise CardDeclined("deep", amount=9)

    async def inner(ctx: DurableContext) -> None:
        await ctx.step(fails, config=ONE_TRY)

    async def outer(ctx: DurableContext) -> None:
        await ctx.run_in_child_context(inner)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        try:
            await ctx.run_in_child_context(outer)
        except CardDeclined as error:
            caught.append(error)
            raise

    ran = run_workflow(workflow)
    (error,) = caught
    assert isinstance(error, ChildContextError)
    assert isinstance(error, StepError)
    assert (error.code, error.amount) == ("deep", 9)
    assert error.operation_name == "outer"
    assert ran.error.error_type == "CardDeclined"


def test_an_operation_error_names_its_operation() -> None:
    caught = observed(ValueError("x"))[0][0]
    assert isinstance(caught, OperationError)
    assert caught.operation_name == "fails"
    assert len(caught.operation_id or "") == 64


def test_an_error_mapper_decides_what_is_recorded_and_raised() -> None:
    async def child(ctx: DurableContext) -> None:
        raise CardDeclined("a", amount=1)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        caught_errors = []
        for virtual in (False, True):
            config = ChildConfig(error_mapper=lambda e: KeyError(str(e)), virtual=virtual)
            try:
                await ctx.run_in_child_context(child, config=config)
            except KeyError as error:
                caught_errors.append([type(error).__name__, isinstance(error, ChildContextError)])
        return caught_errors

    assert run_workflow(workflow).result == [["KeyError", True], ["KeyError", False]]


def raises(error: Exception) -> Exception:
    raise ZeroDivisionError("mapper")


def returns_text(error: Exception) -> Any:
    return "text"


def returns_stop(error: Exception) -> Exception:
    return StopIteration("stop")


@pytest.mark.parametrize("virtual", [False, True])
@pytest.mark.parametrize("mapper", [raises, returns_text, returns_stop])
def test_an_error_mapper_that_misbehaves_is_an_error_and_no_hang(
    mapper: Any, virtual: bool
) -> None:
    async def child(ctx: DurableContext) -> None:
        raise CardDeclined("a", amount=1)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = ChildConfig(error_mapper=mapper, virtual=virtual)
        await ctx.run_in_child_context(child, name="c", config=config)

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    assert ran.invocations == 1
    assert (
        ran.error.error_type
        in {
            "raises": ("ZeroDivisionError",),
            "returns_text": ("ConfigError",),
            "returns_stop": ("StopIteration", "RuntimeError"),
        }[mapper.__name__]
    )
