"""A handle shows a future, and nothing of the operation behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.rig import rig_of, run_workflow

from durable_execution_sdk import (
    Callback,
    CheckpointingMode,
    ChildConfig,
    ContextMisuseError,
    DurableContext,
    Duration,
    Handle,
    MapConfig,
    NestingType,
    NoRetry,
    StepConfig,
    WaitForConditionConfig,
    poll_until,
)

SECOND = Duration.from_seconds(1)
OF_A_FUTURE = {name for name in dir(asyncio.Future) if not name.startswith("_")}
OF_A_HANDLE = OF_A_FUTURE | {"name", "operation_id"}


async def one() -> int:
    return 1


async def fails() -> int:
    raise LookupError("gone")


async def inner(ctx: DurableContext, *_: Any) -> int:
    return await ctx.step(one)


def saga_step(ctx: DurableContext) -> Handle[int]:
    saga = ctx.saga()
    saga._is_open = True
    return saga.step(one, compensate=lambda _: None, name="op")


CONDITION: Any = WaitForConditionConfig(initial_state=0, wait_strategy=poll_until(bool))

OPERATIONS: dict[str, Callable[[DurableContext], Any]] = {
    "step": lambda ctx: ctx.step(one, name="op"),
    "wait": lambda ctx: ctx.wait(SECOND, name="op"),
    "wait_until": lambda ctx: ctx.wait_until(ctx.now(), name="op"),
    "wait_for_condition": lambda ctx: ctx.wait_for_condition(lambda n: n + 1, CONDITION, name="op"),
    "create_callback": lambda ctx: ctx.create_callback("op"),
    "wait_for_callback": lambda ctx: ctx.wait_for_callback(print, name="op"),
    "invoke": lambda ctx: ctx.invoke("plain", name="op"),
    "child": lambda ctx: ctx.run_in_child_context(inner, name="op"),
    "virtual child": lambda ctx: ctx.run_in_child_context(
        inner, name="op", config=ChildConfig(virtual=True)
    ),
    "map": lambda ctx: ctx.map([1], inner, name="op"),
    "flat map": lambda ctx: ctx.map(
        [1], inner, name="op", config=MapConfig(nesting=NestingType.FLAT)
    ),
    "parallel": lambda ctx: ctx.parallel([inner], name="op"),
    "with_retry": lambda ctx: ctx.with_retry(inner, name="op"),
    "saga.step": saga_step,
    "all": lambda ctx: ctx.all(ctx.step(one), name="op"),
    "any": lambda ctx: ctx.any(ctx.step(one), name="op"),
    "race": lambda ctx: ctx.race(ctx.step(one), name="op"),
    "all_settled": lambda ctx: ctx.all_settled(ctx.step(one), name="op"),
}
every_operation = pytest.mark.parametrize("start", OPERATIONS.values(), ids=list(OPERATIONS))


def public(handle: Any) -> set[str]:
    return {name for name in dir(handle) if not name.startswith("_")}


def test_every_operation_that_returns_a_handle_is_looked_at() -> None:
    others = {"complete_execution_success", "complete_execution_failure", "now", "random", "saga"}
    others |= {"current", "uuid4", "patched", "log_debug", "log_info", "log_warn", "log_error"}
    others |= {"run_in_child_context", "continue_as_new", "set_status", "progress", "inbox"}
    methods = {
        name for name, member in vars(DurableContext).items() if callable(member) and name[0] != "_"
    }
    assert methods - others <= set(OPERATIONS)


@every_operation
def test_a_handle_has_the_names_of_a_future_and_its_own_name_and_id(start: Any) -> None:
    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        handle = start(ctx)
        seen.append((public(handle), handle.name, handle.operation_id))
        if isinstance(handle, Handle):
            handle.cancel()
        seen.append((public(handle), handle.name, handle.operation_id))

    ran = run_workflow(workflow, plain={"plain": lambda event, _: event})
    assert ran.status == "SUCCEEDED", ran.error
    first, later = seen
    assert first == later
    names, name, operation_id = first
    assert names == OF_A_HANDLE
    assert name == "op"
    ids = {event.id for event in ran.events}
    assert operation_id in ids or start in (
        OPERATIONS["virtual child"],
        OPERATIONS["invoke"],  # given up before it was recorded
    )


def test_a_callback_has_its_id_besides() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        creation = ctx.create_callback("op")
        callback = await creation
        assert isinstance(callback, Callback)
        return [
            sorted(public(callback)),
            callback.name,
            callback.operation_id,
            creation.operation_id,
        ]

    names, name, *ids = run_workflow(workflow).result
    assert set(names) == OF_A_HANDLE | {"callback_id"}
    assert name == "op"
    assert ids[0] == ids[1]


@pytest.mark.parametrize("complete", ["success", "failure"])
def test_the_end_of_the_execution_has_no_public_name(complete: str) -> None:
    seen: list[set[str]] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        end: Any = getattr(ctx, f"complete_execution_{complete}")("over")
        seen.append(public(end))
        await end

    run_workflow(workflow)
    assert seen == [set()]


@pytest.mark.parametrize("mode", CheckpointingMode)
@pytest.mark.parametrize(
    ("way", "value"), [("set_result", 2), ("set_exception", LookupError("mine"))]
)
@every_operation
def test_code_cannot_set_the_outcome_and_nothing_is_recorded_by_trying(
    start: Any, way: str, value: Any, mode: CheckpointingMode
) -> None:
    told: list[str] = []

    def workflow_that(tries: bool) -> Any:
        async def workflow(event: Any, ctx: DurableContext) -> None:
            handle = start(ctx)
            if tries:
                with pytest.raises(ContextMisuseError) as caught:
                    getattr(handle, way)(value)
                told.append(str(caught.value))
                assert not handle.done()
            handle.cancel()

        return workflow

    def events(tries: bool) -> list[tuple[str, str | None]]:
        rig = rig_of(
            workflow_that(tries),
            options={"checkpointing": mode},
            plain={"plain": lambda event, _: event},
        )
        ran = rig.drive(rig.start(name="same"), until=rig.clock.now() + 86_400_000)
        assert ran.status == "SUCCEEDED", ran.error
        return sorted((event.event_type, event.name) for event in ran.events)

    assert events(tries=True) == events(tries=False)
    assert told[0].startswith(f"{way} was called on ")
    assert "the outcome of an operation comes from the log" in told[0]
    assert "handle.cancel()" in told[0]


def test_a_handle_that_has_its_outcome_keeps_it() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        succeeded = ctx.step(one)
        failed = ctx.step(fails, config=StepConfig(retry_strategy=NoRetry()))
        await asyncio.wait([succeeded, failed])
        for handle in (succeeded, failed):
            for way, value in (("set_result", 2), ("set_exception", ValueError())):
                with pytest.raises(ContextMisuseError):
                    getattr(handle, way)(value)
            assert not handle.cancel()
        await ctx.wait(SECOND)
        return [succeeded.result(), str(failed.exception()), repr(succeeded), repr(failed)]

    assert run_workflow(workflow).result == [
        1,
        "gone",
        "<step 'one' done>",
        "<step 'fails' done>",
    ]
