"""Answers from outside: an unreadable one raises where it is awaited, or is refused when it is sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
from tests.rig import Rig, rig_of

from durable_execution_sdk import (
    CallbackConfig,
    CallbackError,
    ChildContextError,
    DurableContext,
    Duration,
    InvokeConfig,
    InvokeError,
    NoRetry,
    SerDesContext,
    ServiceError,
    WaitForCallbackConfig,
    durable_execution,
)
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.ports import EXPECTED_ANSWERS, ExpectedAnswers
from durable_execution_sdk.testing import LocalDurableTestRunner

SECOND = Duration.from_seconds(1)
WRONG = b'{"items":[{"pay":1},{"pay":"much"}]}'


@dataclass
class Item:
    pay: int


class Choice(Enum):
    YES = "yes"
    NO = "no"


@dataclass
class Decision:
    items: list[Item]


class Strict:
    """A serdes that reads nothing but ``yes``."""

    def serialize(self, value: Any, context: SerDesContext, /) -> str:
        return str(value)

    def deserialize(self, payload: str, context: SerDesContext, /) -> str:
        if payload != "yes":
            raise ValueError(f"{payload!r} is not yes")
        return payload


def callback_ids(rig: Rig, arn: str) -> list[str]:
    started = (event.callback_started_details for event in rig.events(arn))
    return [str(details.callback_id) for details in started if details is not None]


async def by_callback(ctx: DurableContext, name: str) -> Any:
    callback = await ctx.create_callback(name, config=CallbackConfig(result_type=Decision))
    return await callback


async def by_wait_for_callback(ctx: DurableContext, name: str) -> Any:
    config = WaitForCallbackConfig(result_type=Decision)
    return await ctx.wait_for_callback(lambda _: None, name=name, config=config)


async def by_enum(ctx: DurableContext, name: str) -> Any:
    config = WaitForCallbackConfig(result_type=list[Choice | None])
    return await ctx.wait_for_callback(lambda _: None, name=name, config=config)


async def by_one_of(ctx: DurableContext, name: str) -> Any:
    callback = await ctx.create_callback(name, config=CallbackConfig(result_type=Choice))
    return await callback


async def by_serdes(ctx: DurableContext, name: str) -> Any:
    config: WaitForCallbackConfig[Any] = WaitForCallbackConfig(serdes=Strict())
    return await ctx.wait_for_callback(lambda _: None, name=name, config=config)


async def by_callback_serdes(ctx: DurableContext, name: str) -> Any:
    config: CallbackConfig[Any] = CallbackConfig(serdes=Strict())
    return await (await ctx.create_callback(name, config=config))


@pytest.mark.parametrize(
    ("ask", "wrong", "right", "reason"),
    [
        (by_callback, WRONG, b'{"items":[]}', "Expected `int`, got `str` - at `$.items[1].pay`"),
        (by_callback, b"maybe", b'{"items":[]}', "is not JSON"),
        (by_callback, None, b'{"items":[]}', "CallbackSerDes(Decision) does not read None"),
        (by_wait_for_callback, WRONG, b'{"items":[]}', "at `$.items[1].pay`"),
        (by_enum, b'["yes","maybe"]', b"[]", '\'maybe\', expected "yes" or "no" - at `$[1]`'),
        (by_one_of, b'"maybe"', b"yes", '\'maybe\', expected "yes" or "no" - at `$`'),
        (by_one_of, b"maybe", b'"no"', '\'maybe\', expected "yes" or "no" - at `$`'),
        (by_serdes, b"no", b"yes", "'no' is not yes"),
        (by_callback_serdes, b"no", b"yes", "'no' is not yes"),
    ],
)
def test_an_answer_that_does_not_fit_can_be_caught_and_asked_for_again(
    ask: Any, wrong: bytes | None, right: bytes, reason: str
) -> None:
    seen: list[tuple[str, ...]] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            await ask(ctx, "first")
        except CallbackError as error:
            seen.append((type(error).__name__, str(error), error.error_type, str(error.args)))
            assert type(error).__name__ == "CallbackError"
        await ask(ctx, "second")
        await ctx.wait(SECOND)
        return "decided"

    rig = rig_of(workflow)
    arn = rig.start()
    for answer in (wrong, right):
        rig.driver.run_until(lambda: False, family=arn, wait=False)
        rig.emulator.callback_success(callback_ids(rig, arn)[-1], answer)
    ran = rig.drive(arn)
    assert (ran.status, ran.result) == ("SUCCEEDED", "decided")
    assert len(seen) >= 3
    assert len(set(seen)) == 1, "the first run and replay differ"
    _, message, error_type, _ = seen[0]
    assert error_type == "CallbackError"
    assert "first" in message
    assert reason in message
    assert ("To ask again, catch this CallbackError and start" in message) is (
        "is not yes" not in reason
    )


@pytest.mark.parametrize("ask", [by_callback, by_wait_for_callback])
def test_uncaught_it_fails_the_execution_by_name(ask: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ask(ctx, "decide")

    rig = rig_of(workflow)
    arn = rig.start()
    rig.driver.run_until(lambda: False, family=arn, wait=False)
    rig.emulator.callback_success(callback_ids(rig, arn)[0], WRONG)
    ran = rig.drive(arn)
    assert (ran.status, ran.error.error_type) == ("FAILED", "CallbackError")
    assert "decide" in ran.error.error_message


def test_a_failed_sibling_context_can_catch_it_too() -> None:
    async def inner(ctx: DurableContext) -> Any:
        return await by_callback(ctx, "inside")

    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            await ctx.run_in_child_context(inner)
        except ChildContextError as error:
            return str(isinstance(error, CallbackError))
        return "not reached"

    rig = rig_of(workflow)
    arn = rig.start()
    rig.driver.run_until(lambda: False, family=arn, wait=False)
    rig.emulator.callback_success(callback_ids(rig, arn)[0], WRONG)
    assert rig.drive(arn).result == "True"


def test_a_result_of_another_function_that_does_not_fit_can_be_caught() -> None:
    seen: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        config = InvokeConfig(result_type=Decision)
        try:
            await ctx.invoke("answers", name="ask", config=config)
        except InvokeError as error:
            seen.append(f"{type(error).__name__} {error.error_type} {error}")
        await ctx.wait(SECOND)
        return "went on"

    rig = rig_of(workflow, plain={"answers": lambda event, context: {"items": [{"pay": "much"}]}})
    ran = rig.run()
    assert (ran.status, ran.result) == ("SUCCEEDED", "went on")
    assert len(seen) >= 2
    assert len(set(seen)) == 1
    assert seen[0].startswith("InvokeError InvokeError operation 'ask' (")
    assert "at `$.items[0].pay`" in seen[0]
    assert "To ask again, catch this InvokeError" in seen[0]


@durable_execution
async def decides(event: Any, ctx: DurableContext) -> int:
    decision = await by_callback(ctx, "decide")
    return len(decision.items)


@durable_execution
async def catches(event: Any, ctx: DurableContext) -> str:
    try:
        await by_wait_for_callback(ctx, "decide")
    except CallbackError:
        return "caught"
    return "not reached"


def test_the_runner_refuses_an_answer_that_the_waiting_code_cannot_read() -> None:
    runner = LocalDurableTestRunner(decides).sync
    runner.start()
    pending = runner.wait_for_callback("decide")
    with pytest.raises(ServiceError, match=r"cannot read this: .*\$\.items\[0\]\.pay") as caught:
        pending.succeed({"items": [{"pay": "much"}]})
    assert caught.value.code == "InvalidParameterValueException"
    with pytest.raises(ServiceError, match="cannot read this"):
        pending.succeed()
    pending.succeed({"items": [{"pay": 1}]})
    assert runner.complete().result == 1


def test_a_test_may_send_it_all_the_same() -> None:
    runner = LocalDurableTestRunner(catches).sync
    runner.start()
    runner.wait_for_callback("decide").succeed({"items": 5}, check=False)
    assert runner.complete().result == "caught"


def test_the_api_of_the_local_engine_refuses_it() -> None:
    rig = rig_of(decides.__wrapped__)
    arn = rig.start()
    rig.driver.run_until(lambda: False, family=arn, wait=False)
    (callback_id,) = callback_ids(rig, arn)
    control = EmulatorControlPlane(rig.driver)
    with pytest.raises(ServiceError, match="cannot read this"):
        asyncio.run(control.callback_success(callback_id, WRONG))
    asyncio.run(control.callback_success(callback_id, b'{"items":[]}'))
    assert rig.drive(arn).result == 0


def test_an_answer_to_code_of_another_process_is_taken() -> None:
    rig = rig_of(decides.__wrapped__)
    arn = rig.start()
    rig.driver.run_until(lambda: False, family=arn, wait=False)
    (callback_id,) = callback_ids(rig, arn)
    EXPECTED_ANSWERS.forget(callback_id)  # as in a process that never ran the code
    asyncio.run(EmulatorControlPlane(rig.driver).callback_success(callback_id, WRONG))
    assert rig.drive(arn).status == "FAILED"


def test_expected_answers_are_kept_for_the_latest_callbacks_only() -> None:
    expected = ExpectedAnswers()
    for number in range(ExpectedAnswers.MOST + 1):
        expected.expect(str(number), lambda answer: int(answer or b""))
    expected.check("0", b"not a number")
    with pytest.raises(ValueError, match="invalid literal"):
        expected.check("1", b"not a number")


def test_a_wrong_answer_does_not_cost_a_retry_of_the_step() -> None:
    runs = []

    async def submit(callback_id: str) -> None:
        runs.append(callback_id)

    async def workflow(event: Any, ctx: DurableContext) -> str:
        config = WaitForCallbackConfig(result_type=Decision, retry_strategy=NoRetry())
        try:
            await ctx.wait_for_callback(submit, name="decide", config=config)
        except CallbackError:
            return "caught"
        return "not reached"

    rig = rig_of(workflow)
    arn = rig.start()
    rig.driver.run_until(lambda: False, family=arn, wait=False)
    rig.emulator.callback_success(callback_ids(rig, arn)[0], WRONG)
    assert rig.drive(arn).result == "caught"
    assert len(runs) == 1


class Unreadable:
    pass


@pytest.mark.parametrize("kind", ["callback", "wait_for_callback", "invoke", "step"])
def test_a_type_that_cannot_be_read_is_refused_by_operation_before_anything_is_recorded(
    kind: str,
) -> None:
    def load() -> list[Unreadable]:
        raise AssertionError("ran")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        match kind:
            case "callback":
                callback: CallbackConfig[Any] = CallbackConfig(result_type=list[Unreadable])  # type: ignore[arg-type]
                await ctx.create_callback("load", config=callback)
            case "wait_for_callback":
                wait: WaitForCallbackConfig[Any] = WaitForCallbackConfig(
                    result_type=list[Unreadable]  # type: ignore[arg-type]
                )
                await ctx.wait_for_callback(lambda _: None, name="load", config=wait)
            case "invoke":
                invoke: InvokeConfig[Any] = InvokeConfig(result_type=list[Unreadable])  # type: ignore[arg-type]
                await ctx.invoke("f", name="load", config=invoke)
            case _:
                await ctx.step(load)

    ran = rig_of(workflow).run()
    assert (ran.status, ran.error.error_type) == ("FAILED", "ConfigError")
    assert "load" in ran.error.error_message
    assert "$[...] is Unreadable, which has no form in JSON" in ran.error.error_message
    assert ran.types() == ["ExecutionStarted", "InvocationCompleted", "ExecutionFailed"]
