"""``@durable_execution``: its functions and options, and the events that the handler accepts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from tests.rig import Rig, rig_of, run_workflow

from durable_execution_sdk import (
    ConfigError,
    DurableContext,
    DurableHandler,
    InvocationError,
    durable_execution,
)
from durable_execution_sdk.runtime.event_loop.environment import Environment
from durable_execution_sdk.testing import MockDurableServiceClient


async def workflow(event: Any, ctx: DurableContext) -> Any:
    return event


def not_async(event: Any, ctx: DurableContext) -> Any:
    return event


async def one(event: Any) -> Any:
    return event


async def three(event: Any, ctx: DurableContext, more: int) -> Any:
    return event


async def optional_third(event: Any, ctx: DurableContext, more: int = 0) -> Any:
    return event


async def keywords(*, event: Any, ctx: DurableContext) -> Any:
    return event


async def generator(event: Any, ctx: DurableContext) -> Any:
    yield event


class NotAFunction:
    pass


@pytest.mark.parametrize(
    "function", [not_async, one, three, optional_third, keywords, generator, NotAFunction, 5]
)
def test_only_a_coroutine_function_of_two_parameters_can_be_decorated(
    function: Any,
) -> None:
    with pytest.raises(ConfigError, match=r"async def handler\(event, ctx\)"):
        durable_execution(function)
    with pytest.raises(ConfigError, match=r"async def handler\(event, ctx\)"):
        durable_execution(deadline_margin=1)(function)


@pytest.mark.parametrize(
    "options",
    [
        {"client": object()},
        {"serdes": object()},
        {"default_retry": 3},
        {"checkpointing": "EAGER"},
        {"replay_logging": "ALL"},
        {"deadline_margin": -1},
        {"deadline_margin": "2"},
        {"logger": "name"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_a_wrong_option_is_refused_when_the_module_is_loaded(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        durable_execution(**options)


def test_the_undecorated_function_stays_reachable() -> None:
    handler = durable_execution(workflow)
    assert isinstance(handler, DurableHandler)
    assert handler.__wrapped__ is workflow
    assert handler.__name__ == "workflow"
    assert handler.__qualname__ in repr(handler)


@dataclass
class Order:
    id: str
    amount: float


def test_the_event_is_decoded_into_the_annotated_type_and_the_result_encoded() -> None:
    async def typed(event: Order, ctx: DurableContext) -> Order:
        assert type(event) is Order
        return Order(event.id, event.amount * 2)

    typed.__annotations__ |= {"event": Order, "return": Order}
    ran = run_workflow(typed, {"id": "a", "amount": 1.5})
    assert ran.result == {"id": "a", "amount": 3.0}


def test_an_event_that_does_not_fit_fails_the_execution_readably() -> None:
    async def typed(event: Order, ctx: DurableContext) -> None:
        raise AssertionError

    typed.__annotations__["event"] = Order
    ran = run_workflow(typed, {"id": "a"})
    assert ran.status == "FAILED"
    assert ran.error.error_type == "SerDesError"
    assert "typed" in ran.error.error_message
    assert "amount" in ran.error.error_message


def test_a_result_that_is_not_json_fails_the_execution() -> None:
    async def odd(event: Any, ctx: DurableContext) -> Any:
        return object()

    ran = run_workflow(odd)
    assert (ran.status, ran.error.error_type) == ("FAILED", "SerDesError")


@pytest.mark.parametrize("event", [{}, {"orderId": 1}, [], "text", None, {"CheckpointToken": 5}])
def test_an_event_of_another_kind_is_refused_with_the_fix(event: Any) -> None:
    with pytest.raises(InvocationError, match="durable run"):
        durable_execution(workflow)(event, None)


def test_the_input_stays_reachable_as_text() -> None:
    async def look(event: Any, ctx: DurableContext) -> Any:
        return [ctx.original_input, ctx.execution_arn.count(":"), ctx.lambda_context.function_name]

    text, colons, name = run_workflow(look, {"a": 1}).result
    assert text == '{"a": 1}'
    assert colons == 7
    assert name == "workflow"


def test_a_handler_may_be_called_where_a_loop_runs() -> None:
    async def script() -> Any:
        return rig_of(workflow).run(5).result

    assert asyncio.run(script()) == 5


def test_an_uncaught_failure_fails_the_execution_with_type_message_stack_and_data() -> None:
    async def raises(event: Any, ctx: DurableContext) -> None:
        raise LookupError("nothing", 5)

    error = run_workflow(raises).error
    assert error.error_type == "LookupError"
    assert error.error_message == "('nothing', 5)"
    assert "raises" in error.stack_trace[-1]
    assert '"args":["nothing",5]' in error.error_data


def test_an_interrupt_leaves_nothing_to_the_next_invocation() -> None:
    seen: list[str] = []

    async def interrupted(event: Any, ctx: DurableContext) -> str:
        async def side() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                seen.append("unwound")

        task = asyncio.create_task(side())
        await asyncio.sleep(0)
        if len(seen) < 2:
            raise KeyboardInterrupt
        return str(task.done())

    rig = Rig(durable_execution(interrupted))
    arn = rig.start()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):  # that stops the emulator too
            rig.drive(arn)
    ran = rig.drive(arn)
    assert ran.result == "False"
    assert seen == ["unwound"] * 3


class Unusual(BaseException):
    """A ``BaseException`` that is neither an error nor the end of the process."""


@pytest.mark.parametrize("kind", [Unusual, GeneratorExit, SystemExit, KeyboardInterrupt])
def test_an_exit_in_a_body_ends_the_invocation_and_not_the_execution(kind: Any) -> None:
    runs: list[int] = []

    async def body() -> int:
        runs.append(1)
        await asyncio.sleep(0)
        if len(runs) == 1:
            raise kind
        return len(runs)

    async def interrupted(event: Any, ctx: DurableContext) -> int:
        return await ctx.step(body)

    rig = Rig(durable_execution(interrupted))
    arn = rig.start()
    with suppress(GeneratorExit, KeyboardInterrupt):  # those stop the emulator too
        rig.drive(arn)
    ran = rig.drive(arn)
    assert ran.result == 2, ran.error
    assert ran.status == "SUCCEEDED"


@pytest.mark.parametrize("where", ["step", "thread"])
def test_a_workflow_may_run_another_handler_in_a_thread(where: str) -> None:
    async def body() -> int:
        await asyncio.sleep(0.001)
        return 1

    async def inner(event: Any, ctx: DurableContext) -> int:
        async with asyncio.timeout(60):
            return await ctx.step(body)

    async def outer(event: Any, ctx: DurableContext) -> int:
        def run() -> int:
            result: int = run_workflow(inner).result
            return result

        return await (ctx.step(run) if where == "step" else asyncio.to_thread(run))

    assert run_workflow(outer).result == 1


def test_ctrl_c_that_hits_the_invocation_itself_ends_it() -> None:
    def press(_request: Any) -> Any:
        raise KeyboardInterrupt

    client = MockDurableServiceClient()
    client.on_get_state.answer_by(press)
    handler = durable_execution(workflow)
    with pytest.raises(KeyboardInterrupt):
        client.invoke(handler, 1, next_marker="more")
    assert client.invoke(handler, 1).result == "1"


def test_ctrl_c_that_hits_the_invocation_itself_unwinds_the_rest() -> None:
    unwound: list[str] = []

    async def beside() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            unwound.append("beside")

    async def main() -> None:
        task = asyncio.create_task(beside())
        await asyncio.sleep(0)
        assert not task.done()
        raise KeyboardInterrupt

    made = Environment()
    with pytest.raises(KeyboardInterrupt):
        made.run(main())
    assert unwound == ["beside"]
    assert made.loop.is_closed()
