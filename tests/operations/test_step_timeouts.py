"""Time limits of steps: timeouts, the end of the function's time, and attempts that need time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.replay.corpus import seconds
from tests.rig import Ran, Rig, rig_of
from tests.runtime.test_threads import join_steps
from tests.virtual_time import Gate, virtual_time

from durable_execution_sdk import (
    CallbackSubmitterError,
    CheckpointingMode,
    ConfigError,
    Depends,
    DurableContext,
    ExponentialBackoff,
    FixedDelay,
    JitterStrategy,
    MapConfig,
    NoRetry,
    RetryDecision,
    StepConfig,
    StepContext,
    StepError,
    StepInterruptedError,
    StepSemantics,
    StepTimeoutError,
    WaitForCallbackConfig,
    WaitForConditionConfig,
    WaitForConditionError,
    durable_execution,
    durable_step,
    poll_until,
)
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.replay.check import replay_history
from durable_execution_sdk.runtime.event_loop.threads import LEFT_RUNNING
from durable_execution_sdk.runtime.log.ids import NEEDS_NAME

AT_MOST_ONCE = StepSemantics.AT_MOST_ONCE_PER_RETRY
MANY = FixedDelay(max_attempts=50, delay=seconds(2), jitter=JitterStrategy.NONE)
THREE = FixedDelay(max_attempts=3, delay=seconds(2), jitter=JitterStrategy.NONE)
ONCE = NoRetry()
MODES = pytest.mark.parametrize("mode", list(CheckpointingMode))


def played(
    workflow: Any,
    *,
    timeout: float = 900,
    mode: CheckpointingMode = CheckpointingMode.BATCHED,
    **options: Any,
) -> Ran:
    """Run a workflow in virtual time, in a function with this timeout in seconds."""
    with virtual_time():
        return rig_of(workflow, options={"checkpointing": mode, **options}, timeout=timeout).run()


def hurried(workflow: Any, *, timeout: float = 900) -> Ran:
    """Let two seconds pass for the service with each call, so that retries are due while other bodies run."""

    class Hurried:
        def __init__(self, plane: Any) -> None:
            self.plane, self.get_state, self.now = plane, plane.get_state, plane.now

        async def checkpoint(self, request: Any) -> Any:
            response = await self.plane.checkpoint(request)
            rig.clock.advance(2000)
            return response

    with virtual_time():
        rig = rig_of(workflow, timeout=timeout, wrappers=Wrappers(data_plane=Hurried))
        return rig.run()


def brief(ran: Ran) -> list[str]:
    """Return the types of the events with the names of operations, without those of the execution."""
    return [
        f"{event.event_type}" + (f" {event.name}" if event.name else "")
        for event in ran.events
        if not event.event_type.startswith("Execution")
    ]


async def forever(*_: object) -> None:
    await asyncio.Event().wait()


async def nap(length: float, value: Any = None) -> Any:
    await asyncio.sleep(length)
    return value


# Timeouts.


@MODES
@pytest.mark.parametrize("semantics", list(StepSemantics))
def test_an_attempt_that_takes_too_long_goes_to_the_strategy(
    mode: CheckpointingMode, semantics: StepSemantics
) -> None:
    attempts: list[int] = []

    async def slow() -> str:
        attempts.append(StepContext.current().attempt)
        if len(attempts) < 3:
            await forever()
        return "at last"

    config = StepConfig(timeout=seconds(5), retry_strategy=THREE, semantics=semantics)

    async def workflow(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(slow, config=config)

    ran = played(workflow, mode=mode)
    assert (ran.result, attempts) == ("at last", [1, 2, 3]), ran.error
    failed = [event for event in ran.events if event.event_type == "StepFailed"]
    assert len(failed) == 2


def test_the_error_names_the_step_the_limit_the_attempt_and_the_cure() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = StepConfig(timeout=timedelta(milliseconds=1500), retry_strategy=THREE)
        try:
            await ctx.step(forever, name="copy", config=config)
        except StepTimeoutError as error:
            assert isinstance(error, StepError)
            assert not isinstance(error, TimeoutError)
            return [str(error), error.attempts, error.error_type]

    message, attempts, error_type = played(workflow).result
    assert "step 'copy' took longer than its timeout of 1.5 s in attempt 3" in message
    assert "Raise StepConfig.timeout" in message
    assert (attempts, error_type) == (3, "StepTimeoutError")


def test_a_strategy_can_tell_timeouts() -> None:
    seen: list[BaseException] = []

    def decide(error: BaseException, attempt: int) -> RetryDecision:
        seen.append(error)
        return RetryDecision.stop()

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        picky = ExponentialBackoff(retryable=(ValueError,))
        for strategy in (
            decide,
            picky,
            ExponentialBackoff(max_attempts=2, retryable=(StepTimeoutError,)),
        ):
            with pytest.raises(StepTimeoutError) as caught:
                await ctx.step(
                    forever, config=StepConfig(timeout=seconds(1), retry_strategy=strategy)
                )
            counts.append(caught.value.attempts)

    counts: list[int | None] = []
    assert played(workflow).status == "SUCCEEDED"
    assert counts[-3:] == [1, 1, 2]
    assert isinstance(seen[0], StepTimeoutError)


def test_a_quick_attempt_is_not_touched() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = StepConfig(timeout=seconds(5))
        return [
            await ctx.step(nap, 4.9, "a", config=config),
            await ctx.step(lambda: "b", name="plain", config=config),
        ]

    ran = played(workflow)
    assert ran.result == ["a", "b"]
    assert "StepFailed" not in ran.types()


def test_a_durable_step_has_a_timeout_and_a_call_may_have_another() -> None:
    @durable_step(timeout=seconds(2), retry_strategy=ONCE)
    async def slow(length: float) -> str:
        await asyncio.sleep(length)
        return "done"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        with pytest.raises(StepTimeoutError):
            await ctx.step(slow, 3)
        longer = await ctx.step(slow, 3, config=StepConfig(timeout=seconds(4)))
        return [longer, await ctx.step(slow, 1), await ctx.step(slow, 3, config=StepConfig())]

    ran = played(workflow)
    assert ran.result == ["done"] * 3
    assert [event.name for event in ran.events if event.event_type == "StepFailed"] == ["slow"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 5}, r"StepConfig\.timeout is a Duration or a datetime\.timedelta"),
        ({"timeout": seconds(0)}, r"StepConfig\.timeout is a length of time above zero"),
        ({"timeout": timedelta(seconds=-1)}, r"StepConfig\.timeout is negative"),
        ({"needs": "long"}, r"StepConfig\.needs is a Duration or a datetime\.timedelta"),
        ({"needs": seconds(0)}, r"StepConfig\.needs is a length of time above zero"),
        ({"needs": seconds(100_000)}, r"StepConfig\.needs is 100,000 s, and no invocation"),
    ],
)
def test_a_wrong_limit_is_refused_when_it_is_made(options: Any, message: str) -> None:
    for make in (StepConfig, durable_step):
        with pytest.raises(ConfigError, match=message):
            make(**options)


def test_a_body_cleans_up_before_its_attempt_fails() -> None:
    steps: list[str] = []

    async def careful() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(1)
            steps.append("clean")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        try:
            await ctx.step(careful, config=StepConfig(timeout=seconds(5), retry_strategy=ONCE))
        except StepTimeoutError:
            steps.append("failed")

    played(workflow)
    assert steps[:2] == ["clean", "failed"]


@pytest.mark.parametrize("way", ["value", "error", "cancelled"])
def test_what_a_body_returns_or_raises_after_its_time_does_not_count(way: str) -> None:
    async def swallows() -> str:
        try:
            await forever()
        except asyncio.CancelledError:
            assert StepContext.current().is_cancelled
            if way == "error":
                raise LookupError("clean-up") from None
            if way == "cancelled":
                raise
        return "late"

    async def workflow(event: Any, ctx: DurableContext) -> str:
        with pytest.raises(StepTimeoutError):
            await ctx.step(swallows, config=StepConfig(timeout=seconds(5), retry_strategy=ONCE))
        return "failed"

    assert played(workflow).result == "failed"


def test_a_body_that_ignores_its_cancellation_is_abandoned(
    caplog: pytest.LogCaptureFixture,
) -> None:
    began: list[int] = []
    ran_at: list[float] = []

    async def stubborn() -> str:
        began.append(StepContext.current().attempt)
        if began[-1] == 2:
            return "second"
        loop = asyncio.get_running_loop()
        while True:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                pass
            ran_at.append(loop.time())

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        # The other step keeps the invocation open, in which the abandoned body must not go on.
        config = StepConfig(timeout=seconds(5), retry_strategy=THREE)
        return await asyncio.gather(ctx.step(stubborn, config=config), ctx.step(nap, 60))

    ran = hurried(workflow)
    assert ran.result == ["second", None], ran.error
    assert began == [1, 2]
    assert ran_at[-1] - ran_at[0] < 5 + 5
    assert "ignored its cancellation in attempt 1 and was abandoned" in caplog.text
    assert ran.types().count("InvocationCompleted") == 1


def test_a_step_that_is_given_up_while_it_cleans_up_is_given_up() -> None:
    async def careful() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(2)
            ended.append("clean")

    ended: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        config = StepConfig(timeout=timedelta(seconds=0.3), retry_strategy=ONCE)
        try:
            async with asyncio.timeout(0.6):
                await ctx.step(careful, config=config)
        except TimeoutError:
            return "given up"
        return "no"

    ran = played(workflow)
    assert (ran.result, ended) == ("given up", ["clean"]), ran.error
    failed = [event for event in ran.events if event.event_type == "StepFailed"]
    assert len(failed) == 1


def test_the_thread_of_a_plain_function_is_disowned(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    began: list[StepContext] = []

    def plain() -> str:
        context = StepContext.current()
        began.append(context)
        if len(began) == 1:
            gate.wait()
            assert context.is_cancelled
        return "late" if len(began) == 1 else "second"

    async def opens(length: float) -> None:
        await asyncio.sleep(length)
        gate.set()

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        step = ctx.step(plain, config=StepConfig(timeout=seconds(5), retry_strategy=MANY))
        return await asyncio.gather(step, ctx.step(opens, 9))

    with virtual_time() as clock:
        gate.clock = clock
        ran = rig_of(workflow).run()
    try:
        # Attempt 2 was due after 8 s. It, or one after it, began when the thread of attempt 1 had ended.
        assert ran.result == ["second", None], ran.error
        assert len(began) == 2
        assert "did not end when its time was up" in caplog.text
    finally:
        gate.set()
        join_steps()
    assert not LEFT_RUNNING


def test_a_thread_that_never_ends_does_not_hang_the_attempts_after_it() -> None:
    gate = Gate()

    def plain() -> None:
        gate.wait()

    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            await ctx.step(plain, config=StepConfig(timeout=seconds(5), retry_strategy=THREE))
        except StepTimeoutError as error:
            return str(error)
        return "no"

    try:
        with virtual_time() as clock:
            gate.clock = clock
            ran = rig_of(workflow).run()
        assert "the thread of an earlier attempt still ran" in ran.result
        assert ran.types().count("StepFailed") == 3
    finally:
        gate.set()
        join_steps()


def test_the_submitter_of_a_callback_has_a_timeout() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        config: WaitForCallbackConfig[str] = WaitForCallbackConfig(
            submitter_timeout=seconds(5), retry_strategy=ONCE
        )
        try:
            return await ctx.wait_for_callback(forever, config=config)
        except CallbackSubmitterError as error:
            assert isinstance(error, StepTimeoutError)
            return str(error)

    message = played(workflow).result
    assert "took longer than its timeout of 5 s" in message
    assert "Raise WaitForCallbackConfig.submitter_timeout" in message
    with pytest.raises(ConfigError, match=r"WaitForCallbackConfig\.submitter_timeout"):
        WaitForCallbackConfig(submitter_timeout=seconds(0))


@pytest.mark.parametrize(
    ("bound", "config", "attempts", "cure"),
    [
        ({"retry_strategy": ONCE, "semantics": AT_MOST_ONCE}, {}, [1], "one call"),
        ({"retry_strategy": ONCE, "timeout": seconds(4)}, {}, [1], "Raise StepConfig.timeout"),
        ({"retry_strategy": ONCE}, {"retry_strategy": THREE}, [1, 2, 3], "one call"),
        (
            {"timeout": seconds(4)},
            {"retry_strategy": ONCE, "submitter_timeout": seconds(3)},
            [1],
            "timeout of 3 s",
        ),
    ],
    ids=["semantics", "timeout", "other retries", "other timeout"],
)
def test_the_options_that_are_bound_to_a_submitter_hold(
    bound: dict[str, Any], config: dict[str, Any], attempts: list[int], cure: str
) -> None:
    runs: list[int] = []

    @durable_step(**bound)
    async def submit(_callback_id: str) -> None:
        runs.append(StepContext.current().attempt)
        await forever()

    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            await ctx.wait_for_callback(submit, config=WaitForCallbackConfig[Any](**config))
        except CallbackSubmitterError as error:
            return str(error)
        return "no"

    assert cure in played(workflow, timeout=10).result
    assert runs == attempts


# The end of the function's time.


@MODES
@pytest.mark.parametrize("semantics", list(StepSemantics))
def test_a_body_that_never_fits_is_bounded_by_its_strategy(
    mode: CheckpointingMode, semantics: StepSemantics
) -> None:
    runs: list[int] = []

    async def slow() -> None:
        runs.append(StepContext.current().attempt)
        await forever()

    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            await ctx.step(slow, config=StepConfig(retry_strategy=THREE, semantics=semantics))
        except StepInterruptedError as error:
            return str(error)
        return "no"

    ran = played(workflow, timeout=10, mode=mode)
    assert "step 'slow' still ran in attempt 3 when the function's time was nearly up" in ran.result
    assert "raise the function's timeout" in ran.result
    assert runs == [1, 2, 3]
    errors = [e for e in ran.events if e.event_type == "InvocationCompleted"]
    # Only the last one goes on in another invocation without waiting for the service.
    assert len(errors) == 4


@pytest.mark.parametrize(
    ("semantics", "bodies"),
    [(StepSemantics.AT_LEAST_ONCE_PER_RETRY, [1, 1]), (AT_MOST_ONCE, [1])],
)
def test_without_another_attempt_a_body_has_the_whole_time_once(
    semantics: StepSemantics, bodies: list[int]
) -> None:
    runs: list[int] = []

    async def slow() -> None:
        runs.append(StepContext.current().attempt)
        await forever()

    async def workflow(event: Any, ctx: DurableContext) -> str:
        await ctx.step(nap, 5, name="first")
        try:
            await ctx.step(slow, config=StepConfig(retry_strategy=ONCE, semantics=semantics))
        except StepInterruptedError:
            return "interrupted"
        return "no"

    ran = played(workflow, timeout=10)
    assert (ran.result, runs) == ("interrupted", bodies)


def test_a_body_that_began_late_is_not_failed_for_that() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        strategies = [ONCE, ExponentialBackoff(retryable=(ValueError,))]
        results = []
        for strategy in strategies:
            config = StepConfig(retry_strategy=strategy)
            results += [await ctx.step(nap, 6, n, config=config) for n in range(3)]
        return results

    assert played(workflow, timeout=10).result == [0, 1, 2, 0, 1, 2]


def test_the_record_comes_before_the_clean_up() -> None:
    ended: list[str] = []

    async def careful() -> str:
        if StepContext.current().attempt == 1:
            try:
                await forever()
            finally:
                await asyncio.sleep(0.2)
                ended.append("clean")
        return "second"

    async def workflow(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(careful, config=StepConfig(retry_strategy=THREE))

    ran = played(workflow, timeout=10)
    assert (ran.result, ended) == ("second", ["clean"])
    assert ran.invocations == 2


@pytest.mark.parametrize("returns", [True, False])
def test_an_interrupted_body_records_nothing_more(*, returns: bool) -> None:
    async def swallows() -> str:
        try:
            if StepContext.current().attempt == 1:
                await forever()
        except asyncio.CancelledError:
            if not returns:
                raise LookupError("clean-up") from None
            return "late"
        return "second"

    async def workflow(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(swallows, config=StepConfig(retry_strategy=THREE))

    ran = played(workflow, timeout=10)
    assert ran.result == "second", ran.error
    assert ran.types().count("StepFailed") == 1


def test_several_bodies_are_interrupted_at_once() -> None:
    async def once(n: int) -> int:
        if StepContext.current().attempt == 1:
            await forever()
        return n

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def item(inner: DurableContext, n: int, _index: int) -> int:
            return await inner.step(once, n, config=StepConfig(retry_strategy=THREE))

        quick = ctx.step(nap, 1, "quick")
        batch = await ctx.map(range(300), item, config=MapConfig(max_concurrency=None))
        return [sum(batch.results()), await quick]

    ran = played(workflow, timeout=10)
    assert ran.result == [sum(range(300)), "quick"], ran.error
    assert ran.invocations == 2


def test_one_body_that_is_left_to_run_again_ends_the_invocation_with_an_error() -> None:
    async def once(name: str) -> str:
        runs.append(name)
        if runs.count(name) == 1:
            await forever()
        return name

    runs: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await asyncio.gather(
            ctx.step(once, "retried", config=StepConfig(retry_strategy=THREE)),
            ctx.step(once, "again", config=StepConfig(retry_strategy=ONCE)),
        )

    ran = played(workflow, timeout=10)
    assert ran.result == ["retried", "again"]
    failed = [event.event_type for event in ran.events if event.event_type == "StepFailed"]
    assert len(failed) == 1
    first = next(e for e in ran.events if e.event_type == "InvocationCompleted")
    assert "step 'once' still runs" in str(first)


def test_nothing_begins_after_an_interruption() -> None:
    """The code that goes on after the failure does so in the next invocation."""
    invocations: list[int] = []
    began: list[int] = []

    async def after() -> None:
        began.append(len(invocations))

    async def workflow(event: Any, ctx: DurableContext) -> None:
        invocations.append(1)
        once = StepConfig(retry_strategy=ONCE, semantics=AT_MOST_ONCE)
        try:
            await ctx.step(forever, config=once)
        except StepInterruptedError:
            await ctx.step(after, config=once)

    assert played(workflow, timeout=10).status == "SUCCEEDED"
    assert began == [2]


def test_timers_are_handed_over_with_the_interruption() -> None:
    async def slow() -> str:
        if StepContext.current().attempt < 3:
            await forever()
        return "third"

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async with asyncio.timeout(3600):
            return await ctx.step(slow, config=StepConfig(retry_strategy=THREE))

    ran = played(workflow, timeout=10)
    assert (ran.result, ran.invocations) == ("third", 3)


def test_an_operation_that_is_pending_stays_so() -> None:
    async def slow() -> str:
        if StepContext.current().attempt == 1:
            await forever()
        return "second"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await asyncio.gather(
            ctx.wait(seconds(3600)), ctx.step(slow, config=StepConfig(retry_strategy=THREE))
        )

    ran = played(workflow, timeout=10)
    assert ran.result == [None, "second"]
    assert ran.invocations == 3


def test_a_service_that_does_not_answer_in_time_changes_nothing() -> None:
    """The invocation ends before the function's time, and the attempt is still under way for the next one."""
    runs: list[int] = []

    class Silent:
        def __init__(self, plane: Any) -> None:
            self.plane, self.get_state, self.now = plane, plane.get_state, plane.now

        async def checkpoint(self, request: Any) -> Any:
            if any(update.action == "RETRY" for update in request.updates) and len(runs) == 1:
                await forever()
            return await self.plane.checkpoint(request)

    async def slow() -> str:
        runs.append(StepContext.current().attempt)
        if len(runs) == 1:
            await forever()
        return "again"

    async def workflow(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(slow, config=StepConfig(retry_strategy=THREE))

    with virtual_time():
        rig = rig_of(workflow, timeout=10, wrappers=Wrappers(data_plane=Silent))
        ran = rig.run()
    assert (ran.result, runs) == ("again", [1, 1]), ran.error


def test_a_thread_is_interrupted_and_disowned() -> None:
    gate = Gate()
    runs: list[int] = []

    def plain() -> str:
        runs.append(StepContext.current().attempt)
        if len(runs) == 1:
            gate.wait()
        return "done"

    async def workflow(event: Any, ctx: DurableContext) -> str:
        if runs:
            gate.set()
            join_steps()
        return await ctx.step(plain, config=StepConfig(retry_strategy=THREE))

    try:
        with virtual_time() as clock:
            gate.clock = clock
            ran = rig_of(workflow, timeout=10).run()
    finally:
        gate.set()
        join_steps()
    assert (ran.result, runs) == ("done", [1, 2])


def test_a_timeout_that_is_due_when_the_functions_time_is_up_counts() -> None:
    async def careful() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(3)

    async def workflow(event: Any, ctx: DurableContext) -> str:
        config = StepConfig(timeout=seconds(8), retry_strategy=ONCE)
        with pytest.raises(StepTimeoutError):
            await ctx.step(careful, config=config)
        return "timed out"

    assert played(workflow, timeout=10).result == "timed out"


# Polls.


async def first_check_hangs(state: int | None) -> int:
    if StepContext.current().attempt == 1:
        await forever()
    return (state or 0) + 1


async def second_check_hangs(state: int | None) -> int:
    if StepContext.current().attempt == 2:
        await forever()
    return (state or 0) + 1


async def always_hangs(state: int) -> int:
    await forever()
    return state


@MODES
@pytest.mark.parametrize("check", [first_check_hangs, second_check_hangs])
def test_a_check_that_is_interrupted_is_made_again_with_the_same_state(
    check: Callable[[int | None], Awaitable[int]], mode: CheckpointingMode
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> int | None:
        config: WaitForConditionConfig[int | None] = WaitForConditionConfig(
            initial_state=None, wait_strategy=poll_until(lambda state: state == 3)
        )
        return await ctx.wait_for_condition(check, config=config)

    assert played(workflow, timeout=10, mode=mode).result == 3


def test_checks_that_never_fit_are_bounded() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = WaitForConditionConfig(
            initial_state=0, wait_strategy=poll_until(lambda state: state == 3, max_attempts=4)
        )
        found = []
        for check in (always_hangs, all_but_the_first_hang):
            try:
                await ctx.wait_for_condition(check, config=config)
            except WaitForConditionError as error:
                found.append([isinstance(error, StepInterruptedError), str(error)])
        return found

    async def all_but_the_first_hang(state: int) -> int:
        if StepContext.current().attempt > 1:
            await forever()
        return 1

    ran = played(workflow, timeout=10)
    assert [found[0] for found in ran.result] == [True, True]
    assert (
        "in attempt 6" in ran.result[0][1]
    )  # the handler's retry strategy, before there is a state
    assert "in attempt 4" in ran.result[1][1]  # the polling strategy
    assert all("or let one call of its function do less" in found[1] for found in ran.result)
    assert not any("StepConfig" in found[1] for found in ran.result)


# Needs.


def waits(ran: Ran) -> int:
    return sum(e.event_type == "WaitStarted" and e.name == NEEDS_NAME for e in ran.events)


@MODES
@pytest.mark.parametrize("semantics", list(StepSemantics))
def test_a_step_starts_in_an_invocation_with_time_enough(
    mode: CheckpointingMode, semantics: StepSemantics
) -> None:
    runs: list[str] = []

    async def long() -> str:
        runs.append("long")
        await asyncio.sleep(5)
        return "done"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        first = await ctx.step(nap, 6, "first", name="first")
        config = StepConfig(needs=seconds(6), semantics=semantics, retry_strategy=ONCE)
        return [first, await ctx.step(long, config=config), await ctx.step(nap, 0, "last")]

    ran = played(workflow, timeout=10, mode=mode)
    assert (ran.result, runs) == (["first", "done", "last"], ["long"]), ran.error
    assert (waits(ran), ran.invocations) == (1, 2)
    ids = [event.id for event in ran.events if event.name == NEEDS_NAME]
    assert all(str(each).startswith("needs-") for each in ids)


def test_with_time_enough_nothing_is_recorded() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(nap, 5, "done", config=StepConfig(needs=seconds(6)))

    ran = played(workflow, timeout=10)
    assert brief(ran) == ["StepStarted nap", "StepSucceeded nap", "InvocationCompleted"]


def test_a_function_without_a_limit_has_time_for_all() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(lambda: 1, name="one", config=StepConfig(needs=seconds(1700)))

    assert played(workflow, timeout=1800).result == 1


@pytest.mark.parametrize("semantics", list(StepSemantics))
def test_a_need_that_no_invocation_has_fails_the_step(semantics: StepSemantics) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = StepConfig(needs=seconds(60), semantics=semantics)
        try:
            await ctx.step(nap, 1, name="big", config=config)
        except ConfigError as error:
            assert isinstance(error, StepError)
            return str(error)

    ran = played(workflow, timeout=10)
    assert ran.result.startswith("step 'big' needs 60 s (StepConfig.needs), and an invocation")
    assert "has 9 s" in ran.result
    assert (waits(ran), ran.invocations) == (0, 1)


def test_code_that_uses_the_time_up_in_each_invocation_does_not_suspend_for_ever() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        for _ in range(10):
            await asyncio.sleep(0.5)
        with pytest.raises(ConfigError, match=r"5 invocations were begun for it"):
            await ctx.step(nap, 1, name="big", config=StepConfig(needs=seconds(8)))
        return "refused"

    async def busy(event: Any, ctx: DurableContext) -> Any:
        clock.jump(5)  # as code does that computes something
        return await workflow_of_busy(event, ctx)

    async def workflow_of_busy(event: Any, ctx: DurableContext) -> Any:
        with pytest.raises(ConfigError, match=r"5 invocations were begun for it"):
            await ctx.step(nap, 1, name="big", config=StepConfig(needs=seconds(8)))
        return "refused"

    with virtual_time() as clock:
        ran = rig_of(busy, timeout=10).run()
    assert ran.result == "refused", ran.error
    assert waits(ran) == 5


def test_other_bodies_keep_the_invocation_open_and_one_wait_suspends_it() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def second() -> Any:
            await ctx.step(nap, 3)
            return await ctx.step(nap, 1, "second", name="b", config=StepConfig(needs=seconds(7)))

        return await asyncio.gather(ctx.step(nap, 8, "first", name="a"), second())

    ran = played(workflow, timeout=10)
    assert ran.result == ["first", "second"]
    assert (waits(ran), ran.invocations) == (1, 2)
    events = brief(ran)
    assert events.index("StepSucceeded a") < events.index(f"WaitStarted {NEEDS_NAME}")


def test_the_function_may_end_while_an_attempt_waits_for_time() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def second() -> Any:
            await ctx.step(nap, 3)
            return await ctx.step(nap, 1, "second", config=StepConfig(needs=seconds(7)))

        first = ctx.step(hangs_once, config=StepConfig(retry_strategy=THREE))
        return await asyncio.gather(first, second())

    async def hangs_once() -> str:
        if StepContext.current().attempt == 1:
            await forever()
        return "first"

    ran = played(workflow, timeout=10)
    assert ran.result == ["first", "second"]
    assert waits(ran) == 1


def test_a_retry_waits_for_time_too() -> None:
    async def fails_once() -> str:
        if StepContext.current().attempt == 1:
            await asyncio.sleep(3)
            raise ValueError("once")
        return "second"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = StepConfig(needs=seconds(7), retry_strategy=THREE)
        # The other step keeps the invocation open until the retry is due.
        return await asyncio.gather(
            ctx.step(fails_once, name="b", config=config), ctx.step(nap, 7, "a", name="a")
        )

    ran = hurried(workflow, timeout=10)
    assert ran.result == ["second", "a"], ran.error
    # A call takes two seconds, so the first WAITs end before the invocation can.
    assert 1 <= waits(ran) <= 3


def test_a_second_wait_follows_if_something_else_kept_the_invocation_open() -> None:
    """The WAIT ends while the invocation that recorded it still runs: it suspends with another one."""
    clocked: list[Any] = []

    class Answering:
        """Answer the callback with the answer that acknowledges the WAIT, so that code goes on."""

        def __init__(self, plane: Any) -> None:
            self.plane, self.get_state, self.now = plane, plane.get_state, plane.now

        async def checkpoint(self, request: Any) -> Any:
            if any(update.name == NEEDS_NAME for update in request.updates) and callbacks:
                rig.emulator.callback_success(callbacks.pop(), b'"yes"')
            return await self.plane.checkpoint(request)

    callbacks: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def other() -> str:
            callback = await ctx.create_callback(name="cb")
            if not clocked:
                clocked.append(1)
                callbacks.append(callback.callback_id)
            await callback
            await ctx.step(nap, 2, name="after")
            return "other"

        async def long() -> Any:
            await ctx.step(nap, 3)
            return await ctx.step(nap, 1, "long", name="long", config=StepConfig(needs=seconds(8)))

        return await asyncio.gather(other(), long())

    with virtual_time():
        rig = rig_of(workflow, timeout=10, wrappers=Wrappers(data_plane=Answering))
        ran = rig.run()
    assert ran.result == ["other", "long"], ran.error
    assert waits(ran) >= 1


def test_a_step_that_waits_for_time_can_be_given_up() -> None:
    runs: list[int] = []

    async def long() -> None:
        runs.append(1)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(nap, 3)
        step = ctx.step(long, config=StepConfig(needs=seconds(8)))
        await ctx.step(nap, 1)
        step.cancel()
        await ctx.wait(seconds(5))
        return "given up"

    ran = played(workflow, timeout=10)
    assert (ran.result, runs, waits(ran)) == ("given up", [], 0)


NEEDS_EIGHT = StepConfig(needs=seconds(8))


async def returns_at_once(event: Any, ctx: DurableContext) -> str:
    await ctx.step(nap, 3)
    ctx.step(nap, 1, name="long", config=NEEDS_EIGHT)
    return "done"


async def returns_after_another_step(event: Any, ctx: DurableContext) -> str:
    await ctx.step(nap, 3)
    ctx.step(nap, 1, name="long", config=NEEDS_EIGHT)
    await ctx.step(nap, 1)
    return "done"


async def ends_its_context(event: Any, ctx: DurableContext) -> str:
    async def child(inner: DurableContext) -> str:
        return await returns_at_once(event, inner)

    result = await ctx.run_in_child_context(child)
    await ctx.step(nap, 1)
    return result


async def leaves_a_task(event: Any, ctx: DurableContext) -> str:
    async def background() -> None:
        await ctx.step(nap, 1, name="long", config=NEEDS_EIGHT)

    await ctx.step(nap, 3)
    task = asyncio.ensure_future(background())
    await ctx.step(nap, 1)
    return "cut off" if not task.done() else "done"


@pytest.mark.parametrize(
    "workflow", [returns_at_once, returns_after_another_step, ends_its_context, leaves_a_task]
)
def test_a_step_that_still_waited_for_time_when_the_code_ended_is_not_new_to_a_replay(
    workflow: Any,
) -> None:
    ran = played(workflow, timeout=10)
    assert "long" not in {event.name for event in ran.events}
    report = replay_history(durable_execution(workflow), ran.events, execution_arn=ran.arn)
    assert (report.divergence, report.notes) == (None, [])


@pytest.mark.parametrize("in_context", [False, True])
def test_a_step_that_needs_time_is_new_to_a_replay_that_awaits_it(in_context: bool) -> None:
    def flow(config: StepConfig | None) -> Any:
        async def steps(ctx: DurableContext) -> str:
            await ctx.step(nap, 1)
            if config is not None:
                await ctx.step(nap, 1, name="long", config=config)
            return "done"

        async def workflow(event: Any, ctx: DurableContext) -> str:
            result = await (ctx.run_in_child_context(steps) if in_context else steps(ctx))
            await ctx.wait(seconds(5), name="later")
            return result

        return workflow

    ran = played(flow(None), timeout=10)
    changed = durable_execution(flow(NEEDS_EIGHT))
    divergence = replay_history(changed, ran.events, execution_arn=ran.arn).divergence
    assert divergence is not None
    assert "step 'long'" in divergence.actual
    assert divergence.place is not None


def test_lines_are_not_logged_again_after_the_suspension(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(nap, 3)
        ctx.log_info("before")
        step = ctx.step(nap, 1, "long", config=StepConfig(needs=seconds(8)))
        ctx.log_info("asked")
        value = await step
        ctx.log_info("after")
        return value

    with caplog.at_level(logging.INFO):
        ran = played(workflow, timeout=10)
    assert (ran.result, ran.invocations) == ("long", 2)
    assert [
        r.getMessage() for r in caplog.records if r.getMessage() in ("before", "asked", "after")
    ] == [
        "before",
        "asked",
        "after",
    ]


def test_in_the_items_of_a_map_each_step_waits_for_time() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def item(inner: DurableContext, n: int, _index: int) -> int:
            await inner.step(nap, 3)
            return await inner.step(nap, 1, n, name="long", config=StepConfig(needs=seconds(8)))

        return (await ctx.map(range(4), item)).results()

    ran = played(workflow, timeout=10)
    assert ran.result == [0, 1, 2, 3]
    assert (waits(ran), ran.invocations) == (4, 2)


def test_a_limit_counts_only_while_the_body_runs() -> None:
    """Neither the wait for time nor the delay of a retry is part of an attempt."""

    async def fails_once() -> str:
        await asyncio.sleep(3)
        if StepContext.current().attempt == 1:
            raise ValueError("once")
        return "done"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(nap, 5)
        config = StepConfig(
            needs=seconds(8),
            timeout=seconds(4),
            retry_strategy=FixedDelay(max_attempts=2, delay=seconds(3600)),
        )
        return await ctx.step(fails_once, config=config)

    assert played(workflow, timeout=10).result == "done"


def test_the_rig_of_these_tests_stays_within_the_functions_time() -> None:
    """Each invocation ends before the function's time is up, also with a body that cleans up slowly."""
    took: list[float] = []

    async def careful() -> str:
        if StepContext.current().attempt == 1:
            try:
                await forever()
            finally:
                await asyncio.sleep(60)
        return "second"

    async def workflow(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(careful, config=StepConfig(retry_strategy=THREE))

    with virtual_time() as clock:

        def timed(inner: Any) -> Any:
            def call(request: Any) -> Any:
                began = clock.now
                try:
                    return inner(request)
                finally:
                    took.append(clock.now - began)

            return call

        ran = Rig(rig_of(workflow).handler, timeout=10, wrappers=Wrappers(invoker=timed)).run()
    assert ran.result == "second"
    assert 9 <= took[0] < 10


def test_another_event_may_begin_the_fresh_invocation(caplog: pytest.LogCaptureFixture) -> None:
    """The WAIT has not ended when the attempt begins, and nothing was cut: no line comes twice."""
    callbacks: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def other() -> str:
            callback = await ctx.create_callback(name="cb")
            callbacks.append(callback.callback_id)
            return str(await callback)

        async def long() -> Any:
            await ctx.step(nap, 3)
            handle = ctx.step(nap, 1, "long", name="long", config=StepConfig(needs=seconds(8)))
            ctx.log_info("asked")
            return await handle

        return await asyncio.gather(other(), long())

    def answering(inner: Any) -> Any:
        def call(request: Any) -> Any:
            outcome = inner(request)
            if len(callbacks) == 1:
                rig.emulator.callback_success(callbacks[0], b'"yes"')
            return outcome

        return call

    with caplog.at_level(logging.INFO), virtual_time():
        rig = rig_of(workflow, timeout=10, wrappers=Wrappers(invoker=answering))
        ran = rig.run()
    assert ran.result == ["yes", "long"], ran.error
    events = brief(ran)
    assert waits(ran) == 1
    assert events.index("StepStarted long") < len(events) - 1
    assert [r.getMessage() for r in caplog.records].count("asked") == 1


@pytest.mark.parametrize("limit", ["timeout", "function"])
def test_the_resources_of_an_attempt_are_cleaned_up_when_it_is_cut_off(limit: str) -> None:
    seen: list[str] = []

    async def session() -> AsyncIterator[str]:
        seen.append("set up")
        yield "session"
        seen.append("clean")

    async def guarded() -> AsyncIterator[str]:
        try:
            async for each in session():
                yield each
        finally:
            seen.append("closed")

    async def use(*, session: str = Depends(guarded)) -> str:
        if StepContext.current().attempt == 1:
            await forever()
        return session

    async def workflow(event: Any, ctx: DurableContext) -> str:
        timeout = seconds(2) if limit == "timeout" else None
        return await ctx.step(use, config=StepConfig(timeout=timeout, retry_strategy=THREE))

    ran = played(workflow, timeout=10)
    assert ran.result == "session", ran.error
    assert seen.count("set up") == seen.count("closed") == 2
