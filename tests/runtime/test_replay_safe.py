"""Time, ids and random numbers that are the same on every replay."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from tests.rig import rig_of, run_workflow

from durable_execution_sdk import DurableContext, Duration, replay_safe

SECOND = Duration.from_seconds(1)


def observed(look: Any) -> list[Any]:
    """Run a workflow of three invocations, and return the values that each of them sees."""
    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        values: list[Any] = []
        seen.append(values)
        values.append(await look(ctx))
        await ctx.wait(Duration.from_seconds(50))
        values.append(await look(ctx))
        await ctx.wait(SECOND)
        values.append(await look(ctx))

    assert run_workflow(workflow).status == "SUCCEEDED"
    assert [len(values) for values in seen] == [1, 2, 3]
    assert seen[2][:2] == seen[1]
    assert seen[1][:1] == seen[0]
    return list(seen[2])


def test_now_is_the_end_of_the_operation_that_completed_last() -> None:
    async def look(ctx: DurableContext) -> datetime:
        assert ctx.now() == ctx.now()
        return ctx.now()

    first, second, third = observed(look)
    assert first.tzinfo is UTC
    assert 50 <= (second - first).total_seconds() < 51
    assert 1 <= (third - second).total_seconds() < 2


def test_now_stands_where_the_log_stands_in_every_task() -> None:
    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def side(n: int) -> datetime:
            await ctx.wait(Duration.from_seconds(n))
            return ctx.now()

        seen.append(await asyncio.gather(side(9), side(3), side(6)))
        await ctx.wait(SECOND)

    run_workflow(workflow)
    assert seen[0] == seen[1]
    begin = min(seen[0])
    assert [round((at - begin).total_seconds()) for at in seen[0]] == [6, 0, 3]


def test_uuids_are_version_4_unique_and_another_in_each_execution_and_task() -> None:
    async def look(ctx: DurableContext) -> list[Any]:
        async def side() -> Any:
            return ctx.uuid4()

        return [ctx.uuid4(), ctx.uuid4(), await asyncio.create_task(side())]

    ids = [each for values in observed(look) + observed(look) for each in values]
    assert len(set(ids)) == len(ids)
    assert {each.version for each in ids} == {4}


def test_random_numbers_go_on_and_differ_from_execution_to_execution() -> None:
    async def look(ctx: DurableContext) -> float:
        return ctx.random().random()

    one, other = observed(look), observed(look)
    assert len({*one, *other}) == 6


def test_a_child_has_numbers_of_its_own() -> None:
    seen: list[Any] = []

    async def child(ctx: DurableContext) -> list[Any]:
        return [str(ctx.uuid4()), ctx.random().random()]

    async def workflow(event: Any, ctx: DurableContext) -> None:
        seen.append(
            [
                await ctx.run_in_child_context(child, name="a"),
                await ctx.run_in_child_context(child, name="b"),
                [str(ctx.uuid4()), ctx.random().random()],
            ]
        )

    run_workflow(workflow)
    assert len({each[0] for each in seen[0]}) == 3
    assert len({each[1] for each in seen[0]}) == 3


def test_ids_and_times_for_code_without_a_context_at_hand() -> None:
    one = replay_safe.uuid_from_operation("op")
    assert one == replay_safe.uuid_from_operation("op")
    assert one != replay_safe.uuid_from_operation("op", 1)
    assert one != replay_safe.uuid_from_operation("other")
    assert str(one) == replay_safe.uuid_string_from_operation("op")
    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        seen.append(
            (
                replay_safe.timestamp_from_execution(ctx),
                replay_safe.timestamp_seconds_from_execution(ctx),
                replay_safe.datetime_from_execution(ctx),
                ctx.started_at,
            )
        )
        await ctx.wait(SECOND)

    rig = rig_of(workflow)
    begun = rig.clock.now()
    rig.run()
    assert seen[0] == seen[1]
    assert seen[0] == (
        begun,
        begun // 1000,
        datetime.fromtimestamp(begun / 1000, UTC),
        begun,
    )
