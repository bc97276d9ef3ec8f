"""Functions with unfit parameters are refused in the operation's call, before anything is recorded."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from tests.rig import run_workflow

from durable_execution_sdk import (
    ConfigError,
    DurableContext,
    JsonSerDes,
    StepConfig,
    WaitForConditionConfig,
    poll_until,
)
from durable_execution_sdk.operations.lifecycle.argument_checks import arity_of


async def none() -> int:
    return 1


async def one(a: Any) -> int:
    return 1


def plain(a: Any, b: Any = 1) -> int:
    return 1


async def needs_keyword(*args: Any, key: int) -> int:
    return key


class Called:
    async def __call__(self, a: Any) -> int:
        return 1

    async def method(self, a: Any) -> int:
        return 1

    @classmethod
    async def of_class(cls, a: Any) -> int:
        return 1


class CalledStatically:
    @staticmethod
    async def __call__(a: Any) -> int:
        return 1


def injecting(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args: Any) -> Any:
        return await function("injected", *args)

    return wrapper


FITTING = [
    (none, ()),
    (one, (1,)),
    (plain, (1,)),
    (plain, (1, 2)),
    (functools.partial(plain, 1), ()),
    (functools.partial(plain, 1), (2,)),
    (functools.partial(plain, b=3), (1,)),
    (functools.partial(plain, a=3), ()),
    (functools.partial(needs_keyword, key=3), (1, 2, 3)),
    (functools.partial(functools.partial(plain, 1), b=2), ()),
    (Called(), (1,)),
    (Called().method, (1,)),
    (Called.of_class, (1,)),
    (CalledStatically(), (1,)),
    (injecting(one), ()),
    (lambda *_: 1, (1, 2, 3)),
    (lambda a, /, **_: 1, (1,)),
    (functools.partial(lambda a, /, **_: 1, a=1), (1,)),
    (str, ()),
    (len, ("",)),
    (divmod, (1, 2)),
]

WRONG = [
    (none, (1,)),
    (one, ()),
    (one, (1, 2)),
    (plain, ()),
    (plain, (1, 2, 3)),
    (functools.partial(plain, 1), (2, 3)),
    (functools.partial(plain, 1, 2), (3,)),
    (functools.partial(plain, b=3), (1, 2)),
    (functools.partial(plain, a=3), (1,)),
    (functools.partial(plain, c=3), (1,)),
    (functools.partial(lambda a, /: 1, a=1), (1,)),
    (needs_keyword, ()),
    (Called(), ()),
    (Called(), (1, 2)),
    (Called().method, (1, 2)),
    (Called.of_class, ()),
]


@pytest.mark.parametrize(("function", "args"), FITTING)
def test_arguments_that_fit_are_accepted(function: Any, args: Any) -> None:
    least, most = arity_of(function)
    assert least <= len(args) <= most
    result = function(*args)
    if hasattr(result, "close"):
        result.close()


@pytest.mark.parametrize(("function", "args"), WRONG)
def test_calls_that_are_refused_are_refused_by_python_too(function: Any, args: Any) -> None:
    least, most = arity_of(function)
    assert not least <= len(args) <= most
    with pytest.raises(TypeError):
        function(*args)


@pytest.mark.parametrize(("function", "args"), WRONG)
@pytest.mark.parametrize("config", [None, StepConfig(), StepConfig(serdes=JsonSerDes())])
def test_a_step_refuses_arguments_that_do_not_bind(function: Any, args: Any, config: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            await ctx.step(function, *args, config=config)
        except ConfigError as error:
            return str(error)
        raise AssertionError("taken")

    ran = run_workflow(workflow)
    assert ran.result.startswith("ctx.step calls ")
    assert f" with {len(args)} argument" in ran.result
    assert "StepStarted" not in ran.types()


def test_a_function_that_was_asked_before_is_checked_again() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(one, 1)
        await ctx.step(one, 1, 2)

    ran = run_workflow(workflow)
    assert ran.error.error_type == "ConfigError"
    assert ran.error.error_message.startswith(
        "ctx.step calls one with 2 arguments, and its parameters are (a"
    )
    assert ran.types().count("StepStarted") == 1


async def _compensated(ctx: DurableContext, *, late: bool) -> None:
    async with ctx.saga() as saga:
        if late:
            saga.add_compensation(one)
        else:
            await saga.step(one, 1, compensate=none)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (lambda ctx: ctx.map([1], one), "ctx.map calls one with (ctx, item, index)"),
        (lambda ctx: ctx.map([], one), "ctx.map calls one with (ctx, item, index)"),
        (lambda ctx: ctx.parallel([one, none]), "ctx.parallel calls none with (ctx)"),
        (lambda ctx: ctx.parallel({"a": none}), "ctx.parallel calls none with (ctx)"),
        (
            lambda ctx: ctx.run_in_child_context(one, 1, 2),
            "ctx.run_in_child_context calls one with its context and 2 arguments",
        ),
        (lambda ctx: ctx.run_in_child_context(none), "calls none with its context,"),
        (lambda ctx: ctx.with_retry(one, 1), "calls one with its context and 1 argument,"),
        (
            lambda ctx: ctx.wait_for_callback(one, 1),
            "calls one with the callback's id and 1 argument,",
        ),
        (
            lambda ctx: ctx.wait_for_condition(
                none,
                WaitForConditionConfig(initial_state=1, wait_strategy=poll_until(lambda _: True)),
            ),
            "ctx.wait_for_condition calls none with the state",
        ),
        (lambda ctx: _compensated(ctx, late=False), "calls none with the step's result"),
        (lambda ctx: _compensated(ctx, late=True), "calls one with 0 arguments"),
    ],
)
def test_other_operations_refuse_functions_that_do_not_fit(start: Any, message: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            await start(ctx)
        except ConfigError as error:
            return str(error)
        raise AssertionError("taken")

    ran = run_workflow(workflow)
    assert message in ran.result
    assert "its parameters are (" in ran.result
    assert {kind for kind in ran.types() if kind.endswith("Started")} == {"ExecutionStarted"}


async def _yields(ctx: DurableContext, *_: Any) -> Any:
    yield 1


def _yields_plainly(ctx: DurableContext, *_: Any) -> Any:
    yield 1


@pytest.mark.parametrize("function", [_yields, _yields_plainly, functools.partial(_yields)])
@pytest.mark.parametrize(
    "start",
    [
        lambda ctx, function: ctx.map([1], function),
        lambda ctx, function: ctx.parallel([function]),
        lambda ctx, function: ctx.run_in_child_context(function),
        lambda ctx, function: ctx.with_retry(function),
    ],
    ids=["map", "parallel", "child", "with_retry"],
)
def test_a_generator_is_no_function_of_a_context(start: Any, function: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await start(ctx, function)

    ran = run_workflow(workflow)
    assert "is a generator, whose code would never run" in ran.error.error_message
    assert "ContextStarted" not in ran.types()


@pytest.mark.parametrize("tolerant", ["map", "parallel"])
def test_a_batch_does_not_tolerate_a_plain_function(tolerant: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> int:
        if tolerant == "map":
            return len((await ctx.map([1, 2], lambda *_: 7)).results())  # type: ignore[arg-type]
        return len((await ctx.parallel([lambda _: 7])).results())  # type: ignore[arg-type]

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    assert ran.error.error_type == "ConfigError"
    assert "takes an async function (async def)" in ran.error.error_message
