"""A test with a workflow that hangs ends, names the line, and leaves nothing running."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import Any

import pytest

from durable_execution_sdk import (
    DurableError,
    Duration,
    FixedDelay,
    NoRetry,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.runtime.event_loop.threads import close_pools
from durable_execution_sdk.testing import (
    DurableTestError,
    LocalDurableTestRunner,
    RunTimeoutError,
    StuckError,
)

LIMIT = 1.0


def of_runners() -> list[threading.Thread]:
    """Return the threads of runners: a server that other tests share has threads too."""
    close_pools()
    names = ("durable-test", "durable-step")
    return [thread for thread in threading.enumerate() if thread.name.startswith(names)]


def threads() -> list[str]:
    return [thread.name for thread in of_runners()]


@durable_execution
async def never_comes_back(event: object, ctx) -> None:
    async def wait_for_ever() -> None:
        await asyncio.Event().wait()

    await ctx.step(wait_for_ever, name="for_ever")


def test_an_async_body_that_never_ends_is_cancelled_and_named():
    runner = LocalDurableTestRunner(never_comes_back, timeout=LIMIT)
    began = time.monotonic()
    with pytest.raises(RunTimeoutError, match=r"allows 1 s(.|\n)*for_ever.*still runs"):
        runner.run_sync()
    assert time.monotonic() - began >= LIMIT
    assert threads() == []


gate = threading.Event()


@durable_execution
async def blocks(event: object, ctx) -> None:
    await ctx.step(hold_the_thread)


def hold_the_thread() -> None:
    gate.wait()


def released() -> None:
    gate.set()
    for each in of_runners():
        each.join()
    gate.clear()


def test_a_body_that_blocks_its_thread_is_left_behind_and_shown():
    runner = LocalDurableTestRunner(blocks, timeout=0.2)
    with pytest.raises(RunTimeoutError, match=r"still blocks(.|\n)*gate\.wait\(\)"):
        runner.run_sync()
    with pytest.raises(DurableTestError, match="at work already"):
        runner.sync.complete(timeout=0.2)
    with pytest.raises(RunTimeoutError, match=r"gate\.wait\(\)"):
        asyncio.run(runner.fresh().run(timeout=0.2))
    released()
    assert threads() == []


@durable_execution
async def always_again(event: object, ctx) -> None:
    def fail() -> None:
        raise ConnectionError("still away")

    retry = FixedDelay(delay=Duration.from_seconds(1), max_attempts=10_000_000)
    await ctx.step(fail, name="poll", config=StepConfig(retry_strategy=retry))


@durable_execution
async def spins(event: object, ctx) -> None:
    while True:
        time.sleep(0.001)


def test_code_that_never_comes_to_rest_is_interrupted_and_shown():
    with pytest.raises(RunTimeoutError, match=r"still blocks(.|\n)*in spins"):
        LocalDurableTestRunner(spins, timeout=0.05).run_sync()
    assert threads() == []

    async def test() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(LocalDurableTestRunner(spins).run(), 0.05)
        assert threads() == []

    asyncio.run(test())


def test_a_workflow_that_goes_on_for_ever_ends_with_the_test_s_time():
    with pytest.raises(RunTimeoutError, match=r"goes on after that(.|\n)*poll  Step  .*attempt"):
        LocalDurableTestRunner(always_again, timeout=0.3).run_sync()


@durable_execution
async def never_begins(event: object, ctx) -> None:
    raise DurableError.invocation("the database is away")


def test_invocations_that_fail_again_and_again_are_given_up():
    runner = LocalDurableTestRunner(never_begins)
    with pytest.raises(StuckError, match=r"100 invocations failed.*the database is away"):
        runner.run_sync()
    assert len(runner.sync.result().invocations) == 100


def test_another_task_of_the_test_may_answer():
    async def test() -> None:
        runner = LocalDurableTestRunner(answered_from_outside)
        await runner.start()
        callback = await runner.wait_for_callback()

        async def answer() -> None:
            await asyncio.sleep(0.01)
            await callback.succeed("later")

        result, _ = await asyncio.gather(runner.complete(), answer())
        assert result.result == "later"

    asyncio.run(test())


def test_a_cancelled_call_takes_its_thread_with_it():
    async def test() -> None:
        runner = LocalDurableTestRunner(always_again)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(runner.run(), 0.1)
        assert threads() == []
        assert not (await runner.result()).is_done
        assert (await runner.stop()).status == "STOPPED"

    asyncio.run(test())


def test_one_runner_does_one_thing_at_a_time():
    async def test() -> None:
        runner = LocalDurableTestRunner(always_again)
        running = asyncio.create_task(runner.run())
        while not threads():
            await asyncio.sleep(0)
        with pytest.raises(DurableTestError, match="at work already"):
            await runner.advance(hours=1)
        with pytest.raises(DurableTestError, match="at work already"):
            await runner.start()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(test())


@durable_execution
async def slowly(event: int, ctx) -> int:
    await ctx.wait(Duration.from_days(event))
    return event


def test_nobody_gets_the_result_of_another_execution():
    async def test() -> list[Any]:
        runner = LocalDurableTestRunner(slowly)
        return await asyncio.gather(*map(runner.run, range(1, 4)), return_exceptions=True)

    for days, came in enumerate(asyncio.run(test()), 1):
        assert isinstance(came, DurableTestError) or came.result == days

    async def better() -> list[Any]:
        runners = [LocalDurableTestRunner(slowly) for _ in range(3)]
        running = [each.run(days) for days, each in enumerate(runners, 1)]
        return [each.result for each in await asyncio.gather(*running)]

    assert asyncio.run(better()) == [1, 2, 3]


@durable_execution
async def runs_another(event: str, ctx) -> str:
    def run() -> str:
        return runners[0].run_sync("inner").result

    return await ctx.step(run, config=ONCE) if event == "outer" else event


ONCE = StepConfig(retry_strategy=NoRetry())
runners: list[LocalDurableTestRunner[str]] = []


def test_a_step_cannot_use_the_runner_that_runs_it():
    runners[:] = [LocalDurableTestRunner(runs_another)]
    error = runners[0].run_sync("outer").error
    assert isinstance(error, DurableTestError)
    runners[:] = [LocalDurableTestRunner(runs_another), runners[0].fresh()]
    assert runners[1].run_sync("outer").result == "inner"


@durable_execution
async def runs_a_runner_itself(event: object, ctx) -> list[int]:
    runner = LocalDurableTestRunner(slowly)
    return [(await runner.run(days)).result for days in (1, 2)]


def test_a_runner_in_workflow_code_keeps_the_time_of_the_computer():
    assert LocalDurableTestRunner(runs_a_runner_itself).run_sync().result == [1, 2]


@durable_execution
async def waits_for_more_than_a_year(event: object, ctx) -> None:
    for _ in range(2):
        await ctx.wait(Duration.from_days(300))


def test_an_execution_that_waits_for_longer_than_the_service_allows_times_out():
    result = LocalDurableTestRunner(waits_for_more_than_a_year).run_sync()
    assert result.status == "TIMED_OUT"
    assert result.duration.days == 366


@durable_execution
async def judged(event: object, ctx) -> None:
    def never_call_this() -> None:
        pytest.fail("it was called")

    await ctx.step(never_call_this)


def test_a_test_that_fails_within_a_step_fails_at_once_and_is_not_retried(caplog):
    runner = LocalDurableTestRunner(judged)
    with pytest.raises(pytest.fail.Exception, match="it was called") as caught:
        runner.run_sync()
    assert len(runner.sync.result().invocations) == 1
    del caught, runner
    gc.collect()
    assert caplog.records == []


@durable_execution
async def answered_from_outside(event: object, ctx) -> object:
    return await (await ctx.create_callback(name="answer"))


def test_in_real_time_somebody_else_may_still_answer():
    runner = LocalDurableTestRunner(answered_from_outside, skip_time=False).sync
    runner.start()
    callback = runner.wait_for_callback()
    late = threading.Timer(0.05, callback.succeed, [7])
    late.start()
    assert runner.complete().result == 7
    late.join()


@durable_execution
async def interrupted(event: object, ctx) -> None:
    def press() -> None:
        raise KeyboardInterrupt

    await ctx.step(press)


def test_ctrl_c_reaches_the_test():
    with pytest.raises(KeyboardInterrupt):
        LocalDurableTestRunner(interrupted).run_sync()
    assert threads() == []
