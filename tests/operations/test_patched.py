"""``ctx.patched``: new code beside the old code, for executions that began before the change."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.rig import Ran, Rig

from durable_execution_sdk import (
    CheckpointingMode,
    ConfigError,
    ContextMisuseError,
    DurableContext,
    Duration,
    durable_execution,
)
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.replay.check import replay_history
from durable_execution_sdk.runtime.log.ids import is_patch_marker, root_operation_id

Code = Callable[["World", DurableContext], Awaitable[Any]]
DAY = Duration.from_days(1)
MODES = list(CheckpointingMode)


class World:
    """The effects of a workflow, and the answers that it got."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.answers: list[list[bool]] = []

    async def work(self, name: str) -> str:
        self.runs[name] += 1
        return name

    def do(self, ctx: DurableContext, name: str) -> Any:
        return ctx.step(self.work, name, name=name)

    def asks(self, ctx: DurableContext, *args: Any, **options: Any) -> bool:
        answer = ctx.patched(*args, **options)
        self.answers[-1].append(answer)
        return answer


class Changing:
    """A function whose code is changed between two of its invocations."""

    def __init__(
        self,
        *codes: tuple[int, Code],
        mode: CheckpointingMode = CheckpointingMode.BATCHED,
        wrappers: Wrappers | None = None,
    ) -> None:
        """``codes`` are the code of each version, and the number of the invocation from which it runs."""
        self.world = World()
        self._codes = dict(codes)
        self._count = 0
        self._code: Code | None = None

        @durable_execution(checkpointing=mode)
        async def workflow(event: Any, ctx: DurableContext) -> Any:
            self._count += 1
            self._code = self._codes.get(self._count, self._code)
            assert self._code is not None
            self.world.answers.append([])
            return await self._code(self.world, ctx)

        self.rig = Rig(workflow, wrappers=wrappers or Wrappers())

    def run(self) -> Ran:
        ran = self.rig.run()
        assert ran.status == "SUCCEEDED", ran.error
        return ran


def markers(ran: Ran) -> list[Any]:
    return [event for event in ran.events if is_patch_marker(event.id or "", event.name)]


def ids(ran: Ran) -> dict[str, str]:
    return {str(e.name): str(e.id) for e in ran.events if e.name and "Succeeded" in e.event_type}


async def old(world: World, ctx: DurableContext) -> list[str]:
    return [await world.do(ctx, "a"), await _rest(world, ctx), await world.do(ctx, "z")]


async def _rest(world: World, ctx: DurableContext) -> str:
    await ctx.wait(DAY)
    return str(await world.do(ctx, "b"))


async def patched_early(world: World, ctx: DurableContext) -> list[str]:
    new = [await world.do(ctx, "new")] if world.asks(ctx, "tax") else []
    return new + await old(world, ctx)


async def patched_late(world: World, ctx: DurableContext) -> list[str]:
    seen = [await world.do(ctx, "a"), await _rest(world, ctx)]
    if world.asks(ctx, "tax"):
        await ctx.wait(DAY)
        seen.append(await world.do(ctx, "new"))
    return [*seen, await world.do(ctx, "z")]


@pytest.mark.parametrize("mode", MODES)
def test_an_execution_that_began_after_the_change_takes_the_new_code(
    mode: CheckpointingMode,
) -> None:
    changing = Changing((1, patched_early), mode=mode)
    assert changing.run().result == ["new", "a", "b", "z"]
    assert changing.world.answers == [[True], [True]]
    assert set(changing.world.runs.values()) == {1}


@pytest.mark.parametrize("mode", MODES)
def test_an_execution_that_is_past_the_place_keeps_the_old_code(mode: CheckpointingMode) -> None:
    changing = Changing((1, old), (2, patched_early), mode=mode)
    ran = changing.run()
    assert ran.result == ["a", "b", "z"]
    assert changing.world.answers == [[], [False]]
    assert not markers(ran)  # the record of "a" stays, so replay is answered so again


@pytest.mark.parametrize("mode", MODES)
def test_an_execution_that_has_not_come_so_far_takes_the_new_code(mode: CheckpointingMode) -> None:
    changing = Changing((1, old), (2, patched_late), mode=mode)
    ran = changing.run()
    assert ran.result == ["a", "b", "new", "z"]
    assert changing.world.answers == [[], [True], [True]]
    assert set(changing.world.runs.values()) == {1}
    (marker,) = markers(ran)
    assert (marker.event_type, marker.name, marker.sub_type) == (
        "StepSucceeded",
        "patch:tax",
        "Step",
    )
    assert marker.parent_id is None


def test_a_marker_takes_no_number_and_travels_with_the_next_call() -> None:
    calls = []

    def counting(plane: Any) -> Any:
        class Counted:
            async def checkpoint(self, request: Any) -> Any:
                calls.append([f"{each.action} {each.name}" for each in request.updates])
                return await plane.checkpoint(request)

            async def get_state(self, request: Any) -> Any:
                return await plane.get_state(request)

            def now(self) -> int:
                return int(plane.now())

        return Counted()

    wrappers = Wrappers(data_plane=counting)
    ran = Changing((1, patched_early), wrappers=wrappers).run()
    assert calls[0] == ["SUCCEED patch:tax", "START new", "SUCCEED new"]
    assert ids(ran)["new"] == root_operation_id(1)
    assert len([names for names in calls if any("patch" in each for each in names)]) == 1


def test_the_id_of_a_marker_comes_from_that_of_the_patch_alone() -> None:
    async def inside(world: World, ctx: DurableContext) -> None:
        async def child(inner: DurableContext) -> bool:
            return inner.patched("tax")

        await world.do(ctx, "a")
        assert await ctx.run_in_child_context(child)

    (one,), (other,) = (
        markers(Changing((1, patched_early)).run()),
        markers(Changing((1, inside)).run()),
    )
    assert one.id == other.id
    assert other.parent_id is None


def test_the_answer_is_one_for_an_execution_and_an_id() -> None:
    async def loops(world: World, ctx: DurableContext) -> None:
        for n in range(3):
            await world.do(ctx, f"a{n}")
            await ctx.wait(DAY)

    async def patched_loop(world: World, ctx: DurableContext, **options: Any) -> None:
        for n in range(3):
            if world.asks(ctx, "tax", **options):
                await world.do(ctx, f"new{n}")
            else:
                await world.do(ctx, f"a{n}")
            await ctx.wait(DAY)

    async def patched_rounds(world: World, ctx: DurableContext) -> None:
        await patched_loop(world, ctx, each_time=True)

    once = Changing((1, loops), (2, patched_loop))
    once.run()
    assert once.world.answers[-1] == [False, False, False]
    each = Changing((1, loops), (2, patched_rounds))
    ran = each.run()
    assert each.world.answers[-1] == [False, True, True]
    assert each.world.runs == Counter(a0=1, new1=1, new2=1)
    assert len({marker.id for marker in markers(ran)}) == 2


def test_items_branches_and_tasks_ask_too() -> None:
    def flow(*, is_new: bool) -> Code:
        async def run(world: World, ctx: DurableContext) -> list[Any]:
            async def item(inner: DurableContext, each: str, _: int) -> str:
                await inner.wait(DAY)
                if is_new and world.asks(inner, "tax"):
                    await world.do(inner, f"new {each}")
                return str(await world.do(inner, each))

            async def job(name: str) -> str:
                if is_new and world.asks(ctx, "fee"):
                    await world.do(ctx, f"new {name}")
                await ctx.wait(DAY)
                return str(await world.do(ctx, name))

            items = ctx.map(["x", "y"], item)
            tasks = await asyncio.gather(job("p"), job("q"))
            return [(await items).results(), tasks]

        return run

    changing = Changing((1, flow(is_new=False)), (2, flow(is_new=True)))
    assert changing.run().result == [["x", "y"], ["p", "q"]]
    assert changing.world.runs == Counter(["x", "y", "p", "q", "new x", "new y"])


def test_a_false_that_a_later_invocation_would_not_give_again_is_recorded() -> None:
    """The record that it was given for is in a context that ends, and the state leaves out what is in it."""

    def flow(*, is_new: bool) -> Code:
        async def run(world: World, ctx: DurableContext) -> str:
            async def part(inner: DurableContext) -> None:
                await inner.wait(DAY)

            running = ctx.run_in_child_context(part)
            if is_new and world.asks(ctx, "tax"):
                return str(await world.do(ctx, "new"))
            await running
            dying.append(len(dying) == 1)
            return str(await world.do(ctx, "old"))

        return run

    def dies(plane: Any) -> Any:
        class Dying:
            async def checkpoint(self, request: Any) -> Any:
                if any(each.name == "old" for each in request.updates) and dying[-1]:
                    dying[-1] = False
                    raise ConnectionError("the process dies here")
                return await plane.checkpoint(request)

            async def get_state(self, request: Any) -> Any:
                return await plane.get_state(request)

            def now(self) -> int:
                return int(plane.now())

        return Dying()

    dying: list[bool] = [False]
    changing = Changing(
        (1, flow(is_new=False)), (2, flow(is_new=True)), wrappers=Wrappers(data_plane=dies)
    )
    ran = changing.run()
    assert changing.world.answers == [[], [False], [False]]
    assert ran.result == "old"
    (marker,) = markers(ran)
    assert marker.step_succeeded_details.result.payload == "false"
    assert not replay_history(changing.rig.handler, ran.events, execution_arn=ran.arn).patches


def test_a_call_in_a_context_that_has_ended_still_decides() -> None:
    def flow(*, is_new: bool) -> Code:
        async def run(world: World, ctx: DurableContext) -> None:
            async def part(inner: DurableContext) -> None:
                if is_new:
                    world.asks(inner, "tax")
                await inner.wait(DAY)

            await ctx.run_in_child_context(part)
            await ctx.wait(DAY)
            if is_new:
                world.asks(ctx, "tax")

        return run

    changing = Changing((1, flow(is_new=False)), (2, flow(is_new=True)))
    changing.run()
    assert changing.world.answers == [[], [False], [False]]


@pytest.mark.parametrize("took", [False, True])
def test_a_context_that_is_built_again_takes_the_code_that_it_ran(took: bool) -> None:
    def flow(*, in_child: bool, after: bool) -> Code:
        async def run(world: World, ctx: DurableContext) -> int:
            async def large(inner: DurableContext) -> str:
                await world.do(inner, "a")
                if in_child and world.asks(inner, "tax"):
                    await world.do(inner, "new")
                return "x" * 300_000

            size = len(await ctx.run_in_child_context(large))
            await ctx.wait(DAY)
            if after and world.asks(ctx, "tax"):
                await world.do(ctx, "later")
                await ctx.wait(DAY)
            return size

        return run

    whole = flow(in_child=True, after=True)
    first = whole if took else flow(in_child=False, after=False)
    changing = Changing((1, first), (2, whole))
    ran = changing.run()
    assert changing.world.answers[1:] == [[took, True], [took, True]]
    assert set(changing.world.runs.values()) == {1}
    assert ("new" in changing.world.runs) is took
    report = replay_history(changing.rig.handler, ran.events, execution_arn=ran.arn)
    assert report.ok, str(report)


def test_a_call_may_be_removed_once_only_the_new_code_is_left() -> None:
    async def without(world: World, ctx: DurableContext) -> list[str]:
        return [await world.do(ctx, "new"), *await old(world, ctx)]

    changing = Changing((1, patched_early), (2, without))
    assert changing.run().result == ["new", "a", "b", "z"]
    assert set(changing.world.runs.values()) == {1}


def test_a_step_with_the_name_of_a_marker_is_asked_for_as_any_other() -> None:
    async def named(world: World, ctx: DurableContext) -> None:
        await world.do(ctx, "patch:tax")
        await ctx.wait(DAY)

    async def less(world: World, ctx: DurableContext) -> None:
        await ctx.wait(DAY)

    ran = Changing((1, named), (2, less)).rig.run()
    assert ran.status == "FAILED"
    assert ran.error.error_type == "DeterminismError"


def test_a_patch_is_asked_for_where_operations_are() -> None:
    kept: list[DurableContext] = []

    async def flow(world: World, ctx: DurableContext) -> str:
        kept.append(ctx)

        async def body() -> None:
            ctx.patched("tax")

        async def child(inner: DurableContext) -> None:
            ctx.patched("tax")

        for running in (ctx.step(body), ctx.run_in_child_context(child)):
            with pytest.raises(ContextMisuseError):
                await running
        for wrong in ("", 1, None, "x" * 251, "ä"):
            with pytest.raises(ConfigError):
                ctx.patched(wrong)  # type: ignore[arg-type]
        return "ok"

    assert Changing((1, flow)).run().result == "ok"
    with pytest.raises(ContextMisuseError):
        kept[0].patched("tax")


def test_replay_tells_the_patches_that_a_history_took_and_that_one_is_gone() -> None:
    changing = Changing((1, patched_late))
    ran = changing.run()

    def reports(code: Code) -> Any:
        handler = Changing((1, code), *((n, code) for n in range(2, 9))).rig.handler
        return replay_history(handler, ran.events, execution_arn=ran.arn)

    report = reports(patched_late)
    assert report.ok, str(report)
    assert (report.patches, report.patches_gone) == (["tax"], [])
    assert "patches taken: 'tax'" in str(report)
    report = reports(old)
    assert not report.ok
    assert report.patches_gone == ["tax"]
    assert "The code has not asked for 'tax'" in str(report)


def test_replay_accepts_the_new_code_of_a_patch_at_the_end_of_an_open_history() -> None:
    changing = Changing((1, old))
    arn = changing.rig.start()
    changing.rig.drive(arn, until=changing.rig.clock.now() + 1000)
    events = changing.rig.events(arn)

    async def beside(world: World, ctx: DurableContext) -> None:
        await world.do(ctx, "a")
        waiting = ctx.wait(DAY)
        if ctx.patched("tax"):
            await world.do(ctx, "new")
        await waiting

    async def unpatched(world: World, ctx: DurableContext) -> None:
        await world.do(ctx, "a")
        waiting = ctx.wait(DAY)
        await world.do(ctx, "new")
        await waiting

    async def before(world: World, ctx: DurableContext) -> None:
        if ctx.patched("tax"):
            await world.do(ctx, "new")
        await old(world, ctx)

    def ok(code: Code) -> bool:
        return replay_history(Changing((1, code)).rig.handler, events, execution_arn=arn).ok

    assert ok(beside)
    assert ok(before)
    assert not ok(unpatched)
