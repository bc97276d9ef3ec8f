"""Open operations are begun anew by a fork: with their attempts and the time that was left, and another callback id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.fork.rig_of_forks import named, of, rig, text
from tests.rig import Ran

from durable_execution_sdk import (
    CallbackConfig,
    ChildConfig,
    ChildContextTimeoutError,
    DurableContext,
    Duration,
    FixedDelay,
    JitterStrategy,
    NoRetry,
    StepConfig,
    StepContext,
    StepInterruptedError,
    StepSemantics,
    WaitForConditionConfig,
    poll_until,
)
from durable_execution_sdk.retry.polling import PollingStrategy


def seconds(count: int) -> Duration:
    return Duration.from_seconds(count)


def mark() -> str:
    return "marked"


def test_a_wait_has_as_much_time_left_as_at_the_cut() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        long = ctx.wait(Duration.from_days(30), name="long")
        await ctx.wait(Duration.from_days(20), name="short")
        await ctx.step(mark)
        await long
        return "over"

    forks = rig(workflow)
    origin = forks.run()
    ran = forks.fork(origin, "mark")
    assert (ran.status, ran.result) == ("SUCCEEDED", "over")
    (started, ended) = of(ran, "long")
    assert started.wait_started_details is not None
    assert started.wait_started_details.duration == 10 * 24 * 3600
    assert ended.event_type == "WaitSucceeded"
    assert not of(ran, "short")


def test_attempts_and_the_delay_before_the_next_one_go_on() -> None:
    attempts: list[int] = []

    def fails() -> None:
        attempts.append(StepContext.current().attempt)
        raise OSError("not yet")

    async def workflow(event: Any, ctx: DurableContext) -> str:
        strategy = FixedDelay(max_attempts=4, delay=seconds(100))
        failing = ctx.step(fails, name="fails", config=StepConfig(retry_strategy=strategy))
        await ctx.wait(seconds(130), name="short")
        await ctx.step(mark)
        try:
            await failing
        except OSError as error:
            return f"{error} {attempts[-1]}"
        return "no"

    forks = rig(workflow)
    origin = forks.run()
    assert attempts == [1, 2, 3, 4]
    attempts.clear()
    ran = forks.fork(origin, "mark")
    assert (ran.status, ran.result) == ("SUCCEEDED", "not yet 4")
    assert attempts == [3, 4]
    (retry, *_) = of(ran, "fails")
    assert retry.step_failed_details is not None
    delay = retry.step_failed_details.retry_details.next_attempt_delay_seconds
    assert delay is not None
    assert 69 <= delay <= 71


def test_a_poll_goes_on_from_its_state() -> None:
    seen: list[int] = []

    def check(state: int) -> int:
        seen.append(state)
        return state + 1

    async def workflow(event: Any, ctx: DurableContext) -> int:
        strategy: PollingStrategy[int] = poll_until(
            lambda state: state >= 4,
            initial_delay=seconds(100),
            backoff_rate=1,
            jitter=JitterStrategy.NONE,
        )
        config = WaitForConditionConfig(initial_state=0, wait_strategy=strategy)
        polling = ctx.wait_for_condition(check, config=config, name="poll")
        await ctx.wait(seconds(150), name="short")
        await ctx.step(mark)
        return await polling

    forks = rig(workflow)
    origin = forks.run()
    assert seen == [0, 1, 2, 3]
    seen.clear()
    ran = forks.fork(origin, "mark")
    assert (ran.status, ran.result) == ("SUCCEEDED", 4)
    assert seen == [2, 3]


@pytest.mark.parametrize(
    ("semantics", "runs", "outcome"),
    [
        (StepSemantics.AT_LEAST_ONCE_PER_RETRY, 2, "charged"),
        (StepSemantics.AT_MOST_ONCE_PER_RETRY, 1, "interrupted"),
    ],
)
def test_a_step_that_was_under_way(semantics: StepSemantics, runs: int, outcome: str) -> None:
    charged: list[int] = []
    stop: list[Callable[[], object]] = []

    def charge() -> str:
        charged.append(1)
        for each in stop:
            each()
        return "charged"

    async def workflow(event: Any, ctx: DurableContext) -> str:
        config = StepConfig(retry_strategy=NoRetry(), semantics=semantics, acknowledge_start=True)
        try:
            return await ctx.step(charge, name="charge", config=config)
        except StepInterruptedError:
            return "interrupted"

    forks = rig(workflow)
    arn = forks.rig.start()
    # The execution is stopped while the body runs, so that its end is never recorded.
    stop.append(lambda: forks.emulator.stop(arn))
    origin = forks.rig.drive(arn)
    assert (origin.status, len(charged)) == ("STOPPED", 1)
    stop.clear()
    ran = forks.fork(origin)
    assert (ran.status, ran.result) == ("SUCCEEDED", outcome)
    assert len(charged) == runs


@pytest.mark.parametrize(("waits", "result"), [(3_000, "over"), (4_000, "too late")])
def test_a_time_limit_that_was_not_recorded_starts_with_the_fork(waits: int, result: str) -> None:
    runs: list[int] = []

    def fails_first() -> None:
        runs.append(1)
        if len(runs) <= 2:
            raise ValueError("mended since")

    async def child(ctx: DurableContext) -> str:
        await ctx.step(fails_first, config=StepConfig(retry_strategy=NoRetry()))
        await ctx.wait(seconds(waits))
        return "over"

    async def workflow(event: Any, ctx: DurableContext) -> str:
        config = ChildConfig(timeout=Duration.from_hours(1))
        try:
            return await ctx.run_in_child_context(child, config=config)
        except ChildContextTimeoutError:
            return "too late"

    forks = rig(workflow)
    origin = forks.run()
    assert origin.status == "FAILED"
    # The limit was not recorded: it is, once its operation has taken 0.2 s.
    assert not [event for event in origin.events if event.event_type == "WaitStarted"]
    forks.rig.clock.advance(48 * 3_600_000)
    again = forks.fork(origin, "fails_first")
    assert again.status == "FAILED"
    forks.rig.clock.advance(48 * 3_600_000)
    ran = forks.fork(again, "fails_first")
    assert (ran.status, ran.result) == ("SUCCEEDED", result)


def callbacks(submitted: dict[str, str]) -> Any:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        first = await ctx.create_callback(name="first")
        submitted["first"] = first.callback_id
        answer = await first
        config: CallbackConfig[Any] = CallbackConfig(timeout=seconds(500))
        second = await ctx.create_callback(name="second", config=config)
        submitted["second"] = second.callback_id
        await ctx.step(mark, name="send")
        await ctx.wait(seconds(100), name="short")
        await ctx.step(mark)
        return [answer, await second]

    return workflow


def test_an_answer_is_taken_over_and_an_open_callback_is_made_anew() -> None:
    submitted: dict[str, str] = {}
    forks = rig(callbacks(submitted))
    arn = forks.rig.start()
    forks.rig.drive(arn, until=forks.rig.clock.now() + 1_000)
    forks.emulator.callback_success(submitted["first"], b'"yes"')
    forks.rig.drive(arn, until=forks.rig.clock.now() + 150_000)
    second = submitted["second"]
    forks.emulator.callback_success(second, b'"done"')
    origin = forks.rig.drive(arn)
    assert origin.result == ["yes", "done"]

    fork_arn = forks.start_fork(arn, before=named(origin, "mark"))
    forks.rig.drive(fork_arn, until=forks.rig.clock.now() + 10_000)
    (started,) = of(forks.rig.ran(fork_arn), "second")
    assert started.callback_started_details is not None
    assert started.callback_started_details.timeout == 500
    new = started.callback_started_details.callback_id
    assert new != second
    assert not of(forks.rig.ran(fork_arn), "first")
    forks.emulator.callback_success(new, b'"again"')
    assert forks.rig.drive(fork_arn).result == ["yes", "again"]


def test_wait_for_callback_submits_the_new_id() -> None:
    submitted: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        asked = ctx.wait_for_callback(submitted.append, name="ask")
        await ctx.wait(seconds(100), name="short")
        await ctx.step(mark)
        return await asked

    forks = rig(workflow)
    arn = forks.rig.start()
    forks.rig.drive(arn, until=forks.rig.clock.now() + 200_000)
    origin = forks.rig.ran(arn)
    fork_arn = forks.start_fork(arn, before=named(origin, "mark"), stop=True)
    assert forks.rig.ran(arn).status == "STOPPED"
    forks.rig.drive(fork_arn, until=forks.rig.clock.now() + 1_000)
    assert len(set(submitted)) == 2
    forks.emulator.callback_success(submitted[-1], b'"yes"')
    ran = forks.rig.drive(fork_arn)
    assert (ran.status, ran.result) == ("SUCCEEDED", "yes")


def test_an_ended_invoke_is_taken_over_and_an_open_one_is_asked_for_again() -> None:
    calls: list[int] = []

    async def other(event: int, ctx: DurableContext) -> int:
        calls.append(event)
        await ctx.wait(seconds(event))
        return event * 2

    from durable_execution_sdk import durable_execution

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        first = ctx.invoke("other:$LATEST", 10, name="quick")
        second = ctx.invoke("other:$LATEST", 1000, name="slow")
        quick = await first
        await ctx.step(mark)
        return [quick, await second]

    forks = rig(workflow, others={"other": durable_execution(other)})
    origin = forks.run()
    calls.clear()
    ran = forks.fork(origin, "mark")
    assert ran.result == origin.result == [20, 2000]
    assert set(calls) == {1000}


def test_results_of_open_and_failed_operations_are_given() -> None:
    def fails() -> str:
        raise OSError("declined")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        callback = await ctx.create_callback(name="ask")
        config = StepConfig(retry_strategy=NoRetry())
        paid = await ctx.step(fails, name="pay", config=config)
        return [event, paid, await callback]

    forks = rig(workflow)
    origin: Ran = forks.run("old")
    assert origin.status == "FAILED"
    results = {named(origin, "pay"): text("by hand"), named(origin, "ask"): text("yes")}
    ran = forks.fork(origin, results=results, payload=text("new"))
    assert (ran.status, ran.result) == ("SUCCEEDED", ["new", "by hand", "yes"])
    again = forks.fork(ran)
    assert again.result == ran.result
    document = forks.fork(ran, results={named(origin, "pay"): text("other")})
    assert document.result == ["new", "other", "yes"]
