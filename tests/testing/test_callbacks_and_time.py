"""Only the test answers callbacks and advances time."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from durable_execution_sdk import (
    CallbackConfig,
    CallbackExternalError,
    CallbackTimeoutError,
    ConfigError,
    Duration,
    ServiceError,
    StepConfig,
    WaitForCallbackConfig,
    durable_execution,
)
from durable_execution_sdk.retry import FixedDelay
from durable_execution_sdk.testing import (
    DurableTestError,
    LocalDurableTestRunner,
    NoSuchOperationError,
    StuckError,
)

asked: list[str] = []


def ask(callback_id: str) -> None:
    asked.append(callback_id)


@durable_execution
async def approve(event: object, ctx) -> str:
    await ctx.wait(Duration.from_days(1), name="cool_down")
    config = WaitForCallbackConfig(
        timeout=Duration.from_hours(8), heartbeat_timeout=Duration.from_hours(2)
    )
    answer = await ctx.wait_for_callback(ask, name="approval", config=config)
    return f"approved by {answer['by']}"


def waiting():
    runner = LocalDurableTestRunner(approve).sync
    runner.start()
    return runner, runner.wait_for_callback("approval")


def test_a_callback_is_answered_once_its_id_was_handed_out():
    runner, approval = waiting()
    assert asked.pop() == approval.callback_id
    assert approval.name == "approval"
    approval.succeed({"by": "Ada"})
    assert runner.complete().result == "approved by Ada"
    with pytest.raises(ServiceError, match=r"(?i)callback"):
        approval.succeed({"by": "Bob"})


def test_callbacks_of_the_same_name_are_told_apart_by_their_contexts():
    async def price(ctx) -> int:
        return await ctx.wait_for_callback(ask, name="price")

    @durable_execution
    async def prices(event: object, ctx) -> list[int]:
        batch = await ctx.parallel({"north": price, "south": price}, name="offers")
        return batch.results()

    runner = LocalDurableTestRunner(prices).sync
    runner.start()
    runner.wait_for_callback("south/price").succeed(2)
    with pytest.raises(StuckError, match="not for the callback 'outh/price'"):
        runner.wait_for_callback("outh/price")
    assert [each.name for each in runner.callbacks("offers/north/price")] == ["price"]
    assert runner.callbacks("south/price") == []
    runner.wait_for_callback("price").succeed(1)
    assert runner.complete().result == [1, 2]


def test_a_callback_fails_with_what_was_sent():
    runner, approval = waiting()
    approval.fail(PermissionError("not today"))
    error = runner.complete().error
    assert isinstance(error, CallbackExternalError)
    assert (error.error_type, str(error)) == ("PermissionError", "not today")


@pytest.mark.parametrize("send", ["succeed", "fail", "heartbeat"])
@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("answered", r"it has SUCCEEDED, with an earlier answer\. A callback takes one answer\.$"),
        ("failed", r"it has FAILED, with an earlier answer \(ValueError: no\)\."),
        ("timed out", r"it is TIMED_OUT, without an answer \(Callback\.Heartbeat: .*no heartbeat"),
        ("stopped", r"its execution is STOPPED\.$"),
    ],
)
def test_an_answer_that_is_late_is_told_which_callback_has_ended_and_how(send, end, how):
    runner, approval = waiting()
    match end:
        case "answered":
            approval.succeed({"by": "Ada"})
        case "failed":
            approval.fail(ValueError("no"))
        case "timed out":
            runner.advance(hours=3)
        case _:
            runner.stop()
    with pytest.raises(ServiceError) as refused:
        getattr(approval, send)()
    assert re.match(
        rf"Callback 'approval' \(.*\) of the execution '.*' is closed: {how}", refused.value.message
    )


def test_only_a_callback_has_an_id_to_answer_to():
    runner, approval = waiting()
    [around] = [
        operation
        for operation in runner.result().operations
        if operation.sub_type == "WaitForCallback"
    ]
    with pytest.raises(
        ConfigError, match=r"not None\. The operation of ctx\.wait_for_callback has none"
    ):
        runner.callback(around.callback_id)
    runner.callback(approval.callback_id).succeed({"by": "Ada"})
    assert runner.complete().succeeded


def test_a_callback_fails_with_an_exception_only():
    runner, approval = waiting()
    for wrong in ("not today", PermissionError):
        with pytest.raises(
            ConfigError, match="a failure is an exception, an ErrorObject or nothing"
        ):
            approval.fail(wrong)
        with pytest.raises(
            ConfigError, match="a failure is an exception, an ErrorObject or nothing"
        ):
            runner.stop(wrong)
    assert runner.result().status == "RUNNING"


def test_heartbeats_keep_a_callback_alive_until_its_timeout():
    runner, approval = waiting()
    began = runner.now
    for _ in range(4):
        assert not runner.advance(hours=1, minutes=59).is_done
        approval.heartbeat()
    assert runner.now - began == timedelta(hours=7, minutes=56)
    error = runner.complete().error
    assert isinstance(error, CallbackTimeoutError)
    assert error.error_type == "Callback.Timeout"
    assert abs(runner.now - began - timedelta(hours=8)) <= timedelta(milliseconds=20)


def test_without_heartbeats_time_runs_out():
    runner, _ = waiting()
    error = runner.advance(hours=2).error
    assert error.error_type == "Callback.Heartbeat"


def test_time_moves_as_far_as_it_is_moved():
    runner = LocalDurableTestRunner(approve, start_time=datetime(2030, 5, 1, tzinfo=UTC)).sync
    runner.start()
    assert runner.run_until_suspended().operation("cool_down").status == "STARTED"
    assert runner.now < datetime(2030, 5, 1, 0, 0, 1, tzinfo=UTC)
    began = runner.now
    runner.advance(hours=23, minutes=59)
    assert runner.callbacks() == []
    result = runner.advance(minutes=1, seconds=1)
    assert [each.name for each in runner.callbacks("approval")] == ["approval"]
    assert result.operation("cool_down").duration == timedelta(days=1)
    assert runner.now - began == timedelta(days=1, seconds=1)
    assert [each.status for each in result.invocations] == ["PENDING", "PENDING"]


def test_an_execution_is_stopped_from_outside():
    runner, _ = waiting()
    result = runner.stop(RuntimeError("enough"))
    assert result.status == "STOPPED"
    assert (result.error.error_type, str(result.error)) == ("RuntimeError", "enough")
    assert runner.complete().status == "STOPPED"


@durable_execution
async def polls_beside(event: object, ctx) -> list[object]:
    async def poll() -> int:
        for _ in range(5):
            await ctx.wait(Duration.from_hours(1), name="poll")
        return 5

    async def answer() -> object:
        return await (await ctx.create_callback(name="answer"))

    return list(await asyncio.gather(poll(), answer()))


def test_no_time_passes_before_a_callback_that_waits_already_is_given():
    runner = LocalDurableTestRunner(polls_beside).sync
    runner.start()
    answer = runner.wait_for_callback()
    assert runner.now < datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    result = runner.advance(hours=2, minutes=30)
    assert [operation.is_done for operation in result.operations if operation.name == "poll"] == [
        True,
        True,
        False,
    ]
    answer.succeed("yes")
    assert runner.complete().result == [5, "yes"]


tries: list[str] = []


def ask_twice(callback_id: str) -> None:
    tries.append(callback_id)
    if len(tries) % 2:
        raise ConnectionError("the mail server is away")


@durable_execution
async def ask_again(event: object, ctx) -> object:
    config = WaitForCallbackConfig(retry_strategy=FixedDelay(delay=Duration.from_minutes(5)))
    return await ctx.wait_for_callback(ask_twice, name="approval", config=config)


def test_a_callback_waits_for_an_answer_while_its_submitter_is_tried_again():
    runner = LocalDurableTestRunner(ask_again).sync
    runner.start()
    runner.run_until_suspended()
    # The failed attempt may have sent the id.
    assert (len(tries), [callback.name for callback in runner.callbacks()]) == (1, ["approval"])
    # wait_for_callback returns it only after the submitter has succeeded.
    runner.wait_for_callback("approval").succeed(1)
    assert len(tries) == 2
    assert runner.complete().result == 1


@durable_execution
async def asks_another(event: object, ctx) -> object:
    return await ctx.invoke("approve:$LATEST")


def test_callbacks_of_an_invoked_workflow_are_answered_too():
    runner = LocalDurableTestRunner(asks_another, functions={"approve": approve}).sync
    runner.start()
    runner.wait_for_callback("approval").succeed({"by": "Ada"})
    assert runner.complete().result == "approved by Ada"


def test_waiting_for_a_callback_that_never_comes_ends():
    runner = LocalDurableTestRunner(approve).sync
    runner.start()
    with pytest.raises(NoSuchOperationError, match=r"ended before the callback 'aproval'"):
        runner.wait_for_callback("aproval")
    runner = LocalDurableTestRunner(polls_beside).sync
    runner.start()
    with pytest.raises(StuckError, match=r"answer \(Callback\) waits for an answer"):
        runner.wait_for_callback("other")


def test_nothing_can_be_asked_of_an_execution_that_was_not_started():
    runner = LocalDurableTestRunner(approve).sync
    for call in (runner.complete, runner.result, runner.stop, runner.wait_for_callback):
        with pytest.raises(DurableTestError, match="nothing was started"):
            call()


def test_all_of_this_is_awaited_in_async_tests():
    async def test() -> None:
        runner = LocalDurableTestRunner(approve)
        await runner.start()
        began = runner.now
        assert not (await runner.run_until_suspended()).is_done
        approval = await runner.wait_for_callback("approval")
        await runner.advance(hours=1)
        await approval.heartbeat()
        [same] = await runner.callbacks()
        assert same.callback_id == approval.callback_id
        assert timedelta(days=1, hours=1) <= runner.now - began < timedelta(days=1, hours=2)
        await runner.callback(approval.callback_id).succeed({"by": "Ada"})
        assert (await runner.complete()).result == "approved by Ada"
        assert (await runner.result()).succeeded
        second = runner.fresh()
        await second.start()
        await (await second.wait_for_callback()).fail()
        assert (await second.run_until_suspended()).status == "FAILED"
        third = runner.fresh()
        await third.start()
        assert (await third.stop()).status == "STOPPED"

    asyncio.run(test())


@durable_execution
async def raw(event: object, ctx) -> object:
    config = CallbackConfig(timeout=Duration.from_hours(1))
    return await (await ctx.create_callback(name="raw", config=config))


def test_bytes_are_sent_as_they_are():
    runner = LocalDurableTestRunner(raw).sync
    runner.start()
    runner.wait_for_callback("raw").succeed(b"not JSON")
    assert runner.complete().result == "not JSON"


@durable_execution
async def self_answering(event: object, ctx) -> object:
    callback = await ctx.create_callback(name="own")

    def answer() -> None:
        runner = the_runner[0]
        runner.callback(callback.callback_id).succeed(42)

    await ctx.step(answer, config=StepConfig())
    return await callback


the_runner: list = []


def test_a_step_may_answer_through_the_runner_that_runs_it():
    runner = LocalDurableTestRunner(self_answering).sync
    the_runner[:] = [runner]
    assert runner.run().result == 42
