"""Suspension: the moments at which an invocation suspends, which user code can neither prevent nor notice."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from tests.rig import rig_of, run_workflow
from tests.virtual_time import virtual_time

from durable_execution_sdk import DurableContext, Duration, StepConfig, StepSemantics
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.runtime.event_loop.environment import Environment, environment
from durable_execution_sdk.runtime.event_loop.threads import close_pools

SECOND = Duration.from_seconds(1)


class Delayed:
    """A service that takes a while to answer."""

    def __init__(self, plane: Any) -> None:
        self.plane, self.now, self.get_state = plane, plane.now, plane.get_state

    async def checkpoint(self, request: Any) -> Any:
        await asyncio.sleep(0.002)
        return await self.plane.checkpoint(request)


async def swallow_exception(ctx: DurableContext) -> None:
    try:
        await ctx.wait(SECOND)
    except Exception:
        raise AssertionError("a suspension is no Exception") from None


async def swallow_everything(ctx: DurableContext) -> None:
    try:
        await ctx.wait(SECOND)
    except BaseException:
        pass


async def swallow_and_go_on(ctx: DurableContext) -> None:
    try:
        await ctx.wait(SECOND)
    except BaseException:
        await ctx.step(lambda: 1)
        await ctx.wait(SECOND)


async def swallow_again_and_again(ctx: DurableContext) -> None:
    for _ in range(50):
        try:
            await ctx.wait(SECOND, name="again")
        except BaseException:
            continue
        else:
            return


async def swallow_and_raise_something_else(ctx: DurableContext) -> None:
    try:
        await ctx.wait(SECOND)
    except BaseException:
        raise LookupError("lost") from None


async def swallow_and_sleep(ctx: DurableContext) -> None:
    try:
        await ctx.wait(SECOND)
    except BaseException:
        await asyncio.sleep(0.001)
        await asyncio.Event().wait()


async def suppress_in_a_group(ctx: DurableContext) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(swallow_everything(ctx))
            group.create_task(swallow_exception(ctx))
    except* ValueError:
        pass


@pytest.mark.parametrize(
    "swallow",
    [
        swallow_exception,
        swallow_everything,
        swallow_and_go_on,
        swallow_again_and_again,
        swallow_and_raise_something_else,
        swallow_and_sleep,
        suppress_in_a_group,
    ],
)
def test_user_code_cannot_swallow_suspension(swallow: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        await swallow(ctx)
        return str(await ctx.step(lambda: "done", name="last"))

    ran = run_workflow(workflow)
    assert ran.result == "done", ran.error
    assert ran.invocations == 2
    assert ran.types().count("StepStarted") == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_around_a_bare_except_does_not_spin_for_ever() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        done = False
        while not done:
            try:
                await ctx.wait(SECOND)
                done = True
            except:  # noqa: E722
                pass
        return "done"

    ran = run_workflow(workflow)
    assert ran.result == "done"
    assert ran.invocations == 2
    gc.collect()


def test_operations_in_clean_up_do_nothing_and_the_rest_of_it_runs() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def resource() -> Any:
        try:
            yield
        finally:
            await asyncio.sleep(0.001)
            seen.append("released")

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async with resource():
            try:
                await ctx.wait(SECOND, name="w")
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
            finally:
                await ctx.step(lambda: seen.append("step"), name="clean")
        return "done"

    ran = run_workflow(workflow)
    assert ran.result == "done"
    assert seen == ["cancelled", "released", "step", "released"]
    names = [event.name for event in ran.events if event.event_type == "StepStarted"]
    assert names.count("clean") == 1


def test_clean_up_that_has_begun_is_not_cut_off_while_the_last_call_is_in_flight() -> None:
    seen: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def side() -> None:
            try:
                await ctx.wait(Duration.from_days(1))
            finally:
                await asyncio.sleep(0.004)
                seen.append("released")

        task = asyncio.create_task(side())
        await ctx.step(lambda: 1)

        async def slow() -> None:
            await asyncio.sleep(3600)

        ctx.step(slow, name="unfinished")
        return str(task.done())

    ran = run_workflow(workflow, wrappers=Wrappers(data_plane=Delayed))
    assert ran.result == "False"
    assert seen == ["released"]


def test_an_async_generator_is_closed_properly() -> None:
    seen: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def numbers() -> Any:
            try:
                yield 1
            finally:
                await asyncio.sleep(0.001)
                seen.append("closed")

        async for _ in numbers():
            await ctx.wait(SECOND)
        return "done"

    assert run_workflow(workflow).result == "done"
    gc.collect()
    assert seen == ["closed"] * 2


def test_a_running_body_keeps_the_invocation_open() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def slow() -> str:
            await asyncio.sleep(0.01)
            return "slow"

        return await asyncio.gather(ctx.wait(SECOND), ctx.step(slow))

    ran = run_workflow(workflow)
    assert ran.result == [None, "slow"]
    assert ran.types().index("StepSucceeded") < ran.types().index("InvocationCompleted")


@pytest.mark.parametrize("how", ["sleep", "thread", "future", "socket"])
def test_awaits_that_are_not_durable_get_to_finish(how: str) -> None:
    async def plain() -> str:
        if how == "sleep":
            await asyncio.sleep(0.005)
        elif how == "thread":
            await asyncio.to_thread(time.sleep, 0.005)
        elif how == "future":
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            loop.call_later(0.005, future.set_result, None)
            await future
        else:
            ours, theirs = socket.socketpair()
            with ours, theirs:
                ours.setblocking(False)
                threading.Timer(0.005, theirs.send, [b"x"]).start()
                await asyncio.get_running_loop().sock_recv(ours, 1)
        return how

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def side() -> str:
            value = await plain()
            return str(await ctx.step(lambda: value, name="side"))

        task = asyncio.create_task(side())
        await ctx.wait(Duration.from_hours(1))
        return await task

    ran = run_workflow(workflow)
    assert ran.result == how, ran.error
    assert ran.types().index("StepSucceeded") < ran.types().index("InvocationCompleted")
    assert ran.invocations == 2


@pytest.mark.parametrize("leaves", ["timer", "socket"])
def test_tasks_that_a_step_leaves_behind_keep_no_invocation_open(leaves: str) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    async def body() -> None:
        # Like the threads in the pools of HTTP clients.
        loop = asyncio.get_running_loop()
        if leaves == "timer":
            loop.call_later(30, print, "too late")
        else:
            loop.add_reader(ours, print, "nothing comes")

    async def workflow(event: Any, ctx: DurableContext) -> str:
        queue: asyncio.Queue[str] = asyncio.Queue()

        async def produce() -> None:
            await ctx.step(body)
            await ctx.wait(SECOND)
            await queue.put("item")

        producing = asyncio.create_task(produce())
        item = await queue.get()
        await asyncio.gather(producing)
        return item

    with ours, theirs, virtual_time() as clock:
        began = clock.now
        ran = run_workflow(workflow)
        environment().loop.remove_reader(ours)
        took = clock.now - began
    assert (ran.result, ran.invocations) == ("item", 2)
    assert took < 8


def test_a_deadlock_fails_at_once_and_names_tasks_and_their_waits() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        lock = asyncio.Event()

        async def stuck() -> None:
            await lock.wait()

        await ctx.step(lambda: 1)
        await asyncio.gather(stuck(), stuck())

    ran = run_workflow(workflow)
    assert (ran.status, ran.error.error_type) == ("FAILED", "DeadlockError")
    assert ran.error.error_message.count("stuck waits for") == 2
    assert ran.invocations == 1


def test_a_deadlock_names_pending_operations_that_are_not_awaited() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.wait(Duration.from_days(9), name="forgotten")
        await asyncio.Event().wait()

    ran = run_workflow(workflow)
    assert ran.error.error_type == "DeadlockError"
    assert "wait 'forgotten'" in ran.error.error_message
    assert "not awaited" in ran.error.error_message


def test_a_deadlock_in_an_async_generator_is_told_too() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def forever() -> Any:
            await asyncio.Event().wait()
            yield 1

        await asyncio.create_task(forever().__anext__())  # type: ignore[arg-type]

    assert run_workflow(workflow).error.error_type == "DeadlockError"


def test_a_deadlock_cannot_be_swallowed() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            await asyncio.Event().wait()
        except BaseException:
            pass
        return "escaped"

    assert run_workflow(workflow).error.error_type == "DeadlockError"


def test_a_deadlock_next_to_something_pending_is_told_when_that_is_over() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def stuck() -> None:
            await asyncio.Event().wait()

        await asyncio.gather(stuck(), ctx.wait(SECOND))

    ran = run_workflow(workflow)
    assert (ran.error.error_type, ran.invocations) == ("DeadlockError", 2)


def test_nothing_outlives_an_invocation() -> None:
    late: list[str] = []
    close_pools()
    before = threading.active_count()

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def background() -> None:
            while True:
                await asyncio.sleep(0.001)
                late.append("task")

        def blocking() -> None:
            time.sleep(0.01)

        async def body() -> None:
            inner.append(asyncio.create_task(background()))
            await asyncio.sleep(3600)

        inner: list[Any] = []
        tasks = [asyncio.create_task(background())]
        ctx.step(body)
        ctx.step(blocking)
        await ctx.step(lambda: 1)
        return str(len(tasks))

    rig = rig_of(workflow)
    assert rig.run().result == "1"
    loop = environment().loop
    assert not asyncio.all_tasks(loop)
    close_pools()  # what is idle stays for the next one
    assert threading.active_count() == before
    late.clear()
    assert rig_of(quick).run().result == "quick"
    assert late == []


async def quick(event: Any, ctx: DurableContext) -> str:
    await asyncio.sleep(0.003)
    return "quick"


def test_the_sdks_own_timers_do_not_outlive_the_invocation() -> None:
    scheduled = getattr(environment().loop, "_scheduled")
    before = [timer for timer in scheduled if not timer.cancelled()]

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def slow() -> None:
            await asyncio.sleep(0.001)

        return await asyncio.gather(ctx.wait(SECOND), ctx.create_callback(), ctx.step(slow))

    async def main(event: Any, ctx: DurableContext) -> None:
        await workflow(event, ctx)

    assert run_workflow(main).status == "SUCCEEDED"
    assert [timer for timer in scheduled if not timer.cancelled()] == before


def test_warm_invocations_reuse_the_loop() -> None:
    loops: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        loops.append(asyncio.get_running_loop())
        await ctx.wait(SECOND)

    run_workflow(workflow)
    run_workflow(workflow)
    assert len(loops) == 4
    assert len(set(map(id, loops))) == 1


def test_two_threads_may_run_workflows_at_the_same_time() -> None:
    results: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> int:
        total = 0
        for n in range(20):
            total += await ctx.step(lambda: 1, name=f"s{n}")
        await asyncio.gather(*(ctx.step(quick_body) for _ in range(20)))
        await ctx.wait(SECOND)
        return total

    async def quick_body() -> None:
        await asyncio.sleep(0)

    def run() -> None:
        for _ in range(3):
            results.append(run_workflow(workflow).result)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [20] * 9


def test_an_at_most_once_step_that_is_cut_off_by_the_end_of_a_context_does_not_run() -> None:
    runs: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        config = StepConfig(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY)
        ctx.step(lambda: runs.append(1), name="too late", config=config)
        return "over"

    assert run_workflow(workflow).result == "over"
    assert runs == []


def test_completions_are_delivered_though_a_body_never_rests() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        over = asyncio.Event()

        async def spins() -> None:
            while not over.is_set():
                await asyncio.sleep(0)

        spinning = ctx.step(spins)
        await ctx.step(lambda: 1)
        await ctx.step(lambda: 2)
        over.set()
        await spinning
        return "done"

    assert run_workflow(workflow).result == "done"


def test_the_progress_of_one_workflow_does_not_count_for_the_next() -> None:
    class Moved:
        """One whose tasks have moved five times."""

        progress = 5
        rests = 0
        warns_of_blocking = False

        def on_idle(self, *, at_rest: bool) -> bool:
            self.rests += not at_rest
            return False

    async def spin(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    made = Environment()
    try:
        for turns, rests in [(150, 0), (150, 0), (250, 1)]:
            observer = Moved()
            made.observe(cast("Any", observer))
            made.run(spin(turns))
            made.observe(None)
            assert observer.rests == rests
    finally:
        made.close()
