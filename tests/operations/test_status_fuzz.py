"""Random sequential workflows that set statuses, with crashes: no status comes back, and the last one is never lost."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.operations.test_status import values, work
from tests.replay.corpus import Probe, Shape, Workflow, seconds
from tests.replay.play import Play
from tests.replay.test_crash_everywhere import WAYS

from durable_execution_sdk import CheckpointingMode, ChildConfig, DurableContext, MapConfig
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.faults.injection import FaultyPlane
from durable_execution_sdk.testing.faults import Faults

Part = tuple[str, Any]

parts: st.SearchStrategy[list[Part]] = st.recursive(
    st.lists(
        st.one_of(
            st.tuples(st.just("status"), st.sampled_from([None, None, 1, 30])),
            st.tuples(st.sampled_from(["step", "step", "wait", "big"]), st.none()),
        ),
        max_size=6,
    ),
    lambda inner: st.lists(
        st.one_of(
            st.tuples(st.just("status"), st.sampled_from([None, 5])),
            st.tuples(st.just("step"), st.none()),
            st.tuples(st.sampled_from(["child", "virtual", "map"]), inner),
        ),
        max_size=5,
    ),
    max_leaves=12,
)


def numbered(program: list[Part], count: Iterator[int]) -> list[Any]:
    """Number the statuses in the order of the program."""
    return [
        (kind, rest, next(count))
        if kind == "status"
        else (kind, numbered(rest, count) if isinstance(rest, list) else rest, 0)
        for kind, rest in program
    ]


def last_of(program: list[Any]) -> int:
    return max(
        (last_of(rest) if isinstance(rest, list) else number for _, rest, number in program),
        default=0,
    )


def holds_in_a_context(program: list[Any], inside: bool = False) -> bool:
    """Return ``True`` if a status may be held back in a context that replay does not run again."""
    return any(
        holds_in_a_context(rest, inside or kind != "virtual")
        if isinstance(rest, list)
        else inside and kind == "status" and rest is not None
        for kind, rest, _ in program
    )


def shape_of(program: list[Any]) -> Shape:
    async def run(ctx: DurableContext, program: list[Any]) -> str:
        text = ""
        for kind, rest, number in program:
            match kind:
                case "status":
                    ctx.set_status(number, every=None if rest is None else seconds(rest))
                case "step":
                    await ctx.step(work)
                case "wait":
                    await ctx.wait(seconds(10))
                case "big":
                    text = "x" * 300_000
                case "map":
                    await ctx.map([rest], item, config=MapConfig(max_concurrency=1))
                case _:
                    config = ChildConfig(virtual=kind == "virtual")
                    await ctx.run_in_child_context(run, rest, config=config)
        return text

    async def item(ctx: DurableContext, program: list[Any], index: int) -> str:
        return await run(ctx, program)

    def build(probe: Probe) -> Workflow:
        async def workflow(event: Any, ctx: DurableContext) -> int:
            return len(await run(ctx, program))

        return workflow

    return Shape("statuses", build, strict=True, at_most_once=False, fails=False, tasks=False)


@settings(max_examples=150, deadline=None)
@given(
    program=parts,
    mode=st.sampled_from(list(CheckpointingMode)),
    crashes=st.lists(
        st.tuples(st.integers(1, 8), st.sampled_from(WAYS)),
        max_size=3,
        unique_by=lambda crash: crash[0],
    ),
)
def test_statuses_are_recorded_in_their_order_and_the_last_one_always(
    program: list[Part], mode: CheckpointingMode, crashes: list[tuple[int, Any]]
) -> None:
    whole = numbered(program, iter(range(1, 1_000)))
    faults = Faults()
    for at, way in crashes:
        faults = faults.crash_at(checkpoint=at, when=way)
    play = Play(
        shape_of(whole),
        wrap=lambda plane, play: FaultyPlane(
            plane, faults, VirtualClock(), lambda arn: arn == play.arn
        ),
        keeps_states=False,
        begins=faults.invocation_begins,
        mode=mode,
    )
    ran = play.run()
    assert ran.status == "SUCCEEDED", ran.error
    found = values(ran)
    assert all(before < after for before, after in pairwise(found)), found
    # A crash may lose a status that was held back in a context that has ended, or in optimistic mode, where results
    # are seen before their time is known.
    is_optimistic = mode is CheckpointingMode.OPTIMISTIC
    if not (crashes and (is_optimistic or holds_in_a_context(whole))):
        assert (found[-1] if found else 0) == last_of(whole)
