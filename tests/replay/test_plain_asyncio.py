"""Replay repeats winners, timeouts and order of ordinary asyncio in workflow code."""

from __future__ import annotations

import asyncio
import inspect
import math
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.replay.corpus import ONE_TRY, RETRY, Declined, Probe, Workflow, seconds
from tests.replay.play import replay
from tests.replay.prove import played, prove
from tests.replay.test_schedules import fuzzed
from tests.rig import Rig, run_workflow
from tests.sampling import thinned, whole_or_sample

from durable_execution_sdk import (
    CheckpointingMode,
    ConfigError,
    DurableContext,
    OperationCancelledError,
    StepConfig,
    durable_execution,
)

HOUR = 3600
RETRIED = StepConfig(retry_strategy=RETRY)


def timeout_that_expires(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        callback = await ctx.create_callback("cb")
        try:
            async with asyncio.timeout(HOUR):
                await callback
        except TimeoutError:
            probe.see("timed out", await ctx.step(probe.body, "after"))
        await ctx.wait(seconds(5))
        return probe.see("end", await ctx.step(probe.body, "end"))

    return run


def timeout_in_time(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async with asyncio.timeout(HOUR):
            probe.see("a", await ctx.step(probe.body, "a"))
            probe.see("w", await ctx.wait(seconds(60)))
            probe.see("b", await ctx.step(probe.fails, "b", 3, config=RETRIED))
        await ctx.wait(seconds(2 * HOUR))
        return probe.see("end", await ctx.step(probe.body, "end"))

    return run


def timeout_around_retries(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        step = ctx.step(probe.fails, "s", 4, config=RETRIED)
        for attempt in range(2, 9, 3):
            try:
                async with asyncio.timeout(attempt):
                    probe.see("came", await asyncio.shield(step))
                break
            except TimeoutError:
                probe.see("late", attempt)
        return await ctx.step(probe.body, "after")

    return run


def timeout_that_gives_up(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        step = ctx.step(probe.fails, "s", 4, config=RETRIED)
        try:
            async with asyncio.timeout(1):
                probe.see("came", await step)
        except TimeoutError:
            probe.see("late", await ctx.step(probe.body, "late"))
        try:
            await step
        except OperationCancelledError:
            probe.see("given up")
        await ctx.wait(seconds(60))
        return await ctx.step(probe.body, "after")

    return run


def wait_for_operations(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def branch(length: int) -> str:
            await ctx.wait(seconds(length))
            return str(await ctx.step(probe.body, f"b{length}"))

        probe.see("in time", await asyncio.wait_for(branch(3), 50))
        try:
            await asyncio.wait_for(branch(90), 4)
        except TimeoutError:
            probe.see("late", await ctx.step(probe.body, "late"))
        done, pending = await asyncio.wait([ctx.wait(seconds(9)), ctx.wait(seconds(2))], timeout=5)
        probe.see("wait", [len(done), len(pending)])
        await asyncio.wait(pending)
        return await ctx.step(probe.body, "after")

    return run


def short_timeouts(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        try:
            async with asyncio.timeout(0.01):
                await ctx.wait(seconds(60))
        except TimeoutError:
            probe.see("late", await ctx.step(probe.body, "late"))
        async with asyncio.timeout(0.9):
            probe.see("in time", await ctx.step(probe.body, "quick"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await ctx.wait(seconds(60))
        return probe.see("after", await ctx.step(probe.body, "after"))

    return run


def sleeps(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(86_400)
        probe.see("a day", 86_400 <= loop.time() - began < 86_402)
        await asyncio.sleep(0.002)
        probe.see("slept", await asyncio.sleep(1.5, result="well"))
        await asyncio.sleep(0)
        await asyncio.sleep(-1)
        return probe.see("after", await ctx.step(probe.body, "after"))

    return run


def deadlines(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 100
        count = 0
        try:
            async with asyncio.timeout_at(deadline) as limit:
                while True:
                    await ctx.wait(seconds(30))
                    count += 1
                    probe.see("tick", count)
                    if count == 2:
                        limit.reschedule(deadline + 30)
        except TimeoutError:
            probe.see("over", [count, limit.expired(), loop.time() >= deadline])
        return await ctx.step(probe.body, "after")

    return run


def nested_timeouts_in_tasks_and_children(probe: Probe) -> Workflow:
    async def child(ctx: DurableContext, n: int) -> str:
        try:
            async with asyncio.timeout(n):
                await ctx.wait(seconds(6))
                return probe.see("child", f"{n} came", inside=str(n))
        except TimeoutError:
            await ctx.step(probe.body, f"late {n}")
            return probe.see("child", f"{n} late", inside=str(n))

    async def run(event: Any, ctx: DurableContext) -> Any:
        async def task(n: int) -> None:
            probe.see("outer", await ctx.run_in_child_context(child, n))

        async with asyncio.timeout(200), asyncio.TaskGroup() as group:
            for n in (3, 9, 4):
                group.create_task(task(n))
        return await ctx.step(probe.body, "after")

    return run


def heartbeat_beside_work(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def beats() -> None:
            beat = 0
            while True:
                await asyncio.sleep(7)
                beat += 1
                probe.see("beat", await ctx.step(probe.body, f"beat {beat}", name="beat"))

        beating = asyncio.create_task(beats())
        for n in range(3):
            await ctx.wait(seconds(10))
            probe.see("work", await ctx.step(probe.body, f"work {n}", name="work"))
        beating.cancel()
        return await ctx.step(probe.body, "after")

    return run


def call_later(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        loop = asyncio.get_running_loop()
        rung = asyncio.Event()
        loop.call_later(30, rung.set)
        unwanted = loop.call_later(20, probe.see, "never")
        later = loop.call_at(loop.time() + 10, probe.see, "rung first")
        probe.see("later", later.when() - loop.time() == 10)
        await ctx.wait(seconds(15))
        unwanted.cancel()
        unwanted.cancel()
        await rung.wait()
        probe.see("rung")
        return await ctx.step(probe.body, "after")

    return run


def completed_as_coroutines(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def one(n: int) -> int:
            await ctx.wait(seconds(n))
            return int(await ctx.step(probe.body, f"s{n}", n, name=f"s{n}"))

        same = one(2)
        for each in asyncio.as_completed([one(5), same, one(1), same, ctx.wait(seconds(3))]):
            probe.see("came", await each)
        try:
            for each in asyncio.as_completed((one(30), one(4)), timeout=10):
                probe.see("came", await each)
        except TimeoutError:
            probe.see("late", await ctx.step(probe.body, "late"))
        return "over"

    return run


def first_exception(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        handles = [
            ctx.wait(seconds(50), name="slow"),
            ctx.step(probe.body, "a"),
            ctx.step(probe.fails, "f", 9, config=StepConfig(retry_strategy=RETRY)),
        ]
        done, pending = await asyncio.wait(handles, return_when=asyncio.FIRST_EXCEPTION)
        probe.see("done", [sorted(h.name for h in done), [h.name for h in pending]])
        return "over"

    return run


def queue_with_timeouts(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        queue: asyncio.Queue[str] = asyncio.Queue()
        semaphore = asyncio.Semaphore(1)

        async def produce(label: str, every: int) -> None:
            for n in range(2):
                await asyncio.sleep(every)
                async with semaphore:
                    await queue.put(str(await ctx.step(probe.body, f"{label}{n}")))

        producers = [asyncio.create_task(produce("p", 4)), asyncio.create_task(produce("q", 11))]
        got = 0
        while got < 4:
            try:
                async with asyncio.timeout(6):
                    probe.see("got", await queue.get())
                got += 1
            except TimeoutError:
                probe.see("nothing", await ctx.step(probe.body, "nothing"))
        await asyncio.gather(*producers)
        return "over"

    return run


def big_context_with_timers(probe: Probe) -> Workflow:
    async def big(ctx: DurableContext) -> str:
        try:
            async with asyncio.timeout(3):
                await ctx.wait(seconds(60))
        except TimeoutError:
            probe.see("late", await ctx.step(probe.body, "late"), inside="big")
        await asyncio.sleep(0.001)
        forgotten = asyncio.get_running_loop().call_later(99, probe.see, "never")
        del forgotten
        return "x" * 270_000

    async def run(event: Any, ctx: DurableContext) -> Any:
        probe.see("big", len(await ctx.run_in_child_context(big)))
        await ctx.wait(seconds(200))
        return await ctx.step(probe.body, "after")

    return run


def shielded(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def work() -> str:
            await ctx.wait(seconds(20))
            return str(await ctx.step(probe.body, "work"))

        task = asyncio.create_task(work())
        try:
            await asyncio.wait_for(asyncio.shield(task), 5)
        except TimeoutError:
            probe.see("late", await ctx.step(probe.body, "late"))
        return probe.see("work", await task)

    return run


PROVEN = [
    timeout_that_expires,
    timeout_in_time,
    timeout_around_retries,
    timeout_that_gives_up,
    wait_for_operations,
    short_timeouts,
    sleeps,
    deadlines,
    nested_timeouts_in_tasks_and_children,
    heartbeat_beside_work,
    call_later,
    completed_as_coroutines,
    first_exception,
    queue_with_timeouts,
    big_context_with_timers,
    shielded,
]


@whole_or_sample
@pytest.mark.parametrize("build", thinned(PROVEN), ids=lambda build: build.__name__)
def test_plain_asyncio_replays(build: Any, *, whole: bool) -> None:
    # A crash may change the winner of a race, but then the winner stays.
    prove(build, same_log=False, same_result=False, whole=whole)


def observed(build: Any) -> list[Any]:
    _, play, _ = played(build)
    return [(label, value) for _, label, value in play.probe.observations[-1]]


def test_a_timeout_of_an_hour_suspends_and_expires() -> None:
    _, _, ran = played(timeout_that_expires)
    names = [(e.event_type, e.name) for e in ran.events if e.event_type.startswith("Wait")]
    assert names[:2] == [("WaitStarted", "asyncio timer"), ("WaitSucceeded", "asyncio timer")]
    assert ran.invocations == 3


def test_what_comes_in_time_is_not_timed_out_by_a_later_replay() -> None:
    assert observed(timeout_in_time)[-1] == ("end", "end")


def test_a_timeout_gives_up_the_step_that_it_ends_the_wait_for() -> None:
    _, play, _ = played(timeout_that_gives_up)
    assert [label for _, label, _ in play.probe.observations[-1]] == ["late", "given up"]
    assert play.probe.runs["s", 1] == 1
    assert ("s", 2) not in play.probe.runs


def test_a_timeout_leaves_under_way_what_is_shielded() -> None:
    seen = observed(timeout_around_retries)
    assert seen[0] == ("late", 2)
    assert seen[-1] == ("came", "s")


def test_deadlines_are_kept_across_suspensions() -> None:
    assert observed(deadlines) == [
        *(("tick", n) for n in (1, 2, 3, 4)),
        ("over", [4, True, True]),
    ]


def test_as_completed_starts_coroutines_in_the_order_of_the_list() -> None:
    _, play, ran = played(completed_as_coroutines)
    ids = {(u.id, u.name) for u in play.updates}
    for _ in range(5):
        _, other, came = played(completed_as_coroutines)
        assert {(u.id, u.name) for u in other.updates} == ids
        assert came.result == ran.result
    came_in = [value for label, value in observed(completed_as_coroutines) if label == "came"]
    assert came_in == [1, 2, None, 5, 4]


def test_a_quick_step_under_a_timeout_records_nothing_more() -> None:
    @durable_execution
    async def run(event: Any, ctx: DurableContext) -> str:
        async def quick() -> str:
            return "quick"

        async with asyncio.timeout(HOUR):
            return await ctx.step(quick)

    ran = Rig(run).run()
    assert ran.result == "quick"
    assert [e for e in ran.types() if "Execution" not in e] == [
        "StepStarted",
        "StepSucceeded",
        "InvocationCompleted",
    ]


def test_timers_shift_no_ids_of_operations() -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            await asyncio.sleep(5)
            async with asyncio.timeout(9):
                await ctx.step(probe.body, "a")
            await ctx.wait(seconds(1))

        return run

    _, play, _ = played(build)
    names = {u.name: u.id for u in play.updates}
    from durable_execution_sdk.runtime.log.ids import operation_id

    assert names["body"] == operation_id("1")
    assert names[None] == operation_id("2")


def test_a_timer_that_is_too_long_is_refused_and_an_endless_one_never_rings() -> None:
    @durable_execution
    async def run(event: Any, ctx: DurableContext) -> str:
        with pytest.raises(ConfigError, match="at most 366d"):
            await asyncio.sleep(1e9)
        async with asyncio.timeout(5) as limit:
            try:
                await asyncio.sleep(math.inf)
            finally:
                await asyncio.sleep(0)
        return str(limit.expired())

    ran = Rig(run).run()
    assert ran.error.error_type == "TimeoutError"


def test_clean_up_code_has_timers_that_run_at_once() -> None:
    cleaned: list[str] = []

    @durable_execution
    async def run(event: Any, ctx: DurableContext) -> None:
        try:
            await ctx.wait(seconds(HOUR))
        finally:
            await asyncio.sleep(0.001)
            async with asyncio.timeout(5):
                cleaned.append(await asyncio.sleep(0, "up"))

    ran = Rig(run).run()
    assert ran.status == "SUCCEEDED"
    assert cleaned == ["up", "up"]
    assert ran.invocations == 2


def test_steps_have_the_timers_of_the_process() -> None:
    @durable_execution
    async def run(event: Any, ctx: DurableContext) -> str:
        async def body() -> str:
            loop = asyncio.get_running_loop()
            before = loop.time()
            async with asyncio.timeout(30):
                await asyncio.sleep(0.002)
            assert loop.time() > before
            return "slept"

        return await ctx.step(body)

    ran = Rig(run).run()
    assert ran.result == "slept"
    assert "asyncio timer" not in {e.name for e in ran.events}


def test_a_cancelled_scope_of_anyio_reaches_its_tasks() -> None:
    async def run(event: Any, ctx: DurableContext) -> str:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.Event().wait)
            group.cancel_scope.cancel()
        with anyio.move_on_after(HOUR) as scope:
            await ctx.wait(seconds(2 * HOUR))
        return "moved on" if scope.cancelled_caught else "waited"

    ran = run_workflow(run)
    assert ran.result == "moved on", ran.error


def test_a_task_of_a_workflow_tells_inspect_how_it_stands() -> None:
    async def run(event: Any, ctx: DurableContext) -> list[str]:
        async def waits() -> None:
            await ctx.wait(seconds(1))

        task = asyncio.create_task(waits())
        states = [inspect.getcoroutinestate(task.get_coro())]  # type: ignore[arg-type]
        await asyncio.sleep(0)
        states.append(inspect.getcoroutinestate(task.get_coro()))  # type: ignore[arg-type]
        await task
        states.append(inspect.getcoroutinestate(task.get_coro()))  # type: ignore[arg-type]
        return states

    assert run_workflow(run).result == ["CORO_CREATED", "CORO_SUSPENDED", "CORO_CLOSED"]


def test_a_timer_wakes_a_workflow_that_nothing_else_would() -> None:
    @durable_execution
    async def run(event: Any, ctx: DurableContext) -> str:
        event_ = asyncio.Event()
        asyncio.get_running_loop().call_later(2 * HOUR, event_.set)
        await event_.wait()
        return "woken"

    ran = Rig(run).run()
    assert (ran.result, ran.invocations) == ("woken", 2)


def test_what_replays_logs_nothing_while_a_timer_stands(caplog: pytest.LogCaptureFixture) -> None:
    @durable_execution
    async def run(event: Any, ctx: DurableContext) -> None:
        async with asyncio.timeout(HOUR):
            await ctx.wait(seconds(5))
            ctx.log_warn("one")
            await ctx.wait(seconds(5))
            ctx.log_warn("two")
        await ctx.wait(seconds(5))
        ctx.log_warn("three")

    Rig(run).run()
    assert [r.message for r in caplog.records] == ["one", "two", "three"]


def test_optimistic_results_do_not_overtake_a_timer() -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async with asyncio.timeout(HOUR):
                for n in range(3):
                    probe.see("s", await ctx.step(probe.body, f"s{n}"))
                await ctx.wait(seconds(3))
            return "over"

        return run

    shape, play, _ = played(build)
    workflow = shape.handler(Probe()).__wrapped__
    ran = Rig(durable_execution(checkpointing=CheckpointingMode.OPTIMISTIC)(workflow)).run()
    assert ran.result == "over"
    assert replay(shape, play.snapshots[-1]).outcome.status == "SUCCEEDED"


# Programs of timers that Hypothesis generates.

delays = st.sampled_from([0.001, 0.003, 1, 2, 3, 4.5, 7])
nodes = st.recursive(
    st.one_of(
        st.tuples(st.just("sleep"), delays),
        st.tuples(st.just("wait"), st.integers(1, 6)),
        st.tuples(st.just("step"), st.booleans()),
        st.tuples(st.just("flaky"), st.integers(2, 4)),
    ),
    lambda inner: st.one_of(
        st.tuples(st.just("timeout"), delays, st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("limit"), delays, inner),
        st.tuples(st.just("first"), st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("group"), st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("race"), st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("completed"), st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=7,
)


async def one(probe: Probe, ctx: DurableContext, node: Any, here: str) -> Any:
    match node:
        case ("sleep", delay):
            return await asyncio.sleep(delay, here)
        case ("wait", length):
            return await ctx.wait(seconds(length))
        case ("step", fails):
            return await ctx.step(probe.fails if fails else probe.body, here, config=ONE_TRY)
        case ("flaky", attempts):
            return await ctx.step(probe.fails, here, attempts, config=RETRIED)
        case ("timeout", delay, inner):
            async with asyncio.timeout(delay):
                return [await seen(probe, ctx, n, f"{here}.{i}") for i, n in enumerate(inner)]
        case ("limit", delay, inner):
            return await asyncio.wait_for(seen(probe, ctx, inner, f"{here}l"), delay)
        case ("first", inner):
            tasks = [
                asyncio.create_task(seen(probe, ctx, n, f"{here}f{i}")) for i, n in enumerate(inner)
            ]
            done, pending = await asyncio.wait(tasks, timeout=5, return_when="FIRST_COMPLETED")
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            return [len(done), len(pending)]
        case ("group", inner):
            async with asyncio.TaskGroup() as group:
                for i, n in enumerate(inner):
                    group.create_task(seen(probe, ctx, n, f"{here}g{i}"))
            return None
        case ("race", inner):
            return await ctx.race(
                *(seen(probe, ctx, n, f"{here}r{i}") for i, n in enumerate(inner))
            )
        case ("completed", inner):
            coroutines = [seen(probe, ctx, n, f"{here}c{i}") for i, n in enumerate(inner)]
            return [await each for each in asyncio.as_completed(coroutines)]
    raise AssertionError(node)


async def seen(probe: Probe, ctx: DurableContext, node: Any, here: str) -> Any:
    try:
        return probe.see(here, await one(probe, ctx, node, here))
    except (Declined, TimeoutError) as error:
        return probe.see(f"{here} failed", type(error).__name__)


@whole_or_sample
def test_random_programs_of_timers_replay(whole: bool) -> None:
    @settings(fuzzed, max_examples=15 if whole else 6)
    @given(program=st.lists(nodes, min_size=1, max_size=3))
    def holds(program: list[Any]) -> None:
        def build(probe: Probe) -> Workflow:
            async def run(event: Any, ctx: DurableContext) -> Any:
                for n, node in enumerate(program):
                    await seen(probe, ctx, node, str(n))
                await ctx.wait(seconds(1))

            return run

        prove(build, seeds=2, same_log=False, same_result=False, whole=whole)

    holds()
