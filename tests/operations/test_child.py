"""Child contexts: their records, rebuilds, and operations that they leave unfinished."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.rig import rig_of, run_workflow

from durable_execution_sdk import (
    ChildConfig,
    ChildContextError,
    ConfigError,
    DurableContext,
    Duration,
    SerDesContext,
)

LIMIT = 262_144


def sized(size: int, letter: str = "x") -> str:
    """Return a text whose JSON has exactly so many bytes."""
    return letter * ((size - 2) // len(letter.encode()))


def test_a_recorded_context_does_not_run_again() -> None:
    runs: list[str] = []

    async def child(ctx: DurableContext, name: str) -> str:
        runs.append(name)
        return name

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        first = await ctx.run_in_child_context(child, "a")
        await ctx.wait(Duration.from_seconds(1))
        return first

    ran = run_workflow(workflow)
    assert (runs, ran.result) == (["a"], "a")
    assert [e.name for e in ran.events if e.event_type == "ContextStarted"] == ["child"]


@pytest.mark.parametrize(
    ("size", "letter", "stored"),
    [(LIMIT, "x", True), (LIMIT + 1, "x", False), (LIMIT, "é", True), (LIMIT + 2, "é", False)],
)
def test_a_result_above_the_limit_in_utf8_bytes_is_built_again(
    size: int, letter: str, stored: bool
) -> None:
    runs: list[int] = []
    steps: list[int] = []
    seen: list[int] = []

    async def child(ctx: DurableContext) -> str:
        runs.append(1)
        await ctx.step(lambda: steps.append(1), name="s")
        return sized(size, letter)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        config = ChildConfig(summary_generator=lambda text: f"{len(text)} letters")
        seen.append(len(await ctx.run_in_child_context(child, config=config)))
        await ctx.wait(Duration.from_seconds(1))
        await ctx.wait(Duration.from_seconds(1))

    ran = run_workflow(workflow)
    assert len(runs) == (1 if stored else 3)
    assert len(steps) == 1
    assert seen == [len(sized(size, letter))] * 3
    ended = next(e for e in ran.events if e.event_type == "ContextSucceeded")
    payload = ended.context_succeeded_details.result.payload
    assert (len(payload.encode()) == size) == stored
    if not stored:
        assert payload == f"{len(sized(size, letter))} letters"
    assert ran.types().count("ContextSucceeded") == 1


def test_without_a_summary_generator_the_log_holds_nothing_of_a_large_result() -> None:
    async def child(ctx: DurableContext) -> str:
        return "x" * LIMIT

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        length = len(await ctx.run_in_child_context(child))
        await ctx.wait(Duration.from_seconds(1))
        return length

    ran = run_workflow(workflow)
    ended = next(e for e in ran.events if e.event_type == "ContextSucceeded")
    assert not ended.context_succeeded_details.result.payload
    assert ran.result == LIMIT


def test_the_summary_is_never_read_back() -> None:
    seen: list[Any] = []

    async def child(ctx: DurableContext) -> list[int]:
        return list(range(100_000))

    async def workflow(event: Any, ctx: DurableContext) -> None:
        config = ChildConfig(summary_generator=lambda _: "[1, 2, 3]")
        seen.append(sum(await ctx.run_in_child_context(child, config=config)))
        await ctx.wait(Duration.from_seconds(1))

    run_workflow(workflow)
    assert seen == [sum(range(100_000))] * 2


def test_a_large_result_passes_through_its_serdes_like_any_other() -> None:
    seen: list[Any] = []

    async def child(ctx: DurableContext):  # type: ignore[no-untyped-def]
        return {"pair": (1, 2), "text": "x" * LIMIT}

    async def workflow(event: Any, ctx: DurableContext) -> None:
        seen.append((await ctx.run_in_child_context(child))["pair"])
        await ctx.wait(Duration.from_seconds(1))

    run_workflow(workflow)
    assert seen == [[1, 2]] * 2


def test_a_summary_generator_that_raises_fails_the_context() -> None:
    async def child(ctx: DurableContext) -> str:
        return "x" * LIMIT

    def broken(_: str) -> str:
        raise ZeroDivisionError

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.run_in_child_context(child, config=ChildConfig(summary_generator=broken))
        except ChildContextError as error:
            return error.error_type

    assert run_workflow(workflow).result == "ZeroDivisionError"


def test_a_summary_that_is_too_large_fails_the_context_by_name() -> None:
    async def child(ctx: DurableContext) -> str:
        return "x" * LIMIT

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = ChildConfig(summary_generator=lambda _: "x" * 2_000_000)
        try:
            await ctx.run_in_child_context(child, config=config)
        except ChildContextError as error:
            return [error.error_type, str(error)]

    kind, message = run_workflow(workflow).result
    assert kind == "PayloadSizeError"
    assert "the summary of child context 'child' is 2,000,000 bytes" in message


def test_large_results_nest() -> None:
    async def inner(ctx: DurableContext) -> str:
        await ctx.wait(Duration.from_seconds(1))
        return "x" * LIMIT

    async def outer(ctx: DurableContext) -> str:
        first = await ctx.run_in_child_context(inner, name="1")
        await ctx.wait(Duration.from_seconds(1))
        return first + await ctx.run_in_child_context(inner, name="2")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        size = len(await ctx.run_in_child_context(outer))
        await ctx.wait(Duration.from_seconds(1))
        return size

    ran = run_workflow(workflow)
    assert ran.result == 2 * LIMIT, ran.error
    assert ran.types().count("ContextSucceeded") == 3


def test_a_virtual_context_makes_ids_and_no_operation() -> None:
    async def child(ctx: DurableContext) -> str:
        await ctx.step(lambda: 1, name="in")
        return "done"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        result = await ctx.run_in_child_context(child, config=ChildConfig(virtual=True))
        await ctx.step(lambda: 1, name="after")
        return result

    ran = run_workflow(workflow)
    assert ran.result == "done"
    assert "ContextStarted" not in ran.types()
    assert [e.parent_id for e in ran.events if e.event_type == "StepStarted"] == [None, None]


def test_a_virtual_context_raises_the_original_exception() -> None:
    async def child(ctx: DurableContext) -> str:
        raise LookupError("as it is")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.run_in_child_context(child, config=ChildConfig(virtual=True))
        except LookupError as error:
            return isinstance(error, ChildContextError)

    assert run_workflow(workflow).result is False


@pytest.mark.parametrize("virtual", [False, True])
def test_a_child_that_cancels_itself_has_failed(virtual: bool) -> None:
    async def child(ctx: DurableContext) -> str:
        raise asyncio.CancelledError

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.run_in_child_context(child, config=ChildConfig(virtual=virtual))
        except ChildContextError as error:
            return error.error_type

    assert run_workflow(workflow).result == "CancelledError"


def test_unfinished_operations_of_a_context_are_cancelled_and_record_nothing() -> None:
    seen: list[str] = []

    async def grandchild(ctx: DurableContext) -> None:
        try:
            await ctx.wait(Duration.from_days(1), name="deep")
        finally:
            seen.append("deep")
            await ctx.step(lambda: seen.append("too late"), name="deep orphan")

    async def child(ctx: DurableContext) -> str:
        async def task() -> None:
            try:
                await ctx.wait(Duration.from_days(1), name="task")
            finally:
                seen.append("task")
                await ctx.step(lambda: seen.append("too late"), name="orphan")

        running = asyncio.create_task(task())
        ctx.run_in_child_context(grandchild)
        await ctx.step(lambda: 1)
        return str(running.done())

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        result = await ctx.run_in_child_context(child)
        await ctx.step(lambda: 1, name="after")
        return result

    ran = run_workflow(workflow)
    assert ran.status == "SUCCEEDED", ran.error
    assert sorted(seen) == ["deep", "task"]
    assert not [e for e in ran.events if e.name and "orphan" in e.name]


def test_a_step_that_outlives_its_context_records_nothing() -> None:
    async def child(ctx: DurableContext) -> str:
        async def slow() -> None:
            await asyncio.sleep(3600)

        ctx.step(slow)
        return "done"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        result = await ctx.run_in_child_context(child)
        await ctx.wait(Duration.from_seconds(1))
        return result

    ran = run_workflow(workflow)
    assert ran.result == "done"
    assert "StepSucceeded" not in ran.types()


def test_a_recorded_context_that_is_not_awaited_is_dropped_at_the_end() -> None:
    async def child(ctx: DurableContext) -> int:
        await ctx.wait(Duration.from_seconds(2))
        return 1

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def main() -> None:
            await ctx.wait(Duration.from_seconds(1))

        ctx.run_in_child_context(child)
        await ctx.wait(Duration.from_seconds(5))
        ctx.run_in_child_context(child)
        task = asyncio.create_task(main())
        await asyncio.wait([task])
        return "over"

    assert run_workflow(workflow).result == "over"


def test_a_custom_serdes_writes_and_reads_the_result() -> None:
    class Shouting:
        def serialize(self, value: str, context: SerDesContext, /) -> str:
            return f"{value.upper()} {context.operation_name}"

        def deserialize(self, payload: str, _context: SerDesContext, /) -> str:
            return payload + "!"

    async def child(ctx: DurableContext) -> str:
        return "hey"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = ChildConfig(serdes=Shouting())
        return await ctx.run_in_child_context(child, name="c", config=config)

    ran = run_workflow(workflow)
    assert ran.result == "HEY c!"


@pytest.mark.parametrize(
    "options",
    [
        {"serdes": 5},
        {"error_mapper": 5},
        {"summary_generator": "text"},
        {"virtual": True, "summary_generator": str},
    ],
)
def test_a_wrong_config_is_refused_when_it_is_made(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"ChildConfig"):
        ChildConfig(**options)


def test_a_result_that_cannot_be_serialized_fails_the_context_by_name() -> None:
    async def child(ctx: DurableContext) -> Any:
        return object()

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.run_in_child_context(child, name="odd")

    ran = run_workflow(workflow)
    assert ran.error.error_type == "SerDesError"
    assert "'odd'" in ran.error.error_message


def test_giving_up_a_context_cancels_its_operations() -> None:
    seen: list[str] = []

    async def child(ctx: DurableContext) -> None:
        try:
            await ctx.wait(Duration.from_days(1))
        finally:
            seen.append("unwound")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        handle = ctx.run_in_child_context(child)
        await ctx.step(lambda: 1)
        handle.cancel()
        try:
            await handle
        except asyncio.CancelledError:
            await ctx.step(lambda: 1)
            return "given up"

    rig = rig_of(workflow)
    assert rig.run().result == "given up"
    assert seen == ["unwound"]
