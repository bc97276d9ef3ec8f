"""Sagas: when a later part fails, the steps before are undone once, in reverse order."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from typing import Any

import pytest
from tests.replay.corpus import AT_MOST_ONCE, ONE_TRY, RETRY, Declined, Probe, Workflow, seconds
from tests.replay.play import Play
from tests.replay.prove import played, prove
from tests.rig import Ran, Rig
from tests.sampling import thinned, whole_or_sample

from durable_execution_sdk import (
    ChildContextError,
    CompensationError,
    ConfigError,
    DurableContext,
    DurableError,
    StepConfig,
    StepError,
    durable_execution,
)

ONCE = StepConfig(semantics=AT_MOST_ONCE, retry_strategy=RETRY)


def undone(ran: Ran) -> list[str]:
    """Return the names of the compensations that ran, in order."""
    [context] = [
        e.id for e in ran.events if e.name == "compensations" and "Started" in e.event_type
    ]
    steps = [e for e in ran.events if e.parent_id == context and e.event_type.startswith("Step")]
    return list(dict.fromkeys(str(e.name) for e in steps if e.event_type != "StepStarted"))


def undo(probe: Probe, label: str) -> Any:
    async def cancel(result: str) -> str:
        return str(await probe.body(f"undo {label}", f"undid {result}"))

    cancel.__name__ = f"undo {label}"
    return cancel


def trip(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        try:
            async with ctx.saga() as saga:
                probe.see("a", await saga.step(probe.body, "a", compensate=undo(probe, "a")))
                await ctx.wait(seconds(60))
                probe.see("b", await saga.step(probe.plain, "b", compensate=undo(probe, "b")))
                saga.add_compensation(probe.body, "extra", name="undo extra")
                await saga.step(probe.fails, "c", config=ONE_TRY, compensate=undo(probe, "c"))
        except Declined as error:
            assert isinstance(error, StepError)
            probe.see("declined", error.code)
        await ctx.wait(seconds(5))
        return probe.see("after", await ctx.step(probe.body, "after"))

    return run


def trip_that_ends_well(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async with ctx.saga() as saga:
            saga.add_compensation(probe.body, "undo")
            a = await saga.step(probe.body, "a", compensate=undo(probe, "a"))
            await ctx.wait(seconds(60))
            b = await saga.step(probe.body, "b", compensate=undo(probe, "b"))
        await ctx.wait(seconds(5))
        return probe.see("after", [a, b])

    return run


def compensations_that_fail(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        retried = StepConfig(retry_strategy=RETRY)
        try:
            async with ctx.saga() as saga:
                await saga.step(probe.body, "a", compensate=undo(probe, "a"))
                saga.add_compensation(probe.fails, "x", name="undo x", config=ONE_TRY)
                saga.add_compensation(probe.fails, "y", 3, name="undo y", config=retried)
                raise LookupError("of its own")
        except CompensationError as error:
            lookup, declined = error.exceptions
            assert error.__cause__ is lookup
            assert isinstance(declined, StepError)
            assert isinstance(declined, Declined)
            probe.see("half done", [str(error), declined.code, declined.operation_name])
        await ctx.wait(seconds(5))
        return probe.see("after", await ctx.step(probe.body, "after"))

    return run


def steps_under_way(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        slow = StepConfig(retry_strategy=RETRY)
        try:
            async with ctx.saga() as saga:
                await asyncio.gather(
                    saga.step(probe.fails, "a", 3, config=slow, compensate=undo(probe, "a")),
                    saga.step(probe.fails, "b", config=ONE_TRY, compensate=undo(probe, "b")),
                    saga.step(probe.body, "c", compensate=undo(probe, "c")),
                )
        except Declined as error:
            probe.see("declined", error.code)
        await ctx.wait(seconds(1))
        return "over"

    return run


def steps_left_running(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        slow = StepConfig(retry_strategy=RETRY)
        async with ctx.saga() as saga:
            a = saga.step(probe.fails, "a", 2, config=slow, compensate=undo(probe, "a"))
        probe.see("waited for", a.done())
        try:
            async with ctx.saga() as saga:
                saga.step(probe.body, "b", compensate=undo(probe, "b"))
                saga.step(probe.fails, "c", config=ONE_TRY, compensate=undo(probe, "c"))
        except Declined as error:
            probe.see("declined", error.code)
        await ctx.wait(seconds(1))
        return "over"

    return run


def nested_sagas_in_children(probe: Probe) -> Workflow:
    async def child(ctx: DurableContext, label: str) -> str:
        async with ctx.saga() as outer:
            one = await outer.step(probe.body, f"{label}1", compensate=undo(probe, f"{label}1"))
            probe.see("one", one, inside=label)
            async with ctx.saga() as inner:
                await inner.step(probe.body, f"{label}2", compensate=undo(probe, f"{label}2"))
                await ctx.wait(seconds(9))
                raise Declined(label, amount=1)
        return "never"

    async def run(event: Any, ctx: DurableContext) -> Any:
        results = await asyncio.gather(
            ctx.run_in_child_context(child, "x"),
            ctx.run_in_child_context(child, "y"),
            return_exceptions=True,
        )
        probe.see("results", [type(r).__mro__[1].__name__ for r in results])
        await ctx.wait(seconds(5))
        return await ctx.step(probe.body, "after")

    return run


def cancelled_from_outside(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def books() -> None:
            try:
                async with ctx.saga() as saga:
                    await saga.step(probe.body, "a", compensate=undo(probe, "a"))
                    saga.add_compensation(probe.fails, "x", name="undo x", config=ONE_TRY)
                    await ctx.wait(seconds(3600))
            except asyncio.CancelledError as error:
                await ctx.step(probe.body, "late")
                probe.see("cancelled", error.__notes__)

        task = asyncio.create_task(books())
        await ctx.wait(seconds(10))
        task.cancel()
        await task
        await ctx.wait(seconds(10))
        return await ctx.step(probe.body, "after")

    return run


def cancelled_in_a_gather(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def books() -> None:
            async with ctx.saga() as saga:
                steps = [saga.step(probe.body, name, compensate=undo(probe, name)) for name in "ab"]
                plain = ctx.wait(seconds(3600))
                await asyncio.gather(*steps, plain)

        task = asyncio.create_task(books())
        await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task])
        probe.see("cancelled", [each.cancelled() for each in done])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await books()
        return await ctx.step(probe.body, "after")

    return run


def cancelled_while_undoing(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        retried = StepConfig(retry_strategy=RETRY)

        async def books() -> None:
            async with ctx.saga() as saga:
                saga.add_compensation(probe.body, "last", name="last")
                saga.add_compensation(probe.fails, "x", 3, name="undo x", config=retried)
                raise LookupError

        task = asyncio.create_task(books())
        await ctx.wait(seconds(1))
        task.cancel()
        done, _ = await asyncio.wait([task])
        probe.see("cancelled", [each.cancelled() for each in done])
        return await ctx.step(probe.body, "after")

    return run


PROVEN = [
    trip,
    trip_that_ends_well,
    compensations_that_fail,
    steps_under_way,
    steps_left_running,
    nested_sagas_in_children,
    cancelled_from_outside,
    cancelled_in_a_gather,
    cancelled_while_undoing,
]


@whole_or_sample
@pytest.mark.parametrize("build", thinned(PROVEN), ids=lambda build: build.__name__)
def test_a_saga_ends_the_same_after_each_crash(build: Any, *, whole: bool) -> None:
    prove(build, whole=whole)


def test_steps_are_undone_in_reverse_order_with_their_results() -> None:
    _, play, ran = played(trip)
    assert undone(ran) == ["undo extra", "undo b", "undo a"]
    results = [
        e.step_succeeded_details.result.payload
        for e in ran.events
        if e.step_succeeded_details and str(e.name).startswith("undo")
    ]
    assert results == ['"extra"', '"undid b"', '"undid a"']
    assert play.probe.runs["undo c", 1] == 0


def test_a_cancelled_gather_gives_up_no_step_of_a_saga() -> None:
    _, play, ran = played(cancelled_in_a_gather)
    assert ran.status == "SUCCEEDED", ran.error
    runs = play.probe.runs
    assert [runs[name, 1] for name in ("a", "b", "undo a", "undo b", "after")] == [2, 2, 2, 2, 1]
    assert "OperationCancelled" not in repr(ran.events)


def test_compensations_that_run_at_most_once_do_so_in_every_crash() -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            with pytest.raises(LookupError):
                async with ctx.saga() as saga:
                    saga.add_compensation(probe.body, "x", config=ONCE)
                    await saga.step(
                        probe.body, "a", compensate=undo(probe, "a"), compensation_config=ONCE
                    )
                    raise LookupError
            return "over"

        return run

    _, calm, _ = played(build)
    from tests.replay.test_crash_everywhere import WAYS, crashed

    shape = calm.shape
    for way in WAYS:
        for at in range(1, calm.calls + 1):
            play, ran = crashed(shape, at, way)
            assert ran.result == "over"
            assert max(n for (name, _), n in play.probe.runs.items() if name != "a") == 1
            assert Counter(undone(ran)) == Counter(["body", "undo a"])


def test_suspension_undoes_nothing() -> None:
    _, play, ran = played(trip_that_ends_well)
    assert ran.invocations > 2
    assert {name for name, _ in play.probe.runs} == {"a", "b"}
    assert "compensations" not in {e.name for e in ran.events}


def test_nothing_to_undo_records_nothing() -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async with ctx.saga() as saga:
                await saga.step(probe.fails, "a", config=ONE_TRY, compensate=undo(probe, "a"))

        return run

    _, _, ran = played(build, fails=True)
    assert ran.error.error_type == "Declined"
    assert "compensations" not in {e.name for e in ran.events}


def test_steps_that_were_under_way_are_waited_for_and_undone() -> None:
    _, _, ran = played(steps_under_way)
    assert undone(ran) == ["undo c", "undo a"]


def test_a_compensation_that_fails_does_not_stop_the_others() -> None:
    _, play, ran = played(compensations_that_fail)
    assert undone(ran) == ["undo y", "undo x", "undo a"]
    [seen] = [value for _, label, value in play.probe.observations[-1] if label == "half done"]
    assert seen == [
        "the saga failed, and so did 1 of its compensations ('undo x'): of its own (2 sub-exceptions)",
        "x",
        "undo x",
    ]


def test_an_invocation_that_fails_undoes_nothing_and_is_tried_again() -> None:
    tries: list[int] = []

    @durable_execution
    async def run(event: Any, ctx: DurableContext) -> str:
        async with ctx.saga() as saga:
            saga.add_compensation(lambda: None, name="undo")
            tries.append(1)
            if len(tries) == 1:
                raise DurableError.invocation("not now")
        return "done"

    ran = Rig(run).run()
    assert ran.result == "done"
    assert "compensations" not in {e.name for e in ran.events}


def test_an_error_of_the_saga_crosses_its_child_context_as_itself() -> None:
    _, play, _ = played(nested_sagas_in_children)
    [results] = [value for _, label, value in play.probe.observations[-1] if label == "results"]
    assert results == [ChildContextError.__name__] * 2


@whole_or_sample
def test_a_context_that_is_over_undoes_nothing(*, whole: bool) -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def child(inner: DurableContext) -> None:
                async def books() -> None:
                    async with inner.saga() as saga:
                        saga.add_compensation(probe.body, "undo")
                        await inner.wait(seconds(60))

                asyncio.create_task(books())  # noqa: RUF006
                await inner.step(probe.body, "a")

            await ctx.run_in_child_context(child)
            await ctx.wait(seconds(100))
            return "over"

        return run

    prove(build, whole=whole)
    _, play, _ = played(build)
    assert not play.probe.runs["undo", 1]


def test_a_saga_is_used_within_its_block_and_with_functions() -> None:
    @durable_execution
    async def run(event: Any, ctx: DurableContext) -> str:
        saga = ctx.saga()
        with pytest.raises(ConfigError, match="outside its block"):
            saga.add_compensation(lambda: None)
        async with saga:
            with pytest.raises(ConfigError, match="did you call it"):
                saga.add_compensation(None)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="outside its block"):
            saga.step(functools.partial(str), compensate=print)
        return "refused"

    assert Rig(run).run().result == "refused"


def test_each_compensation_succeeds_once_under_crashes() -> None:
    _, calm, _ = played(trip)
    from tests.replay.test_crash_everywhere import WAYS, crashed

    for way in WAYS:
        for at in range(1, calm.calls + 1):
            _, ran = crashed(calm.shape, at, way)
            assert undone(ran) == ["undo extra", "undo b", "undo a"], (way, at)


def test_a_saga_in_a_play_has_its_own_ids() -> None:
    _, play, _ = played(trip)
    other = Play(play.shape)
    other.run()
    assert {u.id for u in play.updates} == {u.id for u in other.updates}
