"""check_crash_safety finds workflows that a crash breaks, and passes those that none can break."""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from durable_execution_sdk import (
    CallbackConfig,
    CheckpointingMode,
    DurableContext,
    DurableError,
    Duration,
    FixedDelay,
    NoRetry,
    StepConfig,
    StepContext,
    StepInterruptedError,
    StepSemantics,
    durable_execution,
)
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.testing import (
    DurableTestError,
    HarmError,
    LocalDurableTestRunner,
    SafetyReport,
    check_crash_safety,
    check_crash_safety_sync,
)
from durable_execution_sdk.testing.checks.crash_safety import _harms_of_bodies

AT_MOST_ONCE = StepSemantics.AT_MOST_ONCE_PER_RETRY
RETRY = FixedDelay(max_attempts=3, delay=Duration.from_seconds(2))
CHARGES: list[str] = []


@pytest.fixture(autouse=True)
def reset() -> Iterator[None]:
    CHARGES.clear()
    yield


async def charge(order: str) -> str:
    """Charge without an idempotency key: each call is another charge."""
    CHARGES.append(order)
    return f"charge of {order}"


async def charge_with_key(order: str) -> str:
    """Charge with the operation's id as key: a second call is the same charge."""
    key = StepContext.current().operation_id
    if key not in CHARGES:
        CHARGES.append(key)
    return f"charge of {order}"


def plain(value: int) -> int:
    return value


async def echo(value: Any) -> Any:
    return value


async def same(value: int) -> int:
    """Return the value; as a coroutine function it ends in the same order in each run."""
    return value


def checked(workflow: Any, **options: Any) -> SafetyReport:
    return check_crash_safety_sync(durable_execution(workflow), "7", setup=CHARGES.clear, **options)


def harms(report: SafetyReport) -> list[str]:
    return [str(harm) for harm in report.harms]


# Correct workflows


async def everything(event: str, ctx: DurableContext) -> Any:
    """Use maps, children, tasks, timers of asyncio, polls, retries and a callback's timeout."""

    async def flaky() -> int:
        if StepContext.current().attempt < 2:
            raise OSError("not yet")
        return 1

    async def child(inner: DurableContext) -> int:
        await inner.wait(Duration.from_seconds(4))
        return await inner.step(same, 3)

    async def item(inner: DurableContext, each: int, index: int) -> int:
        await inner.step(charge_with_key, str(each))
        return await inner.run_in_child_context(child)

    async def in_child() -> int:
        return await ctx.run_in_child_context(child)

    async def retried() -> int:
        return await ctx.step(flaky, config=StepConfig(retry_strategy=RETRY))

    async with asyncio.timeout(20):
        first = await ctx.step(charge_with_key, event)
    async with asyncio.TaskGroup() as group:
        one = group.create_task(in_child())
        two = group.create_task(retried())
    await asyncio.sleep(90)
    batch = await ctx.map([1, 2], item)
    return [first, one.result(), two.result(), batch.results(), str(ctx.uuid4())]


def test_an_honest_workflow_comes_through_a_crash_at_every_point() -> None:
    report = checked(everything, observe=lambda: sorted(CHARGES))
    assert report.ok, str(report)
    assert not report.interrupted
    assert not report.notes
    calm = LocalDurableTestRunner(durable_execution(everything))
    assert calm.run_sync("7").assert_succeeded().result[1:4] == [3, 1, [3, 3]]
    # None of its bodies awaits more than once.
    assert report.runs == 3 * calm.faults.checkpoints + len(calm.faults.bodies)
    assert str(report) == f"everything: {report.runs} crashes, no harm"
    report.raise_if_failed()


def test_a_workflow_with_callbacks_is_played_by_the_test() -> None:
    async def flow(event: str, ctx: DurableContext) -> str:
        async def ask(callback_id: str, whom: str) -> None:
            await charge_with_key(whom)

        first = await ctx.wait_for_callback(ask, "boss", name="approval")
        await ctx.step(plain, 1)
        return f"{event}: {first}"

    def play(runner: LocalDurableTestRunner[str]) -> Any:
        runner.sync.start("7")
        runner.sync.wait_for_callback("approval").succeed("yes")
        return runner.sync.complete()

    report = check_crash_safety_sync(
        durable_execution(flow), play=play, setup=CHARGES.clear, observe=lambda: list(CHARGES)
    )
    assert report.ok, str(report)
    assert report.runs > 10


def test_it_runs_in_async_tests_and_with_the_options_of_a_runner() -> None:
    @durable_execution
    async def other(event: int, ctx: DurableContext) -> int:
        return await ctx.step(plain, event + 1)

    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> int:
        return await ctx.invoke("other:$LATEST", event)

    async def play(runner: LocalDurableTestRunner[int]) -> Any:
        return await runner.run(3)

    runner = LocalDurableTestRunner(flow, functions={"other": other})

    async def test() -> list[SafetyReport]:
        return [await check_crash_safety(runner, 3), await check_crash_safety(runner, play=play)]

    for report in asyncio.run(test()):
        assert report.ok, str(report)
        assert report.runs == 3


def test_a_body_that_fails_its_invocation_on_purpose_may_run_again() -> None:
    fails: list[bool] = []

    async def flow(event: str, ctx: DurableContext) -> int:
        async def busy() -> int:
            if not fails:
                fails.append(True)
                raise DurableError.invocation("the database is restarting")
            return 1

        return await ctx.step(busy)

    report = check_crash_safety_sync(durable_execution(flow), "7", setup=fails.clear)
    assert report.ok, str(report)
    assert report.runs > 3


@pytest.mark.parametrize("mode", [CheckpointingMode.EAGER, CheckpointingMode.OPTIMISTIC])
def test_it_holds_in_the_other_modes_of_checkpointing(mode: CheckpointingMode) -> None:
    handler = durable_execution(checkpointing=mode)(everything)
    report = check_crash_safety_sync(handler, "7", setup=CHARGES.clear, max_points=25)
    assert report.ok, str(report)


def test_a_body_that_ran_twice_for_no_reason_would_be_seen() -> None:
    """No workflow can cause this, so the test forges the faults' records."""
    runner = LocalDurableTestRunner(durable_execution(everything))
    result = runner.run_sync("7")
    assert list(_harms_of_bodies(runner.faults, result.history)) == []
    runner.faults.bodies.append(runner.faults.bodies[0])
    [harm] = _harms_of_bodies(runner.faults, result.history)
    assert harm == (
        "the body of attempt 1 of step 'charge_with_key' ran 2 times, and was not cut off before"
    )


# Planted bugs


def test_a_charge_that_is_not_idempotent_is_found_in_the_world_outside() -> None:
    async def flow(event: str, ctx: DurableContext) -> str:
        return await ctx.step(charge, event)

    report = checked(flow, observe=lambda: list(CHARGES))
    assert harms(report) == [
        "killed before checkpoint 1: the external state is ['7'] undisturbed, ['7', '7'] now",
        "killed in attempt 1 of step 'charge': the external state is ['7'] undisturbed, ['7', '7'] now",
    ]
    assert not report
    with pytest.raises(HarmError, match=r"harm at 2 of them") as raised:
        report.raise_if_failed()
    assert isinstance(raised.value, AssertionError)
    assert repr(report) == str(report)


def test_a_transfer_that_is_not_idempotent_in_its_middle_is_found_at_that_await() -> None:
    accounts: dict[str, int] = {}

    def reset() -> None:
        accounts.clear()
        accounts.update(ada=10, bob=0)

    async def transfer(amount: int) -> None:
        await asyncio.sleep(0)
        if accounts["bob"]:
            return  # charged before
        accounts["ada"] -= amount
        await asyncio.sleep(0)
        accounts["bob"] += amount

    async def flow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(transfer, 4)

    report = check_crash_safety_sync(durable_execution(flow), setup=reset, observe=accounts.copy)
    [harm] = harms(report)
    assert harm == (
        "killed at await 2 of 2 in attempt 1 of step 'transfer': the external state is"
        " {'ada': 6, 'bob': 4} undisturbed, {'ada': 2, 'bob': 4} now"
    )


def test_a_charge_outside_of_any_step_is_found() -> None:
    async def flow(event: str, ctx: DurableContext) -> str:
        await charge(event)
        await ctx.step(plain, 1)
        return "done"

    report = checked(flow, observe=lambda: list(CHARGES))
    assert len(report.harms) == report.runs == 4


@pytest.mark.parametrize("sync", [True, False])
def test_an_at_most_once_charge_whose_strategy_retries_an_interruption_is_found(
    sync: bool,
) -> None:
    def charge_sync(order: str) -> str:
        CHARGES.append(order)
        return order

    body: Any = charge_sync if sync else charge

    async def flow(event: str, ctx: DurableContext) -> str:
        return await ctx.step(body, event, name="pay", config=StepConfig(semantics=AT_MOST_ONCE))

    report = checked(flow)
    assert [harm.where for harm in report.harms] == [
        "killed before checkpoint 2",
        "killed in attempt 1 of step 'pay'",
    ]
    for harm in report.harms:
        assert harm.what.startswith("the at-most-once body of step 'pay' ran again: attempt 1 was")


def test_an_at_most_once_charge_that_is_given_up_is_no_harm_and_shown() -> None:
    config = StepConfig(semantics=AT_MOST_ONCE, retry_strategy=NoRetry())

    async def flow(event: str, ctx: DurableContext) -> str:
        try:
            return await ctx.step(charge, event, config=config)
        except StepInterruptedError:
            return "somebody has to look"

    report = checked(flow)
    assert report.ok
    assert [each.where for each in report.interrupted][-1] == "killed in attempt 1 of step 'charge'"
    assert "an at-most-once step was interrupted at 4:" in str(report)
    assert 'the result is "charge of 7" undisturbed, "somebody has to look" now' in str(report)


def test_what_must_hold_wherever_the_crash_comes_is_asserted() -> None:
    config = StepConfig(semantics=AT_MOST_ONCE, retry_strategy=NoRetry())

    async def flow(event: str, ctx: DurableContext) -> str:
        try:
            return await ctx.step(charge, event, config=config)
        except StepInterruptedError:
            return await ctx.step(
                charge, event, name="once more"
            )  # although it may have been charged

    def at_most_one() -> None:
        assert len(CHARGES) <= 1, f"{len(CHARGES)} charges"

    def play(runner: LocalDurableTestRunner[str]) -> Any:
        result = runner.run_sync("7")
        assert len(result.operations) == 1, "another charge"
        return result

    assert checked(flow).ok
    report = checked(flow, observe=at_most_one)
    assert "killed in attempt 1 of step 'charge': observe= asserts: 2 charges" in str(report)
    report = check_crash_safety_sync(durable_execution(flow), play=play, setup=CHARGES.clear)
    assert "killed after checkpoint 1: play= asserts: another charge" in str(report)


def test_a_play_may_run_until_suspended_before_it_looks_for_callbacks() -> None:
    async def flow(event: Any, ctx: DurableContext) -> str:
        callback = await ctx.create_callback(name="answer", config=CallbackConfig(result_type=str))
        await ctx.step(charge_with_key, "a")
        return await callback

    def play(runner: LocalDurableTestRunner[str]) -> Any:
        runner.sync.start()
        began = runner.sync.now
        assert runner.sync.run_until_suspended().operation("charge_with_key").succeeded
        assert runner.sync.now - began <= timedelta(seconds=1)
        (callback,) = runner.sync.callbacks("answer")
        callback.succeed("yes")
        return runner.sync.complete()

    report = check_crash_safety_sync(durable_execution(flow), play=play, setup=CHARGES.clear)
    assert report, str(report)
    assert report.runs > 5


def test_a_pause_is_not_ended_by_the_repetition_of_a_crash() -> None:
    async def flow(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(charge, "a")

    runner = LocalDurableTestRunner(durable_execution(flow))
    runner.faults.crash_in("charge").on_crash(lambda: runner.sync.pause())
    runner.sync.start()
    assert runner.sync.run_until_suspended().status == "PAUSED"
    runner.sync.resume()
    assert runner.sync.run_until_suspended().succeeded


def test_a_global_that_replay_changes_again_is_found() -> None:
    def build() -> Any:
        values: list[str] = []

        async def flow(event: str, ctx: DurableContext) -> int:
            await ctx.step(plain, 1)
            values.append(event)
            await ctx.step(plain, 2)
            return len(values)

        return flow, values

    flow, values = build()
    report = check_crash_safety_sync(durable_execution(flow), "7", setup=values.clear)
    assert [harm.where for harm in report.harms] == [
        "killed before checkpoint 2",
        "killed after checkpoint 2",
        "the answer was lost to checkpoint 2",
        "killed in attempt 1 of step 'plain'",
    ]
    assert report.harms[0].what == "the result is 1 undisturbed, 2 now"


def test_memory_that_a_process_takes_along_is_found() -> None:
    cache: dict[str, str] = {}

    async def flow(event: str, ctx: DurableContext) -> str:
        async def warm() -> None:
            cache["token"] = "secret"

        await ctx.step(warm)
        await ctx.step(plain, 1)
        return cache["token"]

    workflow = durable_execution(flow)
    assert check_crash_safety_sync(workflow, "7", setup=cache.clear)
    report = check_crash_safety_sync(workflow, "7", setup=cache.clear, on_crash=cache.clear)
    assert "killed after checkpoint 1: the execution SUCCEEDED undisturbed, and FAILED now" in str(
        report
    )


def test_a_branch_on_the_clock_of_the_machine_is_found() -> None:
    clock: list[int] = []

    def reset() -> None:
        clock[:] = [9]

    async def flow(event: str, ctx: DurableContext) -> str:
        clock.append(clock[-1] + 1)
        name = "morning" if clock[-2] < 10 else "noon"
        await ctx.step(plain, 1, name=name)
        await ctx.step(plain, 2, name="last")
        return "done"

    report = check_crash_safety_sync(durable_execution(flow), "7", setup=reset)
    text = str(report)
    # Before the record, the log has another operation; after it, replay is refused.
    assert "where the log had step 'morning' undisturbed, it has step 'noon' now" in text
    assert "the execution SUCCEEDED undisturbed, and FAILED now (DeterminismError" in text


def test_an_operation_that_comes_and_goes_is_found() -> None:
    calls: list[int] = []

    async def flow(event: str, ctx: DurableContext) -> str:
        calls.append(1)
        await ctx.step(plain, 1, name="first")
        if len(calls) == 1:
            await ctx.step(plain, 2, name="second")
        return "done"

    report = check_crash_safety_sync(durable_execution(flow), "7", setup=calls.clear)
    assert "killed before checkpoint 1: step 'second' is missing from the log" in harms(report)


def test_two_undisturbed_runs_that_differ_are_told_apart_from_crashes() -> None:
    runs: list[int] = []

    async def flow(event: str, ctx: DurableContext) -> str:
        runs.append(1)
        await ctx.step(plain, 1, name=f"run {len(runs)}")
        return "done"

    report = check_crash_safety_sync(durable_execution(flow), "7")
    assert not report
    assert report.runs == 0
    [harm] = harms(report)
    assert harm == (
        "undisturbed: two undisturbed runs differ already: where the log had step 'run 1'"
        " undisturbed, it has step 'run 2' now"
    )
    unreset = check_crash_safety_sync(
        durable_execution(everything), "7", observe=lambda: len(runs.append(1) or runs)
    )
    assert "Reset it in setup=" in str(unreset)


def test_two_undisturbed_runs_that_end_otherwise_are_no_standard() -> None:
    runs: list[int] = []

    async def flow(event: str, ctx: DurableContext) -> int:
        await ctx.step(plain, 1)
        runs.append(1)
        if len(runs) > 1:
            raise ValueError("not again")
        return 1

    report = check_crash_safety_sync(durable_execution(flow), "7")
    [harm] = harms(report)
    assert harm.startswith(
        "undisturbed: two undisturbed runs end otherwise: SUCCEEDED (1) and FAILED (ValueError: not"
    )


def test_values_that_differ_from_run_to_run_are_not_compared_and_that_is_said() -> None:
    numbers = iter(range(1000))

    async def flow(event: str, ctx: DurableContext) -> int:
        async def draw() -> int:
            return next(numbers)

        return await ctx.step(draw)

    report = check_crash_safety_sync(durable_execution(flow), "7")
    assert report.ok
    assert len(report.notes) == 2
    assert "note: so do the results of step 'draw'" in str(report)


class Clock:
    """A clock with a resolution so coarse that most readings are equal."""

    def __init__(self, strikes_at: int) -> None:
        self.readings = 0
        self.strikes_at = strikes_at

    def read(self) -> int:
        self.readings += 1
        return 100 if self.readings < self.strikes_at else 101


@pytest.mark.parametrize("strikes_at", range(1, 12))
@pytest.mark.parametrize("is_returned", [True, False])
def test_a_clock_that_strikes_between_two_runs_is_no_harm(
    strikes_at: int, is_returned: bool
) -> None:
    clock = Clock(strikes_at)

    async def flow(event: str, ctx: DurableContext) -> int:
        async def stamp() -> int:
            return clock.read()

        at = await ctx.step(stamp)
        await ctx.step(same, 1, name="last")
        return at if is_returned else 1

    report = checked(flow)
    assert report.ok, str(report)
    # A reading that differs is noted, no matter how late it comes.
    assert any("stamp" in note for note in report.notes) == (strikes_at > 1)


def test_a_result_that_differs_alone_is_a_note_with_the_place() -> None:
    bodies: list[int] = []

    async def flow(event: str, ctx: DurableContext) -> str:
        async def draw() -> int:
            bodies.append(1)
            return len(bodies)

        await ctx.step(draw)
        return "done"

    report = check_crash_safety_sync(durable_execution(flow), "7", setup=bodies.clear)
    assert report.ok, str(report)
    assert report.notes == [
        "killed before checkpoint 1: step 'draw' ended with 1 undisturbed, 2 now; nothing else differs"
    ]
    seen = check_crash_safety_sync(
        durable_execution(flow), "7", setup=bodies.clear, observe=lambda: len(bodies)
    )
    assert not seen
    assert "step 'draw' ended with 1 undisturbed, 2 now" in str(seen)


def test_results_that_change_places_are_harm_though_nothing_else_differs() -> None:
    bodies: list[int] = []

    async def flow(event: str, ctx: DurableContext) -> str:
        async def which() -> str:
            bodies.append(1)
            return "abba"[(len(bodies) - 1) % 4]

        first = ctx.step(which, name="first")
        second = ctx.step(which, name="second")
        await first
        await second
        return "done"

    report = check_crash_safety_sync(durable_execution(flow), "7", setup=bodies.clear)
    assert not report
    assert any(harm.what.endswith(", as another one did") for harm in report.harms), str(report)


def test_a_step_that_replay_gives_other_arguments_is_found_even_undisturbed() -> None:
    runs: list[int] = []

    async def flow(event: str, ctx: DurableContext) -> str:
        runs.append(1)
        for each in ("ab", "ba")[(len(runs) - 1) % 2]:
            await ctx.step(echo, each, name="notify")
        await ctx.wait(Duration.from_seconds(5))
        return "done"

    report = check_crash_safety_sync(durable_execution(flow), "7", setup=runs.clear)
    assert harms(report) == [
        f"undisturbed: step 'notify' was given \"{first}\" when it was asked for first, and"
        f' "{now}" on replay, and another one of this name is given those'
        for first, now in ("ab", "ba")
    ]


def test_arguments_that_come_from_a_clock_are_a_note() -> None:
    clock: list[int] = []

    async def flow(event: str, ctx: DurableContext) -> str:
        clock.append(1)
        await ctx.step(functools.partial(same, len(clock)), name="save")
        await ctx.wait(Duration.from_seconds(5))
        return "done"

    report = check_crash_safety_sync(durable_execution(flow), "7")
    assert report.ok, str(report)
    assert report.notes == [
        (
            "the results of step 'save' differ from run to run without any disturbance: they are not"
            " compared"
        ),
        (
            "killed before checkpoint 1: step 'save' was given 5 when it was asked for first, and 7 on"
            " replay; nothing else differs"
        ),
    ]
    # The value is the same in each run, and differs on replay only, so it is no clock.
    report = check_crash_safety_sync(durable_execution(flow), "7", setup=clock.clear)
    assert (
        "undisturbed: step 'save' was given 1 when it was asked for first, and 2 on replay"
        in str(report)
    )


def test_arguments_that_are_objects_or_cannot_be_written_are_not_compared() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)

    async def flow(event: str, ctx: DurableContext) -> int:
        async def size(*values: Any) -> int:
            return len(values)

        await ctx.step(size, object(), {1: {3, 2}}, 2**200, float("nan"), "x" * 5000)
        await ctx.step(size, cycle)
        await ctx.wait(Duration.from_seconds(5))
        return 1

    report = checked(flow)
    assert report.ok, str(report)
    assert not report.notes


def test_a_result_that_time_decides_can_be_left_out() -> None:
    async def flow(event: str, ctx: DurableContext) -> str:
        long = StepContext

        async def slow() -> str:
            await asyncio.sleep(0)
            return long.__name__

        winner = await ctx.race(ctx.step(slow), ctx.wait(Duration.from_seconds(1), name="limit"))
        return winner or "late"

    report = checked(flow)
    assert not report
    assert "same_result=False for the result, same_log=False for the operations" in str(report)
    allowed = checked(flow, same_result=False, same_log=False)
    assert allowed
    assert "same_result" not in str(allowed)


def test_a_bound_is_kept_and_what_it_cuts_is_said() -> None:
    report = checked(everything, max_points=7)
    assert report.runs == 7
    assert report.skipped > 30
    assert f"{report.skipped} more were left out: raise the bound to try them" in str(report)
    with pytest.raises(ConfigError, match="max_points is 1 or more"):
        checked(everything, max_points=0)
    with pytest.raises(ConfigError, match="max_points is 1 or more"):
        checked(everything, max_points="some")


def test_a_workflow_that_never_ends_is_no_subject() -> None:
    async def flow(event: str, ctx: DurableContext) -> Any:
        return await (await ctx.create_callback(name="never"))

    with pytest.raises(DurableTestError, match="does not end undisturbed"):
        checked(flow)


def test_an_execution_that_gets_stuck_after_a_crash_is_found() -> None:
    mails: list[str] = []

    async def flow(event: str, ctx: DurableContext) -> Any:
        async def mail(callback_id: str) -> None:
            mails.append(callback_id)  # queued, and lost when the process dies

        return await ctx.wait_for_callback(mail, name="answer")

    def play(runner: LocalDurableTestRunner[Any]) -> Any:
        runner.sync.start("7")
        runner.sync.wait_for_callback("answer")
        for callback_id in mails:
            runner.sync.callback(callback_id).succeed("yes")
        return runner.sync.complete()

    report = check_crash_safety_sync(
        durable_execution(flow), play=play, setup=mails.clear, on_crash=mails.clear
    )
    stuck = [harm.where for harm in report.harms if "nothing will ever end" in harm.what]
    assert stuck == ["killed after checkpoint 2"]


def test_a_workflow_that_fails_undisturbed_is_checked_and_that_is_said() -> None:
    async def flow(event: str, ctx: DurableContext) -> str:
        await ctx.step(plain, 1)
        raise ValueError("no")

    report = checked(flow)
    assert report.ok
    assert report.notes == ["undisturbed, the execution FAILED: ValueError: no"]


def test_what_is_asked_for_in_two_ways_is_refused() -> None:
    with pytest.raises(ConfigError, match="not both"):
        checked(everything, play=lambda runner: runner.run_sync("7"))
    with pytest.raises(ConfigError, match="returns the result of the runner"):
        check_crash_safety_sync(durable_execution(everything), play=lambda runner: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(ConfigError, match="@durable_execution makes"):
        check_crash_safety_sync(plain, 1)  # type: ignore[arg-type]


def test_a_world_that_cannot_be_copied_cannot_be_compared() -> None:
    with pytest.raises(ConfigError, match=r"cannot be copied .* return plain data"):
        checked(everything, observe=threading.Lock)


def test_an_at_least_once_body_that_the_functions_time_cuts_off_may_run_again() -> None:
    retries = FixedDelay(max_attempts=2, delay=Duration.from_seconds(1))

    async def never_ends() -> None:
        await asyncio.Event().wait()

    async def flow(event: str, ctx: DurableContext) -> int:
        try:
            await ctx.step(never_ends, config=StepConfig(retry_strategy=retries))
        except StepInterruptedError as error:
            return error.attempts or 0
        return 0

    runner = LocalDurableTestRunner(
        durable_execution(flow), invocation_timeout=timedelta(seconds=0.4)
    )
    report = check_crash_safety_sync(runner, "7", max_points=3)
    assert report.ok, str(report)
    assert report.runs == 3
    assert not report.interrupted


class ScopeOfATask:
    """A scope as AnyIO has it, which has to end in the task in which it began."""

    def __enter__(self) -> None:
        self._task = asyncio.current_task()

    def __exit__(self, *_: object) -> None:
        assert asyncio.current_task() is self._task


def test_a_body_that_streams_leaves_nothing_whose_end_is_told_as_a_warning_of_another_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = threading.Lock()

    async def piece() -> str:
        with ScopeOfATask():
            await asyncio.sleep(0)
        return "piece"

    async def pieces() -> Any:
        for _ in range(2):
            yield await piece()

    async def read() -> str:
        assert free.acquire(blocking=False)  # a body that was cut off has let go of it
        try:
            return "".join([each async for each in pieces()])
        finally:
            free.release()

    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(read)

    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    check_crash_safety_sync(workflow, None).raise_if_failed()
    gc.collect()
    assert not told
