"""Changes of code under open executions: each goes on or is told, goes on with a patch, and by a fork."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from tests.replay.code_changes import CHANGES, HOUR, ON, TOLD, CodeChange, Part, World
from tests.rig import Ran, Rig
from tests.sampling import name_of, rotated

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.protocol.history import HistoryEvent

POSITIONS = ("before", "at", "after")


@durable_execution
async def double(event: int, ctx: DurableContext) -> int:
    return event * 2


@durable_execution
async def triple(event: int, ctx: DurableContext) -> int:
    return event * 3


class Deployed:
    """A workflow with a step, a wait, the part that changes, a wait and a step."""

    def __init__(self, part: Part, dies_after: str | None = None) -> None:
        self.part = part
        self.world = World()
        self._dies_after = dies_after

        @durable_execution
        async def workflow(event: Any, ctx: DurableContext) -> Any:
            await self.world.do(ctx, "a")
            await ctx.wait(HOUR, name="v")
            seen = await self.part(self.world, ctx)
            await ctx.wait(HOUR, name="w")
            await self.world.do(ctx, "z")
            return seen

        self.rig = Rig(
            workflow,
            others={"double": double, "triple": triple},
            wrappers=Wrappers(data_plane=self._dying),
        )
        self.arn = self.rig.start()

    def drive(self, minutes: float | None = None) -> Ran:
        until = None if minutes is None else self.rig.clock.now() + round(minutes * 60_000)
        return self.rig.drive(self.arn, until=until)

    def _dying(self, plane: Any) -> Any:
        deployed = self

        class Dying:
            async def checkpoint(self, request: Any) -> Any:
                response = await plane.checkpoint(request)
                if any(each.name == deployed._dies_after for each in request.updates):
                    deployed._dies_after = None
                    deployed.deploy_next()
                    raise ConnectionError("the process dies here")
                return response

            async def get_state(self, request: Any) -> Any:
                return await plane.get_state(request)

            def now(self) -> int:
                return int(plane.now())

        return Dying()

    next_part: Part | None = None

    def deploy_next(self) -> None:
        self.part = self.next_part or self.part

    def open_at(self, position: str, change: CodeChange, part: Part) -> None:
        """Run the old code until the execution is open at this position, and deploy the other one."""
        self.next_part = part
        if position == "at":
            self._dies_after = change.first
            self.drive(61)
            assert self._dies_after is None
            return
        self.drive(1)
        while position == "after" and self.of("w", self.rig.events(self.arn)) is None:
            self.drive(30)
        self.deploy_next()

    def of(self, name: str, events: list[HistoryEvent]) -> str | None:
        return next((event.id for event in events if event.name == name), None)


@cache
def result_of(part: Part) -> Any:
    ran = Deployed(part).drive()
    assert ran.status == "SUCCEEDED", ran.error
    return ran.result


def patched(change: CodeChange) -> Part:
    async def part(world: World, ctx: DurableContext) -> Any:
        if ctx.patched("change"):
            return await change.new(world, ctx)
        return await change.old(world, ctx)

    return part


def twice(world: World) -> set[str]:
    return {name for name, count in world.runs.items() if count > 1}


EACH = pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.text)
AT = pytest.mark.parametrize("position", POSITIONS)
SAMPLE = pytest.mark.parametrize(("change", "position"), rotated(CHANGES, POSITIONS), ids=name_of)


def test_there_are_thirty() -> None:
    assert len({each.text for each in CHANGES}) >= 30


@EACH
@AT
def test_without_a_cure_an_execution_goes_on_or_is_told(change: CodeChange, position: str) -> None:
    deployed = Deployed(change.old)
    deployed.open_at(position, change, change.new)
    ran = deployed.drive()
    assert not twice(deployed.world)
    if change.gives[POSITIONS.index(position)] == TOLD:
        assert (ran.status, ran.error and ran.error.error_type) == ("FAILED", "DeterminismError")
        assert "Ways out: " in ran.error.error_message
        return
    assert ran.status == "SUCCEEDED", ran.error
    if position == "before":
        assert ran.result == result_of(change.new)


@SAMPLE
def test_with_a_patch_it_goes_on_with_the_code_that_fits(change: CodeChange, position: str) -> None:
    deployed = Deployed(change.old)
    deployed.open_at(position, change, patched(change))
    ran = deployed.drive()
    assert ran.status == "SUCCEEDED", ran.error
    assert not twice(deployed.world)
    assert ran.result == result_of(change.new if position == "before" else change.old)


@SAMPLE
def test_a_fork_before_the_change_has_the_new_code(change: CodeChange, position: str) -> None:
    deployed = Deployed(change.old)
    deployed.open_at(position, change, change.new)
    emulator = deployed.rig.emulator
    cut = deployed.of(change.first, deployed.rig.events(deployed.arn))
    emulator.stop(deployed.arn)
    deployed.arn = emulator.fork(deployed.arn, before=cut)
    ran = deployed.drive()
    assert ran.status == "SUCCEEDED", ran.error
    assert ran.result == result_of(change.new)
    assert deployed.world.runs["a"] == 1  # recorded before the cut


def test_what_an_execution_comes_to_is_one_of_two() -> None:
    assert {gives for change in CHANGES for gives in change.gives} == {ON, TOLD}
