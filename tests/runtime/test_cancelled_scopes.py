"""Scopes of anyio in workflow code: cancelled as under plain anyio, without keeping the loop busy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from tests.generated.clock import Stuck
from tests.replay.corpus import ONE_TRY, Probe, Workflow, seconds
from tests.replay.prove import prove
from tests.rig import rig_of, run_workflow
from tests.sampling import thinned
from tests.virtual_time import virtual_time

from durable_execution_sdk import DurableContext
from durable_execution_sdk.runtime.event_loop.idle_selector import IdleSelector
from durable_execution_sdk.runtime.tasks import spinning

MOST_TURNS = 400_000


class Turns:
    """The number of turns that loops have taken; after too many it fails."""

    def __init__(self) -> None:
        self.count = 0


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[Turns]:
    counted = Turns()
    select: Callable[..., Any] = IdleSelector.select

    def counting(self: Any, timeout: float | None = None) -> Any:
        counted.count += 1
        if counted.count > MOST_TURNS:
            counted.count = 0
            raise Stuck(f"the loop took {MOST_TURNS:,} turns")
        return select(self, timeout)

    monkeypatch.setattr(IdleSelector, "select", counting)
    return counted


async def gathers_all_tasks(ctx: DurableContext) -> None:
    async def job() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    async with anyio.create_task_group() as group:
        group.start_soon(job)


async def awaits_its_host(ctx: DurableContext) -> None:
    host: Any = asyncio.current_task()

    async def job() -> None:
        await host

    async with anyio.create_task_group() as group:
        group.start_soon(job)


async def in_two_groups(ctx: DurableContext) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(gathers_all_tasks, ctx)


async def in_a_child(ctx: DurableContext) -> None:
    await ctx.run_in_child_context(gathers_all_tasks)


async def in_a_shielded_scope(ctx: DurableContext) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.Event().wait()


async def in_a_group_of_asyncio(ctx: DurableContext) -> None:
    async def job() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    async with asyncio.TaskGroup() as group:
        group.create_task(job())


AT_REST = [
    *(gathers_all_tasks, awaits_its_host, in_two_groups, in_a_child),
    *(in_a_shielded_scope, in_a_group_of_asyncio),
]


async def in_a_cancelled_group(ctx: DurableContext) -> None:
    host: Any = asyncio.current_task()

    async def job() -> None:
        group.cancel_scope.cancel()
        await asyncio.gather(host, return_exceptions=True)

    async with anyio.create_task_group() as group:
        group.start_soon(job)


async def swallows_in_a_cancelled_scope(ctx: DurableContext) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass


async def waits_for_a_lock_after_its_cancellation(ctx: DurableContext) -> None:
    """``Condition.wait`` waits for its lock, however often it is cancelled."""
    changed = asyncio.Condition()

    async def holds() -> None:
        async with changed:
            scope.cancel()
            await asyncio.Event().wait()

    with anyio.CancelScope() as scope:
        async with changed:
            holder = asyncio.create_task(holds())
            await changed.wait()
    holder.cancel()


async def with_a_callback_that_cancels_again(ctx: DurableContext) -> None:
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asyncio.get_running_loop().call_soon(task.cancel)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    task.cancel()
    await task


CANCELLED = [
    in_a_cancelled_group,
    swallows_in_a_cancelled_scope,
    waits_for_a_lock_after_its_cancellation,
    with_a_callback_that_cancels_again,
]


def ran_alone(code: Any) -> Any:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await code(ctx)

    ran = run_workflow(workflow)
    assert (ran.error.error_type, ran.invocations) == ("DeadlockError", 1), ran.error
    return ran.error.error_message


@pytest.mark.parametrize("code", AT_REST)
def test_a_circle_of_awaits_is_a_deadlock_at_once(code: Any, turns: Turns) -> None:
    assert "nothing can wake one" in ran_alone(code)
    assert turns.count < 10_000


@pytest.mark.parametrize(
    "code", [pytest.param(CANCELLED[0], marks=pytest.mark.slow), *CANCELLED[1:]]
)
def test_a_cancellation_that_is_swallowed_again_and_again_is_a_deadlock(
    code: Any, turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    if code is not in_a_cancelled_group:
        # Enough for its task to be held first, as with a million.
        monkeypatch.setattr(spinning, "_ENDLESS_MOVES", 10 * spinning._LONG_MOVES * 2)
    message = ran_alone(code)
    assert "swallows its cancellation at tests/runtime/test_cancelled_scopes.py:" in message
    assert "A task that is cancelled must end" in message


@pytest.mark.parametrize("code", thinned(CANCELLED, 2))
def test_it_does_not_hold_off_a_suspension(code: Any, turns: Turns) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def beside() -> None:
            await code(ctx)

        spinning = asyncio.create_task(beside())
        await ctx.wait(seconds(3600))
        return str(spinning.done())

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == ("False", 2), ran.error


async def spins(ctx: DurableContext) -> None:
    while True:
        await asyncio.sleep(0)


async def spins_in_callbacks(ctx: DurableContext) -> None:
    loop = asyncio.get_running_loop()

    def again() -> None:
        loop.call_soon(again)

    again()
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass


CLEAN_UPS = [*AT_REST, *CANCELLED, spins, spins_in_callbacks]


@pytest.mark.parametrize("code", thinned(CLEAN_UPS))
def test_clean_up_that_spins_comes_to_an_end(code: Any, turns: Turns) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def beside() -> None:
            try:
                await ctx.wait(seconds(3600))
            except asyncio.CancelledError:
                await code(ctx)

        other = asyncio.create_task(beside())
        await ctx.wait(seconds(5))
        await ctx.wait(seconds(5))
        return str(other.done())

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == ("False", 3), ran.error


def test_compensations_in_a_cancelled_scope_leave_the_loop_idle_once_their_task_is_held(
    turns: Turns,
) -> None:
    async def undo(result: str) -> None:
        await asyncio.sleep(5)

    async def book() -> str:
        return "booked"

    async def workflow(event: Any, ctx: DurableContext) -> bool:
        with anyio.CancelScope() as scope:
            async with ctx.saga() as saga:
                await saga.step(book, compensate=undo)
                scope.cancel()
                await ctx.wait(seconds(10))
        return scope.cancelled_caught

    with virtual_time():
        ran = run_workflow(workflow)
    assert ran.result is True, ran.error
    assert turns.count < 60_000


# Level cancellation: the same as under plain anyio.

See = Callable[[object], None]


async def each_checkpoint(see: See) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        for n in range(4):
            try:
                await (anyio.lowlevel.checkpoint() if n % 2 else asyncio.Event().wait())
                see(n)
            except asyncio.CancelledError:
                see(f"cancelled {n}")
        await asyncio.sleep(0)
    see(scope.cancelled_caught)


async def after_other_tasks(see: See) -> None:
    """The scope is at rest, and another task wakes the one that is cancelled."""
    ready = [asyncio.Event() for _ in range(3)]

    async def stubborn() -> None:
        for n, event in enumerate(ready):
            while not event.is_set():
                try:
                    with anyio.CancelScope(shield=True):
                        await event.wait()
                except asyncio.CancelledError:
                    see(f"shield {n}")
            try:
                await asyncio.sleep(0)
                see(f"not cancelled {n}")
            except asyncio.CancelledError:
                see(f"cancelled {n}")

    async def wakes() -> None:
        for event in ready:
            for _ in range(5):
                await asyncio.sleep(0)
            event.set()

    waking = asyncio.create_task(wakes())
    async with anyio.create_task_group() as group:
        group.start_soon(stubborn)
        await asyncio.sleep(0)
        group.cancel_scope.cancel()
    see(group.cancel_scope.cancelled_caught)
    await waking


async def tasks_that_come_late(see: See) -> None:
    async def late(n: int) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            see(f"late {n}")
            raise

    async with anyio.create_task_group() as group:
        group.cancel_scope.cancel()
        group.start_soon(late, 1)
        with anyio.CancelScope(shield=True):
            await asyncio.sleep(0)
            group.start_soon(late, 2)
            for _ in range(4):
                await asyncio.sleep(0)
        see("end")


async def a_shield_that_a_callback_takes_off(see: See) -> None:
    def take_off() -> None:
        see("takes it off")
        inner.shield = False

    loop = asyncio.get_running_loop()
    with anyio.CancelScope() as outer:
        outer.cancel()
        with anyio.CancelScope(shield=True) as inner:

            def later(turns: int) -> None:
                loop.call_soon(later, turns - 1) if turns else take_off()

            later(6)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                see("cancelled")
                raise
    see([outer.cancelled_caught, inner.cancelled_caught])


async def scopes_within_one_another(see: See) -> None:
    with anyio.CancelScope() as outer:
        with anyio.CancelScope() as inner:
            inner.cancel()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                see("inner")
                outer.cancel()
                raise
        see(inner.cancelled_caught)
        await asyncio.Event().wait()
    see(outer.cancelled_caught)
    await asyncio.sleep(0)
    task: Any = asyncio.current_task()
    see(task.cancelling())


LEVELS = [
    each_checkpoint,
    after_other_tasks,
    tasks_that_come_late,
    a_shield_that_a_callback_takes_off,
    scopes_within_one_another,
]


@pytest.mark.parametrize("code", LEVELS)
def test_a_scope_cancels_as_under_plain_anyio(code: Any) -> None:
    plain: list[object] = []
    asyncio.run(code(plain.append))
    ours: list[list[object]] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        seen: list[object] = []
        ours.append(seen)
        await code(seen.append)
        await ctx.wait(seconds(5))

    ran = run_workflow(workflow)
    assert ran.status == "SUCCEEDED", ran.error
    assert ours == [plain, plain]


def completions_in_a_cancelled_scope(probe: Probe) -> Workflow:
    """Each await in the scope is cancelled, however quickly its operation ends, live and on replay."""

    async def run(event: Any, ctx: DurableContext) -> Any:
        async def stubborn() -> None:
            for n in range(3):
                handle = ctx.step(probe.body, f"work {n}", name="work", config=ONE_TRY)
                try:
                    probe.see(f"done {n}", await asyncio.shield(handle))
                except asyncio.CancelledError:
                    with anyio.CancelScope(shield=True):
                        probe.see(f"shielded {n}", await handle)

        async with anyio.create_task_group() as group:
            group.start_soon(stubborn)
            await ctx.wait(seconds(1))
            group.cancel_scope.cancel()
        await ctx.wait(seconds(5))
        return probe.see("end", group.cancel_scope.cancelled_caught)

    return run


def test_completions_in_a_cancelled_scope_come_at_the_same_place_on_replay() -> None:
    prove(completions_in_a_cancelled_scope, seeds=6, same_log=False, same_result=False)


@pytest.mark.parametrize("mode", ["cancelled", "deadline"])
def test_a_group_of_many_tasks_ends_with_its_cancellation(mode: str, turns: Turns) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> int:
        ended: list[int] = []

        async def work(n: int) -> None:
            try:
                await ctx.wait(seconds(3600))
            finally:
                ended.append(n)

        with anyio.move_on_after(5 if mode == "deadline" else 3600):
            async with anyio.create_task_group() as group:
                for n in range(500):
                    group.start_soon(work, n)
                if mode == "cancelled":
                    await ctx.wait(seconds(5))
                    group.cancel_scope.cancel()
        assert ended == [*range(500)]
        return len(ended)

    ran = rig_of(workflow).run()
    assert ran.result == 500, ran.error
    assert turns.count < 2_000
