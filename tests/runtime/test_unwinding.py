"""The end of an invocation: a task that ignores its cancellation is abandoned, and never runs again."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import nullcontext
from typing import Any

import pytest
from tests.memory_service import MemoryService
from tests.replay.corpus import seconds
from tests.rig import rig_of, run_workflow
from tests.runtime.test_deadline import invoke
from tests.sampling import name_of, rotated, thinned
from tests.virtual_time import virtual_time

from durable_execution_sdk import DurableContext, DurableError, InvocationError, durable_execution
from durable_execution_sdk.plugins import DurablePlugin
from durable_execution_sdk.runtime.event_loop.environment import environment
from durable_execution_sdk.runtime.settings import GRACE_SECONDS
from durable_execution_sdk.runtime.tasks import kept_for_good
from durable_execution_sdk.testing import MockDurableServiceClient


async def swallows(moves: list[str], name: str) -> None:
    while True:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            pass
        moves.append(name)


async def swallows_everything(moves: list[str], name: str) -> None:
    while True:
        try:
            await asyncio.sleep(0.01)
        except:  # noqa: E722
            pass
        moves.append(name)


async def spins(moves: list[str], name: str) -> None:
    while True:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            pass
        moves.append(name)


async def another(event: Any, ctx: DurableContext) -> str:
    async def body() -> str:
        await asyncio.sleep(0.03)
        return "another"

    return await ctx.step(body)


# Workflow code that spins is never quiescent, and bodies keep an invocation open until they are given up.
CASES = [
    (swallow, where, end)
    for swallow in (swallows, swallows_everything, spins)
    for where in ("task", "body", "task of a body", "child", "given up")
    for end in ("return", "suspension")
    if not (swallow is spins and where in ("task", "child"))
    and (end == "return" or where in ("task of a body", "given up"))
]


@pytest.mark.parametrize(("swallow", "where", "end"), CASES)
def test_a_task_that_swallows_its_cancellation_is_abandoned_and_named(
    swallow: Any, where: str, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    moves: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def work(*_: Any) -> None:
            await swallow(moves, where)

        async def leaves_a_task() -> None:
            tasks.append(asyncio.create_task(work()))

        tasks: list[Any] = []
        match where:
            case "task":
                tasks.append(asyncio.create_task(work()))
            case "body":
                ctx.step(work, name="stubborn")
            case "task of a body":
                await ctx.step(leaves_a_task)
            case "child":
                ctx.run_in_child_context(work, name="stubborn")
            case _:
                step = ctx.step(work, name="stubborn")
                await ctx.step(lambda: 1, name="quick")
                step.cancel()
        await ctx.step(lambda: 1, name="quick")
        if end == "suspension":
            await ctx.wait(seconds(60))
        return "done"

    # Some of it spins, so that the loop never sleeps.
    with virtual_time(turn_seconds=0.001) as clock:
        began = clock.now
        answer = invoke(workflow, milliseconds=900, margin=0.3)
        assert clock.now - began < 0.9
    assert answer["Status"] == ("SUCCEEDED" if end == "return" else "PENDING")
    assert moves  # it was there
    named = {"body": "step 'stubborn'", "given up": "step 'stubborn'", "child": "'stubborn'"}
    assert "were abandoned" in caplog.text
    assert named.get(where, "work") in caplog.text
    moves.clear()
    assert run_workflow(another).result == "another"
    gc.collect()
    assert moves == []
    assert not asyncio.all_tasks(environment().loop)


def test_an_abandoned_task_is_not_destroyed_when_the_interpreter_clears_its_modules() -> None:
    pytest.importorskip("ctypes")
    moves: list[str] = []

    async def swallows_its_cancellation() -> None:
        while True:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                pass
            except GeneratorExit:
                moves.append("destroyed")
                raise

    async def workflow(event: Any, ctx: DurableContext) -> str:
        ctx.step(swallows_its_cancellation, name="stubborn")
        await ctx.step(lambda: 1)
        return "done"

    with virtual_time():
        assert run_workflow(workflow).result == "done"
    clear_what_is_kept()
    assert moves == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("where", ["handler", "task", "child", "gather"])
def test_code_that_swallows_even_that_it_is_closed_is_not_destroyed_either(where: str) -> None:
    pytest.importorskip("ctypes")
    is_over = False
    moves: list[str] = []

    async def waits(ctx: DurableContext) -> None:
        while not moves:  # for ever, if the loop did not end here
            try:
                await ctx.wait(seconds(60))
            except BaseException:
                if is_over:
                    moves.append("destroyed")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        match where:
            case "handler":
                await waits(ctx)
            case "task":
                waiting = asyncio.create_task(waits(ctx))
                await ctx.wait(seconds(60))
                waiting.cancel()
            case "child":
                await ctx.run_in_child_context(waits)
            case _:
                await asyncio.gather(waits(ctx), waits(ctx))

    ran = run_workflow(workflow, execution_timeout=150)
    assert ran.status == ("SUCCEEDED" if where == "task" else "TIMED_OUT")
    is_over = True
    clear_what_is_kept()
    assert moves == []


def clear_what_is_kept() -> None:
    """Do as the interpreter does at its exit; a bare ``except`` in an endless loop would keep it from ending."""
    assert kept_for_good._kept
    kept_for_good._kept.clear()
    gc.collect()


WAITS: dict[str, Any] = {
    "wait": lambda ctx: ctx.wait(seconds(20_000)),
    "sleep": lambda ctx: asyncio.sleep(20_000),
    "wait_for": lambda ctx: asyncio.wait_for(ctx.wait(seconds(30_000)), 20_000),
    "asyncio.wait": lambda ctx: asyncio.wait([ctx.wait(seconds(20_000))]),
    "gather": lambda ctx: asyncio.gather(ctx.wait(seconds(20_000)), asyncio.sleep(10)),
    "shield": lambda ctx: asyncio.shield(ctx.wait(seconds(20_000))),
    "race": lambda ctx: ctx.race(ctx.wait(seconds(20_000)), ctx.wait(seconds(30_000))),
    "event": lambda ctx: asyncio.Event().wait(),
    "queue": lambda ctx: asyncio.Queue().get(),
}


@pytest.mark.parametrize(("wait", "where"), thinned(rotated(WAITS, ["task", "child"])))
def test_a_bare_except_in_an_endless_loop_does_not_hold_up_suspension(
    wait: str, where: str
) -> None:
    async def background(ctx: DurableContext) -> None:
        while True:
            try:
                await WAITS[wait](ctx)
            except:  # noqa: E722
                pass

    async def workflow(event: Any, ctx: DurableContext) -> str:
        if where == "task":
            running: Any = asyncio.create_task(background(ctx))
        else:
            running = ctx.run_in_child_context(background)
        await ctx.wait(seconds(50_000))
        return str(running.done())

    with virtual_time() as clock:
        began = clock.now
        ran = run_workflow(workflow)
        assert ran.result == "False", ran.error
        assert clock.now - began < 1
    gc.collect()


LEFT: list[asyncio.Task[None]] = []


async def swallows_in_a_loop() -> None:
    while True:
        try:
            await asyncio.sleep(0.5)
        except asyncio.CancelledError:
            pass


async def swallows_with_another_wait(ctx: DurableContext) -> None:
    while True:
        try:
            await ctx.wait(seconds(90_000))
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)


async def leaves_a_sleeper(inner: DurableContext) -> None:
    LEFT.append(asyncio.create_task(swallows_in_a_loop()))
    await inner.step(lambda: 1)


async def leaves_a_waiter(inner: DurableContext) -> None:
    LEFT.append(asyncio.create_task(swallows_with_another_wait(inner)))
    await inner.step(lambda: 1)


@pytest.mark.parametrize("leaves", [leaves_a_sleeper, leaves_a_waiter])
@pytest.mark.parametrize("how", ["child", "parallel", "nested"])
def test_what_a_context_left_behind_holds_its_workflow_up_for_the_time_of_clean_up(
    leaves: Any, how: str
) -> None:
    """It set one timer after the other, and the invocation stayed until the function's time was over."""

    async def workflow(event: Any, ctx: DurableContext) -> str:
        match how:
            case "child":
                await ctx.run_in_child_context(leaves)
            case "parallel":
                await ctx.parallel([leaves, leaves])
            case _:
                await ctx.run_in_child_context(lambda child: child.run_in_child_context(leaves))
        await ctx.wait(seconds(50_000))
        return "done"

    with virtual_time() as clock:
        began = clock.now
        ran = run_workflow(workflow)
        assert (ran.result, ran.invocations) == ("done", 2), ran.error
        assert clock.now - began < 2 * GRACE_SECONDS + 1


def test_what_a_context_left_behind_does_not_keep_replay_from_getting_on() -> None:
    """The end of the context has to be recorded in less time than the function has."""

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def child(inner: DurableContext) -> int:
            LEFT.append(asyncio.create_task(swallows_in_a_loop()))
            await inner.wait(seconds(60))
            return await inner.step(lambda: 1)

        for _ in range(2):
            await ctx.run_in_child_context(child)
        return "done"

    with virtual_time():
        ran = rig_of(workflow, timeout=4).run()
    assert ran.result == "done", ran.error


def test_clean_up_of_a_context_gets_its_time() -> None:
    seen: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def child(inner: DurableContext) -> None:
            async def cleans_up() -> None:
                try:
                    await inner.wait(seconds(20_000))
                finally:
                    for n in range(4):
                        await asyncio.sleep(1)
                        seen.append(f"closed {n}")

            LEFT.append(asyncio.create_task(cleans_up()))
            await inner.step(lambda: 1)

        await ctx.run_in_child_context(child)
        await ctx.wait(seconds(60))
        return "done"

    with virtual_time():
        assert run_workflow(workflow).result == "done"
    assert seen == [f"closed {n}" for n in range(4)]


def test_clean_up_has_its_time_and_is_cancelled_once() -> None:
    seen: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def cleans(name: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                for _ in range(3):
                    await asyncio.sleep(0.01)
                seen.append(name)

        tasks = [asyncio.create_task(cleans("task"))]
        ctx.step(cleans, "body")
        given_up = ctx.step(cleans, "given up")
        await ctx.step(lambda: 1)
        given_up.cancel()
        await ctx.step(lambda: 1)
        return str(len(tasks))

    assert run_workflow(workflow).result == "1"
    assert sorted(seen) == ["body", "given up", "task"]


def test_async_generators_are_closed_after_the_tasks_that_iterate_over_them() -> None:
    seen: list[str] = []

    async def numbers(name: str) -> Any:
        try:
            for n in range(9):
                yield n
        finally:
            await asyncio.sleep(0.001)
            seen.append(f"{name} closed")

    kept: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def goes_through() -> None:
            generator = numbers("task")
            kept.append(generator)
            try:
                async for _ in generator:
                    await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.005)
                seen.append("task unwound")

        async def body() -> None:
            kept.append(numbers("body"))
            await anext(kept[-1])

        task = asyncio.create_task(goes_through())
        await ctx.step(body)
        return str(task.done())

    assert run_workflow(workflow).result == "False"
    assert seen.index("task unwound") < seen.index("task closed")
    assert "body closed" in seen


async def closes_slowly(closed: list[str], seconds: float) -> Any:
    try:
        yield 1
        yield 2
    finally:
        await asyncio.sleep(seconds)
        closed.append("closed")


@pytest.mark.parametrize("where", ["task", "body"])
@pytest.mark.parametrize("generations", range(8))
def test_what_clean_up_starts_has_time_and_so_have_its_generators(
    generations: int, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[str] = []
    kept: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def cleans_up(left: int) -> None:
            await asyncio.sleep(0.1)
            if left:
                kept.append(asyncio.create_task(cleans_up(left - 1)))
            else:
                kept.append(closes_slowly(closed, 0.3))
                await anext(kept[-1])

        async def leaves() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                kept.append(asyncio.create_task(cleans_up(generations)))

        async def starts() -> None:
            kept.append(asyncio.create_task(leaves()))
            await asyncio.sleep(0)

        await (ctx.step(starts) if where == "body" else starts())
        return await ctx.step(lambda: "done")

    with virtual_time():
        assert run_workflow(workflow).result == "done"
    assert closed == ["closed"]
    assert not caplog.records


@pytest.mark.parametrize("swallow", [swallows, swallows_everything])
@pytest.mark.parametrize("where", ["task", "body"])
def test_a_generator_is_closed_though_the_task_that_goes_through_it_is_abandoned(
    where: str, swallow: Any, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[str] = []
    kept: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def goes_through() -> None:
            kept.append(closes_slowly(closed, 0.001))
            async for _ in kept[-1]:
                await swallow([], where)

        async def starts() -> None:
            kept.append(asyncio.create_task(goes_through()))
            await asyncio.sleep(0)

        await (ctx.step(starts) if where == "body" else starts())
        return await ctx.step(lambda: "done")

    with virtual_time():
        assert run_workflow(workflow).result == "done"
    assert closed == ["closed"]
    assert "goes_through" in caplog.text
    assert "closes_slowly" not in caplog.text


@pytest.mark.parametrize("turns", range(3))
def test_a_generator_that_is_being_closed_when_the_invocation_ends_has_its_time(turns: int) -> None:
    closed: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> int:
        cycle: list[Any] = [closes_slowly(closed, 0.3)]
        cycle.append(cycle)
        await anext(cycle[0])
        del cycle
        gc.collect()
        for _ in range(turns):
            await asyncio.sleep(0)
        return 1

    with virtual_time():
        assert run_workflow(workflow).result == 1
    assert closed == ["closed"]


@pytest.mark.parametrize("waits_for", ["event", "sleep", "thread"])
def test_a_generator_whose_clean_up_does_not_end_is_cancelled(
    waits_for: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    kept: list[Any] = []
    let_go = threading.Event()

    async def hangs() -> Any:
        try:
            yield 1
        finally:
            try:
                match waits_for:
                    case "event":
                        await asyncio.Event().wait()
                    case "sleep":
                        await asyncio.sleep(3600)
                    case _:
                        await asyncio.to_thread(let_go.wait)
            except asyncio.CancelledError:
                seen.append("cancelled")
                let_go.set()
                raise

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        kept.append(hangs())
        return await anext(kept[-1])

    # The virtual clock would wait for the thread.
    with nullcontext() if waits_for == "thread" else virtual_time():
        assert rig_of(workflow, timeout=1).run().result == 1
    assert seen == ["cancelled"]
    assert not caplog.records


def test_a_generator_that_swallows_its_cancellation_is_abandoned_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept: list[Any] = []

    async def hangs() -> Any:
        try:
            yield 1
        finally:
            await swallows([], "generator")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        kept.append(hangs())
        return await anext(kept[-1])

    with virtual_time():
        assert run_workflow(workflow).result == 1
    assert "abandoned: the clean-up of test_a_generator_that_swallows" in caplog.text
    assert len(caplog.records) == 1


@pytest.mark.parametrize("where", ["task", "body"])
@pytest.mark.parametrize("waits", [True, False])
def test_code_that_starts_again_all_that_ends_is_abandoned_and_named(
    where: str, waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    moves: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def starts_again() -> None:
            moves.append(where)
            try:
                await (asyncio.Event().wait() if waits else asyncio.sleep(0))
            finally:
                LEFT.append(asyncio.create_task(starts_again()))

        async def starts() -> None:
            LEFT.append(asyncio.create_task(starts_again()))
            await asyncio.sleep(0)

        await (ctx.step(starts) if where == "body" else starts())
        return "done"

    with virtual_time():
        assert run_workflow(workflow).result == "done"
        made = len(moves)
        assert run_workflow(another).result == "another"
    assert len(moves) == made
    assert "starts_again" in caplog.records[0].getMessage()
    assert len(caplog.records) == 1


class Hanging:
    """A service that stops answering once a step is over."""

    def __init__(self, plane: Any) -> None:
        self.plane, self.now, self.get_state = plane, plane.now, plane.get_state

    async def checkpoint(self, request: Any) -> Any:
        if any(update.action == "SUCCEED" for update in request.updates):
            await asyncio.Event().wait()
        return await self.plane.checkpoint(request)


def test_a_service_that_does_not_answer_does_not_hold_up_the_answer() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        ctx.step(lambda: 1)
        await asyncio.sleep(0.05)
        return "done"

    with virtual_time() as clock:
        began = clock.now
        with pytest.raises(InvocationError, match="time is nearly up"):
            invoke(workflow, milliseconds=600, margin=0.3, plane=Hanging)
        assert clock.now - began < 0.6
    assert rig_of(another).run().result == "another"


def test_callbacks_of_workflow_code_do_not_run_in_the_next_invocation() -> None:
    """Two callbacks that schedule each other for ever, and a timer, end with their invocation."""
    rang: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> int:
        loop = asyncio.get_running_loop()

        def again() -> None:
            rang.append("again")
            loop.call_soon(again)

        loop.call_soon(again)
        loop.call_later(3600, rang.append, "timer")
        return 1

    assert run_workflow(workflow).result == 1
    so_far = len(rang)

    async def another(event: Any, ctx: DurableContext) -> None:
        await ctx.step(asyncio.sleep, 0.01)

    assert run_workflow(another).status == "SUCCEEDED"
    assert len(rang) == so_far


def test_callbacks_of_steps_do_not_run_in_the_next_invocation() -> None:
    """Two callbacks that schedule each other for ever, and a timer, end with their invocation; one that ends runs."""
    rang: list[str] = []

    async def body() -> None:
        loop = asyncio.get_running_loop()

        def again() -> None:
            rang.append("again")
            loop.call_soon(again)

        loop.call_soon(again)
        loop.call_later(0.01, rang.append, "timer")

    async def last() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, rang.append, "closed")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(last)
        await ctx.step(body)

    assert run_workflow(workflow).status == "SUCCEEDED"
    so_far = len(rang)
    assert "closed" in rang

    async def another(event: Any, ctx: DurableContext) -> None:
        await ctx.step(asyncio.sleep, 0.05)

    assert run_workflow(another).status == "SUCCEEDED"
    assert rang[so_far:] == []


def test_timers_of_a_plugin_do_not_ring_in_the_next_invocation() -> None:
    rang: list[str] = []

    class Sets(DurablePlugin):
        def on_invocation_start(self, info: Any) -> None:
            asyncio.get_running_loop().call_later(0.01, rang.append, "timer")

    @durable_execution(plugins=[Sets()])
    async def workflow(event: Any, ctx: DurableContext) -> int:
        return await ctx.step(lambda: 1)

    async def another(event: Any, ctx: DurableContext) -> None:
        await ctx.step(asyncio.sleep, 0.05)

    service = MemoryService()
    with virtual_time():
        assert workflow.bind(service)(service.event("1"), None)["Status"] == "SUCCEEDED"
        assert run_workflow(another).status == "SUCCEEDED"
    assert rang == []


async def fails() -> None:
    raise LookupError("an error of the program's own")


def gathers(ctx: DurableContext) -> object:
    return asyncio.gather(ctx.wait(seconds(20_000)), asyncio.sleep(30_000))


def gathers_what_fails(ctx: DurableContext) -> object:
    return asyncio.gather(fails(), ctx.wait(seconds(20_000)))


def shields_what_fails(ctx: DurableContext) -> object:
    return asyncio.shield(asyncio.create_task(fails()))


def makes_a_task_that_fails(ctx: DurableContext) -> object:
    return asyncio.create_task(fails())


def sets_an_exception(ctx: DurableContext) -> object:
    future = asyncio.get_running_loop().create_future()
    future.set_exception(LookupError("an error of the program's own"))
    return future


UNSEEN = [
    gathers,
    gathers_what_fails,
    shields_what_fails,
    makes_a_task_that_fails,
    sets_an_exception,
]


@pytest.mark.parametrize("makes", UNSEEN, ids=lambda makes: makes.__name__)
def test_asyncio_does_not_complain_of_what_the_suspension_kept_from_being_seen(
    makes: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        later = makes(ctx)
        await ctx.wait(seconds(60))
        results = await asyncio.gather(later, return_exceptions=True)
        return type(results[0]).__name__

    ran = run_workflow(workflow)
    assert ran.result == ("list" if makes is gathers else "LookupError"), ran.error
    gc.collect()
    assert [each.getMessage() for each in caplog.records if each.name == "asyncio"] == []


@pytest.mark.parametrize(
    ("makes", "where", "kind"),
    rotated(UNSEEN, ["call", "body", "task"], [KeyboardInterrupt, SystemExit]),
    ids=name_of,
)
def test_asyncio_does_not_complain_of_what_an_interruption_kept_from_being_seen(
    makes: Any, kind: Any, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    def stops(*_: Any) -> Any:
        raise kind

    async def workflow(event: Any, ctx: DurableContext) -> str:
        later = makes(ctx)
        await asyncio.sleep(0)
        if where == "task":
            asyncio.get_running_loop().call_soon(stops)
        await ctx.step(stops if where == "body" else str)
        await asyncio.gather(later, return_exceptions=True)
        return "done"

    client = MockDurableServiceClient()
    if where == "call":
        client.on_checkpoint.answer_by(stops)
    with pytest.raises(kind):
        client.invoke(durable_execution(workflow), 1)
    gc.collect()
    assert [each.getMessage() for each in caplog.records if each.name == "asyncio"] == []


def test_asyncio_does_not_complain_of_what_the_end_has_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        gathers(ctx)
        await ctx.step(lambda: 1)
        return "done"

    assert run_workflow(workflow).result == "done"
    gc.collect()
    assert [each.getMessage() for each in caplog.records if each.name == "asyncio"] == []


@pytest.mark.parametrize("makes", UNSEEN[1:], ids=lambda makes: makes.__name__)
def test_asyncio_complains_of_what_the_program_does_not_look_at(
    makes: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        makes(ctx)
        await ctx.step(lambda: 1)
        return "done"

    assert run_workflow(workflow).result == "done"
    gc.collect()
    assert "exception was never retrieved" in caplog.text


def test_what_a_step_sets_on_the_loop_does_not_outlive_the_invocation() -> None:
    seen: list[tuple[Any, Any, bool]] = []
    cut: list[bool] = []

    def settings() -> tuple[Any, Any, bool]:
        loop = asyncio.get_running_loop()
        return loop.get_task_factory(), loop.get_exception_handler(), loop.get_debug()

    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        async def set_up() -> None:
            seen.append(settings())
            loop = asyncio.get_running_loop()
            loop.set_task_factory(lambda loop, coro, **_: asyncio.Task(coro, loop=loop))
            loop.set_exception_handler(lambda _loop, _context: None)
            loop.set_debug(not loop.get_debug())
            seen.append(settings())

        async def look() -> None:
            seen.append(settings())

        async def fails() -> str:
            if not cut:
                cut.append(True)
                raise DurableError.invocation("again")
            seen.append(settings())
            return "done"

        await ctx.step(set_up)
        await ctx.step(look)
        await ctx.wait(seconds(5))
        await ctx.step(look)
        await ctx.step(set_up)
        return [await ctx.step(fails)]

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == (["done"], 3), ran.error
    before, changed, later, resumed, again, _, after_failure = seen
    assert all(one != other for one, other in zip(before, changed, strict=True))
    assert later == changed
    assert resumed == again == after_failure == before
