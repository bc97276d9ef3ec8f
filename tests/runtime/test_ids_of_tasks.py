"""The ids of operations in the tasks of a child context."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.protocol.limits import MAX_ID_CHARACTERS
from durable_execution_sdk.runtime.log.ids import Path, operation_id
from durable_execution_sdk.testing import LocalDurableTestRunner, check_replay_sync

FIRST = "branch_83762f58_1-inner_1c9f2e07_1-deepestpart_5b20d1aa_12_aaa-1"


def test_contexts_whose_ids_are_spelt_out_in_the_length_of_a_hash_do_not_share_ids() -> None:
    second = FIRST.replace("inner_1c9f2e07_1", "inner_1c9f2e07_2")
    assert len(FIRST) == len(second) == MAX_ID_CHARACTERS
    path = Path().below("work_1c9f2e07_1")
    assert path.operation_id(f"{FIRST}-", 1) != path.operation_id(f"{second}-", 1)


def test_a_context_with_a_hashed_id_is_shown_by_its_start() -> None:
    hashed = operation_id("1")
    shown = Path().below("work_1c9f2e07_1").operation_id(f"{hashed}-", 1)
    assert shown == f"{hashed[:20]}-work_1c9f2e07_1-1"


@pytest.mark.parametrize("letters", range(1, 21))
def test_tasks_in_the_contexts_of_sibling_tasks(letters: int) -> None:
    """One of the lengths of the function's name makes the contexts' ids as long as a hash."""

    async def body(text: str) -> str:
        return text

    async def in_a_task(child: DurableContext, text: str) -> str:
        return await child.step(body, text)

    async def in_a_context(child: DurableContext, text: str) -> str:
        return await asyncio.create_task(in_a_task(child, text))

    async def second(ctx: DurableContext, text: str) -> str:
        return await ctx.run_in_child_context(in_a_context, text)

    async def first(ctx: DurableContext, text: str) -> str:
        task: Any = asyncio.create_task(second(ctx, text))
        return str(await task)

    second.__qualname__ = "s" * letters
    first.__qualname__ = "f" * 20

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> list[str]:
        return list(await asyncio.gather(first(ctx, "a"), first(ctx, "b")))

    result = LocalDurableTestRunner(handler).run_sync(None)
    assert result.result == ["a", "b"]
    check_replay_sync(handler, result).raise_if_failed()
