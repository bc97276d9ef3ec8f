"""``all``, ``any``, ``race`` and ``all_settled``: the log holds the winner, and replay has the same one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.replay.corpus import ONE_TRY, RETRY, Declined, Probe, Workflow, seconds
from tests.replay.play import replay
from tests.replay.prove import played, prove
from tests.rig import Rig
from tests.sampling import whole_or_sample

from durable_execution_sdk import (
    AllFailedError,
    ConfigError,
    DurableContext,
    OperationError,
    SettledStatus,
    StepConfig,
    StepError,
    durable_execution,
)


def all_of_different_kinds(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        a, b, none = await ctx.all(
            ctx.step(probe.body, "a"),
            ctx.step(probe.body, "b", name="b"),
            ctx.wait(seconds(30)),
        )
        probe.see("all", [a, b, none])
        probe.see("now", int(ctx.now().timestamp()) % 2 >= 0)
        await ctx.wait(seconds(5))
        return probe.see("after", await ctx.step(probe.body, "after"))

    return run


def all_fails_at_the_first_failure(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        slow = ctx.wait(seconds(50))
        try:
            await ctx.all(slow, ctx.step(probe.fails, "f", config=ONE_TRY))
        except Declined as error:
            assert isinstance(error, StepError)
            probe.see("failed", [error.code, error.amount, slow.done()])
        await slow
        return probe.see("after", await ctx.step(probe.body, "after"))

    return run


def race_against_time(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        slow = ctx.step(probe.fails, "s", 4, config=StepConfig(retry_strategy=RETRY))
        probe.see("late", await ctx.race(slow, ctx.wait(seconds(3))))
        quick = ctx.step(probe.fails, "q", 2, config=StepConfig(retry_strategy=RETRY))
        probe.see("in time", await ctx.race(quick, ctx.wait(seconds(86_400))))
        probe.see("loser", await slow)
        return "over"

    return run


def race_lost_by_failing(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.race(ctx.wait(seconds(60)), ctx.step(probe.fails, "f", config=ONE_TRY))
        except StepError as error:
            probe.see("error", [error.error_type, str(error)])
        await ctx.wait(seconds(5))
        return await ctx.step(probe.body, "after")

    return run


def any_that_succeeds(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        winner = await ctx.any(
            ctx.step(probe.fails, "f", config=ONE_TRY),
            ctx.step(probe.fails, "g", 3, config=StepConfig(retry_strategy=RETRY)),
            ctx.wait(seconds(600)),
        )
        probe.see("winner", winner)
        await ctx.wait(seconds(1))
        return winner

    return run


def any_that_fails(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.any(
                ctx.step(probe.fails, "f", config=ONE_TRY),
                ctx.step(probe.fails, "g", config=ONE_TRY),
                name="either",
            )
        except AllFailedError as error:
            codes = [e.code for e in error.exceptions if isinstance(e, Declined)]
            probe.see("all failed", [codes, error.operation_name, str(error)])
        await ctx.wait(seconds(1))
        try:
            await ctx.any(ctx.step(probe.fails, "h", config=ONE_TRY))
        except* Declined as group:
            probe.see("group", len(group.exceptions))
        return await ctx.step(probe.body, "after")

    return run


def settles_all(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        one, two, three = await ctx.all_settled(
            ctx.step(probe.body, "a"),
            ctx.step(probe.fails, "f", config=ONE_TRY),
            ctx.wait(seconds(9)),
        )
        assert one.status is SettledStatus.SUCCEEDED
        assert two.status is SettledStatus.FAILED
        assert three.error is None
        probe.see("settled", [one.value, one.result(), str(two.error), three.value])
        with pytest.raises(Declined):
            two.result()
        await ctx.wait(seconds(1))
        return await ctx.step(probe.body, "after")

    return run


def of_tasks_and_coroutines(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def branch(n: int) -> int:
            await ctx.wait(seconds(n))
            return int(await ctx.step(probe.body, f"b{n}", n))

        task = asyncio.create_task(branch(7))
        probe.see("race", await ctx.race(branch(5), task, branch(3)))
        probe.see("all", await ctx.all(task, branch(1), ctx.step(probe.body, "s")))
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def sets() -> None:
            await ctx.wait(seconds(2))
            future.set_result("set")

        setting = asyncio.create_task(sets())
        probe.see("future", await ctx.race(future, ctx.wait(seconds(100))))
        await setting
        return "over"

    return run


def nested_and_in_children(probe: Probe) -> Workflow:
    async def child(ctx: DurableContext, n: int) -> str:
        first = ctx.all(ctx.wait(seconds(n)), ctx.step(probe.body, f"c{n}"))
        _, name = await ctx.race(first, ctx.all(ctx.wait(seconds(n + 1)), ctx.wait(seconds(n))))
        return probe.see("child", str(name), inside=str(n))

    async def run(event: Any, ctx: DurableContext) -> Any:
        children = [ctx.run_in_child_context(child, n) for n in (4, 2, 6)]
        probe.see("first", await ctx.race(*children))
        probe.see("all", await ctx.all(*children))
        await ctx.wait(seconds(1))
        return "over"

    return run


def of_nothing(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        probe.see("all", await ctx.all())
        probe.see("settled", await ctx.all_settled())
        for combine in (ctx.race, ctx.any):
            with pytest.raises(ConfigError, match="at least one"):
                combine()
        return await ctx.step(probe.body, "after")

    return run


def not_awaited_at_once(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        either = ctx.race(ctx.wait(seconds(4)), ctx.step(probe.body, "a"))
        probe.see("b", await ctx.step(probe.body, "b"))
        await ctx.wait(seconds(10))
        probe.see("done", either.done())
        return probe.see("either", await either)

    return run


def gives_up_an_operand(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        callback = await ctx.create_callback("cb")
        both = ctx.all_settled(callback, ctx.wait(seconds(3)))
        await ctx.wait(seconds(1))
        callback.cancel()
        cancelled, waited = await both
        assert isinstance(cancelled.error, OperationError)
        probe.see("given up", [cancelled.error.error_type, waited.value])
        await ctx.wait(seconds(1))
        return "over"

    return run


@whole_or_sample
@pytest.mark.parametrize(
    "build",
    [
        all_of_different_kinds,
        all_fails_at_the_first_failure,
        race_against_time,
        race_lost_by_failing,
        any_that_succeeds,
        any_that_fails,
        settles_all,
        of_tasks_and_coroutines,
        nested_and_in_children,
        of_nothing,
        not_awaited_at_once,
        gives_up_an_operand,
    ],
    ids=lambda build: build.__name__,
)
def test_the_outcome_is_that_of_the_log(build: Any, *, whole: bool) -> None:
    # A loser in a child may end before or after the child.
    prove(build, same_log=build is not nested_and_in_children, whole=whole)


def test_the_timeout_pattern_suspends_and_takes_the_winner_of_the_log() -> None:
    _, play, ran = played(race_against_time)
    observed = {label: value for _, label, value in play.probe.observations[-1]}
    assert observed == {"late": None, "in time": "q", "loser": "s"}
    assert ran.invocations > 3


def test_operands_and_later_operations_keep_their_ids_when_a_combinator_is_replayed() -> None:
    shape, play, _ = played(all_of_different_kinds)
    ids = {update.id for update in play.updates}
    assert len(ids) == 6
    for state in play.snapshots:
        assert {update.id for update in replay(shape, state).updates} <= ids


def test_the_record_is_small_and_holds_no_value_twice() -> None:
    big = "x" * 200_000

    @durable_execution
    async def run(event: Any, ctx: DurableContext) -> int:
        async def make() -> str:
            return big

        values = await ctx.all(*(ctx.step(make, name=f"s{n}") for n in range(3)))
        first = await ctx.race(ctx.step(make), ctx.wait(seconds(60)))
        settled = await ctx.all_settled(ctx.step(make))
        return sum(len(each) for each in (*values, first or "", settled[0].result()))

    ran = Rig(run).run()
    assert ran.result == 1_000_000
    recorded = {
        event.name: event.step_succeeded_details.result.payload
        for event in ran.events
        if event.step_succeeded_details is not None and event.name in ("all", "race", "all_settled")
    }
    assert {name: json.loads(payload) for name, payload in recorded.items()} == {
        "all": {"of": 3},
        "race": {"of": 2, "first": 0},
        "all_settled": {"of": 1},
    }


def test_a_failure_is_recorded_with_its_operand_and_error() -> None:
    _, _, ran = played(race_lost_by_failing)
    [failed] = [e for e in ran.events if e.event_type == "StepFailed" and e.name == "race"]
    error = failed.step_failed_details.error.payload
    assert error.error_type == "Declined"
    assert error.error_message == "declined: f"
    assert json.loads(error.error_data) == {"of": 2, "first": 1}


def test_an_uncaught_failure_fails_the_execution_with_its_own_type() -> None:
    @durable_execution
    async def run(event: Any, ctx: DurableContext) -> None:
        async def fails() -> None:
            raise LookupError("no such thing")

        await ctx.all(ctx.wait(seconds(5)), ctx.step(fails, config=ONE_TRY))

    ran = Rig(run).run()
    assert (ran.status, ran.error.error_type, ran.error.error_message) == (
        "FAILED",
        "LookupError",
        "no such thing",
    )


@whole_or_sample
def test_all_failing_crosses_a_child_context_with_its_type_and_message(*, whole: bool) -> None:
    def build(probe: Probe) -> Workflow:
        async def child(ctx: DurableContext) -> None:
            await ctx.any(ctx.step(probe.fails, "f", config=ONE_TRY))

        async def run(event: Any, ctx: DurableContext) -> Any:
            try:
                await ctx.run_in_child_context(child)
            except OperationError as error:
                probe.see("error", [error.error_type, str(error)])
            await ctx.wait(seconds(1))

        return run

    prove(build, whole=whole)


def test_nothing_that_cannot_be_awaited_is_combined() -> None:
    @durable_execution
    async def run(event: Any, ctx: DurableContext) -> str:
        async def never() -> None: ...

        with pytest.raises(ConfigError, match=r"ctx.race takes operations .* not 5"):
            ctx.race(never(), 5)  # type: ignore[call-overload]
        return "refused"

    assert Rig(run).run().result == "refused"


def test_other_operands_on_replay_are_a_change_of_the_code() -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            more = [] if len(probe.observations) <= 2 else [asyncio.create_task(asyncio.sleep(0))]
            await ctx.all(ctx.wait(seconds(2)), *more)
            await ctx.wait(seconds(2))

        return run

    _, _, ran = played(build, fails=True)
    assert ran.error.error_type == "DeterminismError"
    assert "outcome for 1 operands, the code gave it 2" in ran.error.error_message


def test_an_operand_that_depends_on_something_unrecorded_is_found() -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def moody() -> None:
                if len(probe.observations) > 1:
                    raise LookupError

            await ctx.race(moody(), ctx.wait(seconds(50)))
            await ctx.wait(seconds(2))

        return run

    _, _, ran = played(build, fails=True)
    assert ran.error.error_type == "DeterminismError"
    assert "operand 0 did not end the way that the log holds" in ran.error.error_message


@whole_or_sample
def test_a_loser_that_fails_later_is_no_failure_of_the_workflow(*, whole: bool) -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def fails_late() -> None:
                await ctx.wait(seconds(5))
                raise LookupError

            probe.see("won", await ctx.race(fails_late(), ctx.step(probe.body, "a")))
            await ctx.wait(seconds(20))
            return "over"

        return run

    prove(build, whole=whole)
