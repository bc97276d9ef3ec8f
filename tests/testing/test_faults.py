"""A fault happens where it was planned, and the execution survives it."""

from __future__ import annotations

import asyncio
import gc
import time
from datetime import timedelta
from typing import Any

import pytest

from durable_execution_sdk import (
    DurableContext,
    Duration,
    NoRetry,
    StepConfig,
    StepInterruptedError,
    StepSemantics,
    durable_execution,
)
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.testing import LocalDurableTestRunner, UnusedFaultError

RAN: list[str] = []
ONCE = StepConfig(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=NoRetry())


@pytest.fixture(autouse=True)
def forget() -> None:
    RAN.clear()


async def reserve(amount: int) -> int:
    RAN.append("reserve begins")
    await asyncio.sleep(0)
    RAN.append("reserve ends")
    return amount


def charge(amount: int) -> int:
    RAN.append("charge")
    return amount * 2


@durable_execution
async def order(event: int, ctx: DurableContext) -> int:
    """Make three checkpoints: reserve, the wait, charge."""
    amount = await ctx.step(reserve, event)
    await ctx.wait(Duration.from_hours(1), name="pause")
    return await ctx.step(charge, amount)


def errors(runner: LocalDurableTestRunner[Any]) -> list[str | None]:
    """Return the error type of each invocation; ``None`` for those that did not fail."""
    details = [event.invocation_completed_details for event in runner.sync.result().history]
    failures = [failure.error for failure in details if failure is not None]
    return [
        None if failure is None or failure.payload is None else failure.payload.error_type
        for failure in failures
    ]


def test_without_faults_an_order_has_three_checkpoints_in_two_invocations() -> None:
    runner = LocalDurableTestRunner(order)
    assert runner.run_sync(5).result == 10
    assert (runner.faults.checkpoints, runner.faults.invocations) == (3, 2)
    assert RAN == ["reserve begins", "reserve ends", "charge"]
    assert [run.label for run in runner.faults.bodies] == [
        "attempt 1 of step 'reserve'",
        "attempt 1 of step 'charge'",
    ]


@pytest.mark.parametrize(
    ("checkpoint", "when", "bodies", "checkpoints", "failed"),
    [
        (1, "before", ["reserve"] * 2 + ["charge"], 4, "Runtime.ExitError"),
        (1, "after", ["reserve", "charge"], 3, "Runtime.ExitError"),
        (1, "response_lost", ["reserve", "charge"], 3, "ServiceError"),
        (2, "before", ["reserve", "charge"], 4, "Runtime.ExitError"),
        (2, "after", ["reserve", "charge"], 3, "Runtime.ExitError"),
        (3, "before", ["reserve", "charge", "charge"], 4, "Runtime.ExitError"),
        (3, "after", ["reserve", "charge"], 3, "Runtime.ExitError"),
        (3, "response_lost", ["reserve", "charge"], 3, "ServiceError"),
    ],
)
def test_a_crash_at_a_checkpoint_repeats_what_was_not_recorded_and_nothing_else(
    checkpoint: int, when: Any, bodies: list[str], checkpoints: int, failed: str
) -> None:
    runner = LocalDurableTestRunner(order)
    runner.crash_at(checkpoint=checkpoint, when=when)
    assert runner.run_sync(5).result == 10
    assert [run.name for run in runner.faults.bodies] == bodies
    assert runner.faults.checkpoints == checkpoints
    assert [error for error in errors(runner) if error] == [failed]


def test_a_crash_in_a_body_cuts_it_after_it_has_begun() -> None:
    runner = LocalDurableTestRunner(order)
    runner.crash_in("reserve")
    result = runner.run_sync(5)
    assert result.result == 10
    assert RAN == ["reserve begins", "reserve begins", "reserve ends", "charge"]
    assert errors(runner) == ["Runtime.ExitError", None, None]
    assert [run.invocation for run in runner.faults.bodies] == [1, 2, 3]


def test_a_body_is_cut_at_a_later_await_and_only_if_it_has_one() -> None:
    async def transfer() -> str:
        for each in ("debit", "credit", "mail"):
            await asyncio.sleep(0)
            RAN.append(each)
        return "done"

    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> str:
        return await ctx.step(transfer)

    runner = LocalDurableTestRunner(flow)
    runner.crash_in("transfer", at_await=3)
    assert runner.run_sync(0).result == "done"
    assert RAN == ["debit", "credit", "debit", "credit", "mail"]
    runner = runner.fresh()
    runner.crash_in("transfer", at_await=4)
    with pytest.raises(UnusedFaultError, match=r"crash_in\('transfer', attempt=1, at_await=4\)"):
        runner.run_sync(0)


def test_a_body_that_awaits_nothing_is_cut_at_its_end() -> None:
    async def note() -> None:
        RAN.append("noted")

    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> None:
        await ctx.step(note)

    runner = LocalDurableTestRunner(flow)
    runner.crash_in("note")
    assert runner.run_sync(0).succeeded
    assert RAN == ["noted", "noted"]


def test_a_body_that_is_cut_at_an_await_that_raises_is_cut_after_it() -> None:
    async def careful() -> int:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            RAN.append("late")
            await asyncio.sleep(0)
        RAN.append("end")
        return 1

    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> int:
        return await ctx.step(careful)

    runner = LocalDurableTestRunner(flow)
    runner.crash_in("careful", at_await=2)
    assert runner.run_sync(0).result == 1
    assert RAN == ["late", "late", "end"]


def test_a_plain_function_that_is_cut_runs_to_its_end_and_is_not_heard() -> None:
    runner = LocalDurableTestRunner(order)
    runner.faults.crash_in("charge")
    assert runner.run_sync(5).result == 10
    assert RAN.count("charge") == 2


def test_the_error_of_a_plain_function_that_was_cut_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail_first() -> str:
        RAN.append("called")
        if len(RAN) == 1:
            raise ConnectionError("the bank does not answer")
        return "paid"

    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> str:
        return await ctx.step(fail_first)

    runner = LocalDurableTestRunner(flow)
    runner.crash_in("fail_first")
    assert runner.run_sync(1).result == "paid"
    del runner
    gc.collect()  # asyncio logs an error that nothing has retrieved when its future is collected
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def test_an_at_most_once_body_that_was_cut_is_interrupted() -> None:
    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> str:
        try:
            await ctx.step(charge, event, config=ONCE)
        except StepInterruptedError:
            return "interrupted"
        return "charged"

    runner = LocalDurableTestRunner(flow)
    runner.crash_in("charge")
    assert runner.run_sync(1).result == "interrupted"
    assert RAN == ["charge"]
    assert runner.faults.bodies[0].at_most_once


def test_a_later_attempt_can_be_cut_and_a_step_named_by_its_id() -> None:
    async def flaky() -> int:
        RAN.append("try")
        if len(RAN) < 3:
            raise OSError("not yet")
        return len(RAN)

    @durable_execution
    async def flow(event: Any, ctx: DurableContext) -> int:
        return await ctx.step(flaky)

    calm = LocalDurableTestRunner(flow)
    assert calm.run_sync(0).result == 3
    RAN.clear()
    runner = calm.fresh()
    runner.crash_in(calm.faults.bodies[0].operation_id, attempt=2)
    assert runner.run_sync(0).result == 3
    assert [run.attempt for run in runner.faults.bodies] == [1, 2, 2]


def test_a_dead_process_records_nothing_and_its_clean_up_cannot_either() -> None:
    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> int:
        try:
            return await ctx.step(charge, event)
        finally:
            RAN.append("cleaned up")
            await ctx.step(charge, 0, name="refund")

    runner = LocalDurableTestRunner(flow)
    runner.crash_at(checkpoint=1)
    result = runner.run_sync(3)
    assert result.result == 6
    assert RAN == ["charge", "cleaned up", "charge", "cleaned up", "charge"]


def test_throttling_is_waited_out_by_the_clients_own_rules() -> None:
    runner = LocalDurableTestRunner(order)
    runner.faults.throttle(checkpoint=2, times=3)
    result = runner.run_sync(5)
    assert result.result == 10
    assert errors(runner) == [None, None]
    assert result.duration is not None
    # Backoff with the longest jitter: 0.2 s, 0.4 s, 0.8 s.
    assert timedelta(seconds=1.4) < result.duration - timedelta(hours=1) < timedelta(seconds=1.5)


def test_throttling_without_end_fails_the_invocation_and_the_next_one_goes_on() -> None:
    runner = LocalDurableTestRunner(order)
    runner.faults.throttle(checkpoint=1, times=5)
    assert runner.run_sync(5).result == 10
    assert errors(runner) == ["ServiceError", None, None]


def test_a_slow_checkpoint_takes_its_time_on_the_runners_clock() -> None:
    runner = LocalDurableTestRunner(order)
    runner.faults.slow_down(checkpoint=1, by=timedelta(minutes=2))
    result = runner.run_sync(5)
    assert result.duration is not None
    assert timedelta(minutes=62) < result.duration < timedelta(minutes=62, seconds=1)


def test_on_the_computers_clock_a_slow_checkpoint_takes_real_time() -> None:
    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> int:
        return await ctx.step(charge, event)

    runner = LocalDurableTestRunner(flow, skip_time=False)
    runner.faults.slow_down(checkpoint=1, by=timedelta(milliseconds=30)).shuffle(1)
    began = time.monotonic()
    assert runner.run_sync(1).result == 2
    assert time.monotonic() - began >= 0.03


def test_a_checkpoint_that_outlasts_the_function_is_cut_off_by_its_timeout() -> None:
    runner = LocalDurableTestRunner(order, invocation_timeout=timedelta(minutes=1))
    runner.faults.slow_down(checkpoint=1, by=timedelta(minutes=2))
    assert runner.run_sync(5).result == 10
    assert errors(runner) == ["Sandbox.Timedout", None, None]


@pytest.mark.parametrize("what", ["request", "response"])
def test_what_is_delivered_twice_counts_once(what: Any) -> None:
    runner = LocalDurableTestRunner(order)
    for checkpoint in (1, 2, 3):
        runner.faults.repeat(checkpoint=checkpoint, what=what)
    result = runner.run_sync(5)
    assert result.result == 10
    assert RAN == ["reserve begins", "reserve ends", "charge"]
    assert len(result.operations) == 3


def test_an_event_that_is_delivered_twice_does_no_harm_to_what_is_recorded() -> None:
    runner = LocalDurableTestRunner(order)
    runner.faults.repeat_invocation(1).repeat_invocation(2)
    result = runner.run_sync(5)
    assert result.result == 10
    assert [operation.type for operation in result.operations] == ["STEP", "WAIT", "STEP"]
    # The bodies ran again: the second delivery notices only when its checkpoint is refused.
    assert RAN.count("charge") == 2


def test_a_shuffled_execution_does_the_same_in_another_order() -> None:
    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> int:
        async def note(n: int) -> int:
            RAN.append(str(n))
            return n

        return sum(await asyncio.gather(*(ctx.step(note, n, name=f"n{n}") for n in range(5))))

    def order_of(seed: int) -> list[str]:
        RAN.clear()
        runner = LocalDurableTestRunner(flow)
        runner.faults.shuffle(seed)
        assert runner.run_sync(0).result == 10
        return list(RAN)

    orders = [order_of(seed) for seed in range(6)]
    assert len({tuple(each) for each in orders}) > 1
    assert order_of(3) == orders[3]


def test_what_a_process_forgets_is_forgotten_at_the_crash() -> None:
    cache: dict[str, int] = {}

    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> int:
        async def warm() -> int:
            cache["rate"] = 3
            return 3

        await ctx.step(warm)
        await ctx.step(charge, 1)
        return cache["rate"]

    runner = LocalDurableTestRunner(flow)
    runner.crash_at(checkpoint=2)
    runner.faults.on_crash(cache.clear)
    assert runner.run_sync(0).error_object is not None
    assert runner.sync.result().error_object.error_type == "KeyError"


def test_only_the_execution_that_is_tested_has_bad_luck() -> None:
    @durable_execution
    async def other(event: int, ctx: DurableContext) -> int:
        return await ctx.step(charge, event)

    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> int:
        return await ctx.invoke("other:$LATEST", 4)

    runner = LocalDurableTestRunner(flow, functions={"other": other})
    runner.crash_at(checkpoint=1)
    assert runner.run_sync(0).result == 8
    assert runner.faults.checkpoints == 2
    assert RAN == ["charge"]


def test_a_fault_that_never_happens_fails_the_run() -> None:
    runner = LocalDurableTestRunner(order)
    runner.crash_at(checkpoint=9, when="after")
    runner.crash_in("chagre")
    runner.faults.throttle(checkpoint=7).slow_down(checkpoint=8, by=Duration.from_days(1))
    runner.faults.repeat(checkpoint=6).repeat_invocation(5)
    with pytest.raises(UnusedFaultError, match="ended without these faults") as raised:
        runner.run_sync(5)
    message = str(raised.value)
    for part in (
        "crash_at(checkpoint=9, when='after')",
        "crash_in('chagre', attempt=1, at_await=1)",
        "throttle(checkpoint=7, times=1)",
        "slow_down(checkpoint=8",
        "repeat(checkpoint=6, what='request')",
        "repeat_invocation(5)",
        "It had 3 checkpoints in 2 invocations",
    ):
        assert part in message


def test_faults_that_make_no_sense_are_refused() -> None:
    faults = LocalDurableTestRunner(order).faults
    for broken in (
        lambda: faults.crash_at(checkpoint=0),
        lambda: faults.crash_at(checkpoint=True),
        lambda: faults.crash_at(checkpoint=1, when="during"),
        lambda: faults.crash_in("a", attempt=0),
        lambda: faults.crash_in("a", at_await=0),
        lambda: faults.throttle(times=0),
        lambda: faults.slow_down(checkpoint=1, by=timedelta(0)),
        lambda: faults.slow_down(checkpoint=1, by=30),
        lambda: faults.repeat(checkpoint=1, what="both"),
        lambda: faults.crash_at(checkpoint=1).crash_at(checkpoint=1, when="after"),
    ):
        with pytest.raises(ConfigError):
            broken()  # type: ignore[no-untyped-call]


def test_the_count_begins_anew_with_another_execution_of_the_runner() -> None:
    runner = LocalDurableTestRunner(order)
    runner.run_sync(5)
    runner.crash_at(checkpoint=1)
    assert runner.run_sync(6).result == 12
    assert runner.faults.checkpoints == 4
