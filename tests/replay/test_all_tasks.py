"""``asyncio.all_tasks`` gives workflow code the tasks of its own context, the same live and on replay."""

from __future__ import annotations

import asyncio
import functools
import sys
from asyncio import all_tasks as imported_before_the_sdk_ran
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
from tests.replay.corpus import ONE_TRY, Probe, Workflow, seconds
from tests.replay.play import Play
from tests.replay.prove import played, prove
from tests.rig import run_workflow
from tests.sampling import thinned, whole_or_sample

from durable_execution_sdk import (
    CheckpointingMode,
    ChildConfig,
    DurableContext,
    NoRetry,
    StepConfig,
    WithRetryConfig,
)
from durable_execution_sdk.runtime.tasks import numbered_task

HOUR = 3600


def names(tasks: Any) -> list[str]:
    return sorted(each.get_name() for each in tasks if not each.get_name().startswith("Task-"))


async def waits(ctx: DurableContext, length: float = HOUR) -> None:
    await ctx.wait(seconds(length))


async def inside(ctx: DurableContext, *_: object) -> list[str]:
    """Work for a while, and leave a task behind."""
    asyncio.create_task(waits(ctx), name="left in it")  # noqa: RUF006 - left behind
    inner = asyncio.create_task(waits(ctx, 3), name="its own")
    await ctx.wait(seconds(2))
    seen = names(asyncio.all_tasks())
    await inner
    return seen


ITS_OWN = ["its own", "left in it"]


async def child(probe: Probe, ctx: DurableContext) -> Any:
    return await ctx.run_in_child_context(inside)


async def virtual(probe: Probe, ctx: DurableContext) -> Any:
    return await ctx.run_in_child_context(inside, config=ChildConfig(virtual=True))


async def in_a_map(probe: Probe, ctx: DurableContext) -> Any:
    batch = await ctx.map(["a", "b"], inside)
    return batch.results()[0]


async def in_a_parallel(probe: Probe, ctx: DurableContext) -> Any:
    batch = await ctx.parallel([inside, inside])
    return batch.results()[1]


async def in_an_attempt(probe: Probe, ctx: DurableContext) -> Any:
    return await ctx.with_retry(inside, config=WithRetryConfig(retry_strategy=NoRetry()))


async def in_a_grandchild(probe: Probe, ctx: DurableContext) -> Any:
    async def middle(ctx: DurableContext) -> list[str]:
        return await ctx.run_in_child_context(inside)

    return await ctx.run_in_child_context(middle)


async def in_a_large_child(probe: Probe, ctx: DurableContext) -> Any:
    """A child whose result is not stored, so that its function runs again on replay."""

    async def large(ctx: DurableContext) -> list[str]:
        return [*await inside(ctx), "x" * 300_000]

    return (await ctx.run_in_child_context(large))[:-1]


async def items_of_a_map(probe: Probe, ctx: DurableContext) -> Any:
    """The task that iterates over the items, and what it makes; a completed map does not ask for them again."""
    seen: list[list[str]] = []

    async def items() -> AsyncIterator[int]:
        asyncio.create_task(waits(ctx), name="left in it")  # noqa: RUF006 - left behind
        inner = asyncio.create_task(waits(ctx, 3), name="its own")
        await ctx.wait(seconds(2))
        seen.append(names(asyncio.all_tasks()))
        await inner
        yield 1

    async def item(_: DurableContext, __: int, ___: int) -> list[str]:
        return seen[0]

    return (await ctx.map(items(), item)).results()[0]


async def in_a_step(probe: Probe, ctx: DurableContext) -> Any:
    """The task that a step leaves behind."""

    async def body() -> list[str]:
        asyncio.create_task(asyncio.sleep(HOUR), name="left in it")  # noqa: RUF006 - left behind
        return ITS_OWN

    own = await ctx.step(body, config=ONE_TRY)
    assert names(asyncio.all_tasks()) == ["acts", "the handler's"]
    await ctx.wait(seconds(3))
    return own


Act = Callable[[Probe, DurableContext], Any]
WAYS = [
    *(child, virtual, in_a_map, in_a_parallel, in_an_attempt, in_a_grandchild),
    *(in_a_large_child, items_of_a_map, in_a_step),
]


def beside(act: Act) -> Callable[[Probe], Workflow]:
    """Look around in the handler's context while ``act`` runs, and after its end."""

    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def acts() -> Any:
                return await act(probe, ctx)

            asyncio.create_task(waits(ctx), name="the handler's")  # noqa: RUF006 - left behind
            acting = asyncio.create_task(acts(), name="acts")
            for n in range(4):
                await ctx.wait(seconds(1))
                probe.see(f"around {n}", names(asyncio.all_tasks()))
            probe.see("inside", await acting)
            probe.see("after", names(asyncio.all_tasks()))
            probe.see("anyio", sorted(t.name or "" for t in anyio.get_running_tasks())[1:])
            await ctx.wait(seconds(5))
            return probe.see("end", len(asyncio.all_tasks()))

        return run

    build.__name__ = act.__name__
    return build


@whole_or_sample
@pytest.mark.parametrize("act", thinned(WAYS))
def test_the_tasks_of_other_contexts_are_not_seen_live_nor_on_replay(act: Act, whole: bool) -> None:
    _, play, _ = played(beside(act))
    seen = {entry[1]: entry[2] for entry in play.probe.observations[-1]}
    assert seen["inside"] == ITS_OWN
    assert seen["around 1"] == ["acts", "the handler's"]
    assert seen["after"] == ["the handler's"]
    assert seen["end"] == 2
    prove(beside(act), seeds=3, same_log=False, same_result=False, whole=whole)


@pytest.mark.parametrize("mode", CheckpointingMode)
def test_each_mode_shows_the_same(mode: CheckpointingMode) -> None:
    shape, batched, _ = played(beside(child))
    play = Play(shape, mode=mode)
    assert play.run().status == "SUCCEEDED"
    assert play.probe.observations[-1] == batched.probe.observations[-1]


def test_code_that_imported_the_function_before_sees_the_same() -> None:
    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def looks(ctx: DurableContext) -> None:
            seen.append((imported_before_the_sdk_ran(), asyncio.all_tasks()))
            seen.append((imported_before_the_sdk_ran(), {asyncio.current_task()}))

        await ctx.run_in_child_context(looks)

    assert run_workflow(workflow).status == "SUCCEEDED"
    assert all(ours == theirs for ours, theirs in seen)


def test_the_sets_of_many_tasks_have_one_order() -> None:
    """It must not depend on the tasks of others, which may fill the same table."""
    orders: list[list[str]] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def crowd(ctx: DurableContext) -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(200):
                    group.create_task(waits(ctx, 5))

        made = [asyncio.create_task(waits(ctx), name=f"task {n}") for n in range(60)]
        crowded = ctx.run_in_child_context(crowd)
        await ctx.wait(seconds(1))
        orders.append([each.get_name() for each in asyncio.all_tasks() - {asyncio.current_task()}])
        for each in made:
            each.cancel()
        await crowded
        await ctx.wait(seconds(20))

    ran = run_workflow(workflow)
    assert ran.status == "SUCCEEDED", ran.error
    assert len(orders) == ran.invocations - 1 >= 3
    assert all(order == orders[0] for order in orders)
    assert len(orders[0]) == 60


def test_wait_for_shows_the_same_number_of_tasks_in_each_version_of_python() -> None:
    """Python 3.11 makes a task for the coroutine, later ones run it in the caller's."""

    async def workflow(event: Any, ctx: DurableContext) -> list[int]:
        async def looks() -> list[int]:
            async def beside() -> int:
                await ctx.wait(seconds(1))
                return len(asyncio.all_tasks() - {asyncio.current_task()})

            task = asyncio.create_task(beside())
            mine = len(asyncio.all_tasks() - {asyncio.current_task()})
            return [mine, await task]

        return await asyncio.wait_for(looks(), HOUR)

    assert run_workflow(workflow).result == [1, 1]


def test_what_is_not_workflow_code_sees_all_tasks_of_its_own_loop() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[int]:
        async def body() -> int:
            own = asyncio.create_task(asyncio.sleep(HOUR))
            seen = {own, asyncio.current_task(), main} & asyncio.all_tasks()
            return len(seen)

        async def elsewhere() -> int:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0))
                return len(asyncio.all_tasks())

        main = asyncio.current_task()
        # ``asyncio.run`` cancels what all_tasks() gives for its own loop.
        ran = await asyncio.to_thread(asyncio.run, elsewhere())
        return [await ctx.step(body), ran]

    assert run_workflow(workflow).result == [2, 2]


def test_asyncio_run_cleans_up_in_a_thread_of_workflow_code() -> None:
    cleaned: list[str] = []

    async def left() -> None:
        try:
            await asyncio.sleep(HOUR)
        finally:
            cleaned.append("left")

    async def elsewhere() -> None:
        task = asyncio.create_task(left())
        await asyncio.sleep(0)
        assert not task.done()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.to_thread(asyncio.run, elsewhere())

    assert run_workflow(workflow).status == "SUCCEEDED"
    assert cleaned == ["left"]


REGISTRY = "_scheduled_tasks" if hasattr(asyncio.tasks, "_scheduled_tasks") else "_all_tasks"


def unlimited() -> Any:
    """Return asyncio's own set of tasks, without what the SDK has put around it."""
    registry = getattr(asyncio.tasks, REGISTRY)
    return getattr(registry, "_registry", registry)


async def child_beside_a_task(event: Any, ctx: DurableContext) -> list[str]:
    asyncio.create_task(waits(ctx), name="the handler's")  # noqa: RUF006 - left behind
    return await child(Probe(), ctx)


def test_a_function_that_is_not_written_in_python_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As ``all_tasks`` is from Python 3.14 on."""

    def real(loop: Any = None) -> set[Any]:
        loop = loop or asyncio.get_running_loop()
        return {task for task in unlimited() if task.get_loop() is loop and not task.done()}

    in_c: Any = functools.partial(real)
    module = type(sys)("a_module_that_has_imported_it")
    module.all_tasks = in_c  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(asyncio, "all_tasks", in_c)
    monkeypatch.setattr(asyncio.tasks, "all_tasks", in_c)
    numbered_task.limit_all_tasks()
    assert asyncio.all_tasks is asyncio.tasks.all_tasks is module.all_tasks is not in_c
    assert run_workflow(child_beside_a_task).result == ITS_OWN

    async def plain() -> set[Any]:
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(plain()) == set()


def test_a_function_that_other_code_has_put_in_its_place_is_limited_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The environment of the thread is made while it is in place."""
    real = asyncio.tasks.all_tasks
    monkeypatch.setattr(asyncio.tasks, REGISTRY, unlimited())

    def in_its_place(loop: Any = None) -> set[Any]:
        return real(loop)

    def in_a_new_environment() -> Any:
        return run_workflow(child_beside_a_task).result

    with ThreadPoolExecutor(1) as threads:
        with monkeypatch.context() as patch:
            patch.setattr(asyncio, "all_tasks", in_its_place)
            patch.setattr(asyncio.tasks, "all_tasks", in_its_place)
            assert threads.submit(in_a_new_environment).result() == ITS_OWN
        assert threads.submit(in_a_new_environment).result() == ITS_OWN


def test_the_steps_option_is_no_part_of_this() -> None:
    """A step's tasks keep the plain behaviour: the step may gather what it has made itself."""

    async def workflow(event: Any, ctx: DurableContext) -> int:
        async def body() -> int:
            before = asyncio.all_tasks()
            for _ in range(3):
                asyncio.create_task(asyncio.sleep(0))  # noqa: RUF006 - found again below
            mine = asyncio.all_tasks() - before
            await asyncio.gather(*mine)
            return len(mine)

        return await ctx.step(body, config=StepConfig(retry_strategy=NoRetry()))

    assert run_workflow(workflow).result == 3
