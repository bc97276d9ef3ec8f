"""``with_retry``: each attempt of a block has ids of its own, and delays are waits."""

from __future__ import annotations

from typing import Any

import pytest
from tests.replay.corpus import BIG, ONE_TRY, Declined, Probe, Workflow, seconds
from tests.replay.play import replay
from tests.replay.prove import played, prove
from tests.rig import Rig
from tests.sampling import whole_or_sample

from durable_execution_sdk import (
    ChildContextError,
    ConfigError,
    DurableContext,
    DurableError,
    ExponentialBackoff,
    FixedDelay,
    NoRetry,
    RetryDecision,
    StepError,
    WithRetryConfig,
    durable_execution,
)

THREE = WithRetryConfig(retry_strategy=FixedDelay(max_attempts=3, delay=seconds(7)))


def succeeds_in_the_third_attempt(probe: Probe) -> Workflow:
    async def block(ctx: DurableContext, label: str) -> str:
        first = await ctx.step(probe.body, label)
        await ctx.wait(seconds(4))
        token = str(ctx.uuid4())
        await ctx.step(probe.body, "n", token, name="token")
        tries = len([e for e in probe.observations[-1] if e[1] == "try"]) + 1
        probe.see("try", tries)
        if tries < 3:
            await ctx.step(probe.fails, f"f{tries}", config=ONE_TRY)
        return first

    async def run(event: Any, ctx: DurableContext) -> Any:
        probe.see("block", await ctx.with_retry(block, "a", config=THREE))
        await ctx.wait(seconds(2))
        return await ctx.step(probe.body, "after")

    return run


def gives_up(probe: Probe) -> Workflow:
    async def block(ctx: DurableContext) -> None:
        await ctx.step(probe.body, "a")
        raise Declined("no", amount=9)

    async def run(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.with_retry(block, name="hopeless", config=THREE)
        except Declined as error:
            assert isinstance(error, ChildContextError)
            probe.see("gave up", [error.code, error.amount, error.operation_name])
        await ctx.wait(seconds(2))
        return await ctx.step(probe.body, "after")

    return run


def big_result(probe: Probe) -> Workflow:
    async def block(ctx: DurableContext) -> str:
        if await ctx.step(probe.body, "a") and ctx.is_replaying is None:
            raise AssertionError
        letter = str(await ctx.step(probe.body, "letter", "x"))
        return letter * BIG

    async def flaky(ctx: DurableContext) -> str:
        text = await ctx.with_retry(block, config=THREE)
        await ctx.wait(seconds(1))
        return text

    async def run(event: Any, ctx: DurableContext) -> Any:
        probe.see("text", len(await ctx.with_retry(flaky, config=THREE)))
        await ctx.wait(seconds(1))
        return "over"

    return run


@whole_or_sample
@pytest.mark.parametrize("build", [gives_up, big_result], ids=lambda build: build.__name__)
def test_a_block_ends_the_same_after_each_crash(build: Any, *, whole: bool) -> None:
    prove(build, whole=whole)


def attempts_by_the_log(probe: Probe) -> Workflow:
    async def block(ctx: DurableContext) -> int:
        tried = await ctx.step(count, name="count")
        if tried < 3:
            raise Declined("again", amount=tried)
        return int(tried)

    done: list[int] = []

    async def count() -> int:
        done.append(1)
        return len(done)

    async def run(event: Any, ctx: DurableContext) -> Any:
        probe.see("block", await ctx.with_retry(block, config=THREE) >= 3)
        return "over"

    return run


def test_each_attempt_is_a_context_of_its_own_and_delays_are_waits() -> None:
    _, play, ran = played(attempts_by_the_log)
    outline = [
        (event.event_type, event.name)
        for event in ran.events
        if event.event_type.startswith(("Context", "Wait"))
    ]
    assert outline == [
        ("ContextStarted", "block"),
        ("ContextStarted", "attempt 1"),
        ("ContextFailed", "attempt 1"),
        ("WaitStarted", "before attempt 2"),
        ("WaitSucceeded", "before attempt 2"),
        ("ContextStarted", "attempt 2"),
        ("ContextFailed", "attempt 2"),
        ("WaitStarted", "before attempt 3"),
        ("WaitSucceeded", "before attempt 3"),
        ("ContextStarted", "attempt 3"),
        ("ContextSucceeded", "attempt 3"),
        ("ContextSucceeded", "block"),
    ]
    ids = {update.id for update in play.updates}
    assert len(ids) == 1 + 3 + 2 + 3


def test_replay_of_a_retried_block_asks_for_the_recorded_operations() -> None:
    shape, play, _ = played(gives_up)
    ids = {update.id for update in play.updates}
    for state in play.snapshots:
        assert {update.id for update in replay(shape, state).updates} <= ids


def test_a_decision_that_is_recorded_is_not_made_again() -> None:
    asked: list[int] = []

    def strategy(error: Exception, attempt: int) -> RetryDecision:
        asked.append(attempt)
        assert isinstance(error, LookupError)
        return RetryDecision.after(seconds(5)) if len(asked) < 3 else RetryDecision.stop()

    @durable_execution
    async def run(event: Any, ctx: DurableContext) -> None:
        async def block(inner: DurableContext) -> None:
            await inner.wait(seconds(1))
            raise LookupError("still")

        await ctx.with_retry(block, config=WithRetryConfig(retry_strategy=strategy))

    ran = Rig(run).run()
    assert ran.error.error_type == "LookupError"
    assert asked == [1, 2, 3]


def test_only_errors_that_the_strategy_retries_are_retried() -> None:
    strategy = ExponentialBackoff(retryable=(ConnectionError,))

    @durable_execution
    async def run(event: Any, ctx: DurableContext) -> None:
        async def block(inner: DurableContext) -> None:
            raise ValueError("wrong for ever")

        await ctx.with_retry(block, config=WithRetryConfig(retry_strategy=strategy))

    ran = Rig(run).run()
    assert [e.name for e in ran.events if e.event_type == "ContextStarted"] == [
        "block",
        "attempt 1",
    ]


def test_an_error_that_no_retry_helps_is_final() -> None:
    @durable_execution(default_retry=FixedDelay(max_attempts=3))
    async def run(event: Any, ctx: DurableContext) -> None:
        async def block(inner: DurableContext) -> None:
            raise DurableError.execution("over and out")

        await ctx.with_retry(block)

    ran = Rig(run).run()
    assert ran.error.error_type == "ExecutionError"
    assert [e.name for e in ran.events if e.event_type == "ContextStarted"] == [
        "block",
        "attempt 1",
    ]


def test_the_handlers_mode_decides_by_default() -> None:
    @durable_execution(default_retry=NoRetry())
    async def run(event: Any, ctx: DurableContext) -> None:
        async def block(inner: DurableContext) -> None:
            await inner.step(fails, config=ONE_TRY)

        async def fails() -> None:
            raise LookupError

        await ctx.with_retry(block)

    ran = Rig(run).run()
    assert [e.name for e in ran.events if e.event_type == "ContextFailed"] == ["attempt 1", "block"]


def test_wrong_options_are_refused_at_once() -> None:
    for options in ({"retry_strategy": 3}, {"serdes": 3}, {"summary_generator": 3}):
        with pytest.raises(ConfigError):
            WithRetryConfig(**options)  # type: ignore[arg-type]


def test_a_broken_strategy_fails_the_block_and_is_named() -> None:
    def strategy(error: Exception, attempt: int) -> RetryDecision:
        raise ZeroDivisionError("in the strategy")

    @durable_execution
    async def run(event: Any, ctx: DurableContext) -> None:
        async def block(inner: DurableContext) -> None:
            raise StepError

        await ctx.with_retry(block, config=WithRetryConfig(retry_strategy=strategy))

    assert Rig(run).run().error.error_type == "ZeroDivisionError"
