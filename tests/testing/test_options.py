"""Every option of the local runner has its effect, and a wrong value is refused at once."""

from __future__ import annotations

import asyncio
import math
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from durable_execution_sdk import ConfigError, Duration, ServiceError, durable_execution
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.protocol.data_plane import CheckpointRequest, CheckpointResponse
from durable_execution_sdk.testing import Limits, LocalDurableTestRunner, Raises, Returns


def one() -> int:
    return 1


@durable_execution
async def counts(event: dict[str, Any], ctx) -> list[Any]:
    results = [await ctx.step(one) for _ in range(event.get("steps", 1))]
    if event.get("wait"):
        await ctx.wait(Duration.from_seconds(event["wait"]))
    return results


def test_no_event_is_an_empty_object():
    assert LocalDurableTestRunner(counts).run_sync().result == [1]


def test_the_clock_begins_where_it_is_told_to():
    start = datetime(2031, 2, 3, 4, 5, tzinfo=UTC)
    result = LocalDurableTestRunner(counts, start_time=start).run_sync()
    assert result.started_at == start
    with pytest.raises(ConfigError, match="needs a time zone"):
        LocalDurableTestRunner(counts, start_time=datetime(2031, 2, 3))


def test_without_skipping_every_wait_takes_its_time():
    runner = LocalDurableTestRunner(counts, skip_time=False).sync
    before = datetime.now(UTC)
    runner.start({"wait": 1})
    result = runner.complete()
    after = datetime.now(UTC)
    assert result.result == [1]
    assert after - before >= timedelta(seconds=0.9)
    second = timedelta(seconds=1)
    assert before - second < result.started_at < after + second


def test_time_is_moved_on_the_computer_s_clock_too():
    runner = LocalDurableTestRunner(counts, skip_time=False).sync
    runner.start({"wait": 3600})
    assert not runner.run_until_suspended().is_done
    assert runner.advance(hours=1).result == [1]


def test_each_call_of_the_service_takes_the_time_that_it_is_given():
    latency = timedelta(milliseconds=250)
    result = LocalDurableTestRunner(counts, checkpoint_latency=latency).run_sync({"steps": 4})
    assert timedelta(seconds=1) <= result.duration < timedelta(seconds=1.1)
    with pytest.raises(ConfigError, match="checkpoint_latency are for the virtual one"):
        LocalDurableTestRunner(counts, skip_time=False, checkpoint_latency=latency)


class Pages:
    """A data plane that counts the pages that a handler reads."""

    def __init__(self, plane: Any) -> None:
        self._plane = plane
        self.read: list[int] = []

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        return await self._plane.checkpoint(request)

    async def get_state(self, request: Any) -> Any:
        page = await self._plane.get_state(request)
        self.read.append(len(page.operations))
        return page

    def now(self) -> int:
        return self._plane.now()


def test_long_histories_come_in_pages_of_the_size_that_is_asked_for():
    planes: list[Pages] = []

    def between(plane: Any) -> Pages:
        planes.append(Pages(plane))
        return planes[-1]

    runner = LocalDurableTestRunner(counts, page_size=3, wrappers=Wrappers(data_plane=between))
    result = runner.run_sync({"steps": 10, "wait": 60})
    assert result.result == [1] * 10
    assert len(result.history) == 26
    assert planes[0].read == [3, 3, 3]
    assert planes[0] is planes[-1]
    runner.fresh().run_sync()
    assert len(planes) == 2
    runner.fresh(wrappers=Wrappers()).run_sync()
    assert len(planes) == 2


def test_other_limits_can_be_tried():
    runner = LocalDurableTestRunner(counts, limits=Limits(operations=5))
    assert runner.run_sync({"steps": 3}).succeeded
    assert "limit" in str(runner.run_sync({"steps": 9}).error).lower()


@durable_execution
async def remaining(event: object, ctx) -> list[int]:
    return [ctx.lambda_context.get_remaining_time_in_millis()]


def test_an_invocation_is_told_how_long_it_may_take():
    [left] = (
        LocalDurableTestRunner(remaining, invocation_timeout=timedelta(seconds=3)).run_sync().result
    )
    assert 2_900 < left <= 3_000


def test_lengths_of_time_are_durations_too():
    runner = LocalDurableTestRunner(
        counts,
        execution_timeout=Duration.from_hours(1),
        checkpoint_latency=Duration.from_seconds(2),
        timeout=math.inf,
    )
    result = runner.run_sync({"steps": 2, "wait": 7200})
    assert result.status == "TIMED_OUT"
    assert result.operation(index=1).started_at - result.started_at >= timedelta(seconds=4)
    assert asyncio.run(runner.run()).succeeded


def test_an_invocation_that_takes_too_long_is_cut_off_and_invoked_again():
    runner = LocalDurableTestRunner(
        counts,
        invocation_timeout=timedelta(seconds=3),
        checkpoint_latency=timedelta(seconds=1),
    )
    result = runner.run_sync({"steps": 5})
    assert result.succeeded
    assert result.invocations[0].error.error_type == "Sandbox.Timedout"


@durable_execution
async def table(event: object, ctx) -> list[str | None]:
    def name() -> str | None:
        return os.environ.get("TABLE_NAME")

    return [name(), await ctx.step(name), await ctx.invoke("plain")]


def test_the_environment_is_there_while_a_handler_runs_and_gone_afterwards(monkeypatch):
    monkeypatch.setenv("KEPT", "before")
    runner = LocalDurableTestRunner(
        table,
        environment={"TABLE_NAME": "orders", "KEPT": "during"},
        functions={"plain": lambda event, context: os.environ["KEPT"]},
    )
    assert runner.run_sync().result == ["orders", "orders", "during"]
    assert (os.environ.get("TABLE_NAME"), os.environ["KEPT"]) == (None, "before")


@durable_execution
async def named(event: object, ctx) -> list[str]:
    return [ctx.lambda_context.function_name, ctx.execution_arn.split("/")[2]]


def test_function_and_execution_have_the_names_that_they_are_given():
    runner = LocalDurableTestRunner(named, function_name="billing")
    assert runner.run_sync(name="bill-7").result == ["billing", "bill-7"]
    assert runner.run_sync().result[0] == "billing"
    first, second = (LocalDurableTestRunner(named).run_sync() for _ in range(2))
    assert first.arn == second.arn


def test_under_another_event_loop_it_blocks_and_works():
    coroutine = LocalDurableTestRunner(counts).run()
    try:
        coroutine.send(None)
    except StopIteration as stop:
        assert stop.value.result == [1]
    else:
        pytest.fail("it waited for a loop that is not there")


def test_it_works_within_a_handler_s_own_kind_of_loop():
    async def test() -> list[Any]:
        return LocalDurableTestRunner(counts).run_sync().result

    assert asyncio.run(test()) == [1]


async def answer(event: object, context: object) -> None:
    """Return nothing; as a coroutine function it is not a Lambda handler."""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "timeout is a number of seconds greater than 0"),
        ({"page_size": 0}, "page_size is 1 or more"),
        (
            {"invocation_timeout": timedelta(0)},
            "invocation_timeout is a timedelta or Duration longer",
        ),
        ({"functions": {"a": 5}}, "takes a @durable_execution handler, a function"),
        ({"functions": {"a": Raises("no trucks")}}, "takes an exception, not 'no trucks'"),
        ({"functions": {"a": answer}}, "takes a @durable_execution handler, a function"),
        ({"functions": {"counts": one}}, "has the name of the workflow that is tested"),
        ({"function_name": "no spaces"}, "letters, digits"),
        ({"functions": {1: Returns(1)}}, "a name is text, not 1"),
        ({"functions": [one]}, "functions is a mapping of names to functions"),
        ({"environment": {"RETRIES": 3}}, "environment={'RETRIES': ...} is a text, not 3"),
        ({"log_level": "DEBUG"}, "such as logging.DEBUG, not 'DEBUG'"),
        ({"timeout": "30"}, "timeout is a number of seconds greater than 0, not '30'"),
        ({"timeout": math.nan}, "timeout is a number of seconds greater than 0, not nan"),
        ({"page_size": 2.5}, "page_size is 1 or more operations, not 2.5"),
        ({"start_time": 0}, "start_time is a datetime with a time zone, not 0"),
        ({"skip_time": 1.0}, "skip_time is True or False, not 1.0"),
        ({"limits": {"operations": 5}}, "limits is a Limits, or nothing"),
        ({"wrappers": print}, "wrappers is a Wrappers"),
    ],
)
def test_wrong_options_are_refused_at_once(options, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        LocalDurableTestRunner(counts, **options)


def test_a_plain_function_is_no_workflow():
    with pytest.raises(ConfigError, match="runs the handler that @durable_execution makes"):
        LocalDurableTestRunner(one)


def test_time_goes_forward_only():
    runner = LocalDurableTestRunner(counts).sync
    runner.start()
    with pytest.raises(ConfigError, match="forward only"):
        runner.advance(hours=-1)


@pytest.mark.parametrize("hours", [math.nan, math.inf, 1e12, "1"])
def test_time_is_given_in_numbers(hours):
    runner = LocalDurableTestRunner(counts).sync
    runner.start()
    with pytest.raises(ConfigError, match="advance takes numbers of days, hours"):
        runner.advance(hours=hours)


@pytest.mark.parametrize("timeout", [0, -1, math.nan, "30"])
def test_each_call_may_take_a_number_of_seconds(timeout):
    with pytest.raises(ConfigError, match="timeout is a number of seconds greater than 0"):
        LocalDurableTestRunner(counts).run_sync(timeout=timeout)


def test_a_name_that_is_no_text_is_refused_as_any_other():
    with pytest.raises(ServiceError, match="The name of a durable execution is 1 to 64"):
        LocalDurableTestRunner(counts).run_sync(name=3)


def test_time_does_not_go_beyond_what_can_be_written():
    runner = LocalDurableTestRunner(counts).sync
    runner.start({"wait": 60})
    assert not runner.run_until_suspended().is_done
    with pytest.raises(ConfigError, match="beyond the year 9999"):
        runner.advance(days=4_000_000)
    assert runner.advance(minutes=1).result == [1]


@durable_execution
async def large(event: str, ctx) -> str:
    return event * 2


@pytest.mark.parametrize("size", [800_000, 2_900_000])
def test_an_execution_that_somebody_waits_for_may_have_six_megabytes(size: int) -> None:
    runner = LocalDurableTestRunner(large)
    result = runner.run_sync("x" * size, synchronous=True)
    assert (result.status, len(result.result or "")) == ("SUCCEEDED", 2 * size)
    runner.sync.start("x" * 10, synchronous=True)
    assert runner.sync.complete().result == "x" * 20


def test_an_execution_that_nobody_waits_for_may_have_one() -> None:
    result = LocalDurableTestRunner(large).run_sync("x" * 800_000)
    assert result.status == "FAILED"
    with pytest.raises(ServiceError, match="2900002 bytes; at most 1048576"):
        LocalDurableTestRunner(large).run_sync("x" * 2_900_000)
