"""A damaged log raises an error that names the operation: no body runs, and no value is invented."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.memory_service import MemoryService

from durable_execution_sdk import (
    DurableContext,
    Duration,
    MapConfig,
    WaitForConditionConfig,
    durable_execution,
    poll_until,
)
from durable_execution_sdk.errors import InvocationError
from durable_execution_sdk.operations.callback import CallbackConfig
from durable_execution_sdk.operations.invoke import InvokeConfig
from durable_execution_sdk.protocol.operations import (
    CallbackDetails,
    ChainedInvokeDetails,
    Operation,
)

runs: list[str] = []

Damage = Callable[[Operation], Operation | None]


async def number(*_: Any) -> int:
    runs.append("number")
    return 5


async def maybe(*_: Any) -> int | None:
    runs.append("maybe")
    return 5


async def anything(*_: Any):  # type: ignore[no-untyped-def]
    runs.append("anything")
    return 5


async def large(*_: Any) -> str:
    runs.append("large")
    return "x" * 200_000


def polled(function: Any) -> Any:
    config = WaitForConditionConfig(initial_state=0, wait_strategy=poll_until(lambda n: n != 0))
    return lambda ctx: ctx.wait_for_condition(function, name="it", config=config)


def invoked(kind: Any) -> Any:
    return lambda ctx: ctx.invoke("f", name="it", config=InvokeConfig(result_type=kind))


def called_back(kind: Any) -> Any:
    async def ask(ctx: DurableContext) -> Any:
        return await (await ctx.create_callback("it", config=CallbackConfig(result_type=kind)))

    return ask


def with_operation(call: Any) -> Any:
    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> str:
        result = await call(ctx)
        await ctx.wait(Duration.from_seconds(5))
        return repr(result)

    return workflow


def rerun(handler: Any, damaged: str | None, damage: Damage) -> dict[str, Any]:
    """Run a workflow, damage the operation of this name in its log, and run it again."""
    service = MemoryService()
    handler.bind(service)(service.event("null"), None)
    for key, operation in list(service.operations.items()):
        if operation.name == damaged:
            left = damage(_ended(operation))
            if left is None:
                del service.operations[key]
            else:
                service.operations[key] = left
    runs.clear()
    outcome: dict[str, Any] = handler.bind(service)(service.event("null"), None)
    return outcome


def _ended(operation: Operation) -> Operation:
    """End a callback or an invoke, as the service does."""
    if operation.type == "CALLBACK":
        details = CallbackDetails(callback_id="id", result="5")
        return replace(operation, status="SUCCEEDED", end_timestamp=2_000, callback_details=details)
    if operation.type == "CHAINED_INVOKE":
        invoke = ChainedInvokeDetails(result="5")
        return replace(
            operation, status="SUCCEEDED", end_timestamp=2_000, chained_invoke_details=invoke
        )
    return operation


def without_result(operation: Operation) -> Operation:
    changes = {}
    for name in ("step_details", "context_details", "callback_details", "chained_invoke_details"):
        details = getattr(operation, name)
        if details is not None:
            changes[name] = replace(details, result=None)
    return replace(operation, **changes)


def of_unknown_status(operation: Operation) -> Operation:
    return replace(operation, status="PAUSED", end_timestamp=None)


PLACES = [
    (lambda function, _: lambda ctx: ctx.step(function, name="it")),
    (lambda function, _: lambda ctx: ctx.run_in_child_context(function, name="it")),
    (lambda function, _: polled(function)),
    (lambda _, kind: invoked(kind)),
    (lambda _, kind: called_back(kind)),
]
IDS = ["step", "child", "poll", "invoke", "callback"]


@pytest.mark.parametrize("place", PLACES, ids=IDS)
def test_a_missing_result_is_an_error_that_names_the_operation(place: Any) -> None:
    outcome = rerun(with_operation(place(number, int)), "it", without_result)
    assert outcome["Status"] == "FAILED"
    message = outcome["Error"]["ErrorMessage"]
    assert "operation 'it' (" in message
    assert "has no result in the log" in message
    assert "int) does not read None" in message
    assert runs == []


@pytest.mark.parametrize("place", PLACES, ids=IDS)
@pytest.mark.parametrize(("function", "kind"), [(maybe, int | None), (anything, None)])
def test_a_missing_result_is_none_where_none_fits(place: Any, function: Any, kind: Any) -> None:
    seen: list[Any] = []

    async def call(ctx: DurableContext) -> Any:
        seen.append(await place(function, kind)(ctx))

    outcome = rerun(with_operation(call), "it", without_result)
    assert outcome["Status"] == "PENDING", outcome
    assert seen[-1] is None
    assert runs == []


@pytest.mark.parametrize("place", PLACES, ids=IDS)
def test_an_unknown_status_is_an_error_that_names_the_operation(place: Any) -> None:
    """A newer service may have added the status, so the invocation is retried and nothing is lost."""
    with pytest.raises(InvocationError, match=r"'it' is 'PAUSED', which is no status that"):
        rerun(with_operation(place(number, int)), "it", of_unknown_status)
    assert runs == []


def mapped(function: Any, **options: Any) -> Any:
    config = MapConfig(**options)
    return with_operation(lambda ctx: ctx.map([1, 2, 3], function, name="m", config=config))


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda _: None, "map 'm': the log does not hold map item 'map-item-{}'"),
        (
            without_result,
            "item {} has no result in the log, and JsonSerDes(str) does not read None",
        ),
    ],
)
def test_a_damaged_item_of_a_map_that_is_built_again(
    index: int, damage: Damage, reason: str
) -> None:
    outcome = rerun(mapped(large), f"map-item-{index}", damage)
    assert outcome["Status"] == "FAILED"
    assert reason.format(index) in outcome["Error"]["ErrorMessage"]
    assert runs == []


@pytest.mark.parametrize("index", [0, 1, 2])
def test_an_item_of_unknown_status_in_a_map_that_is_built_again(index: int) -> None:
    with pytest.raises(InvocationError, match=rf"map item 'map-item-{index}' is 'PAUSED'"):
        rerun(mapped(large), f"map-item-{index}", of_unknown_status)
    assert runs == []


async def stepped(ctx: DurableContext, item: int, _index: int) -> int:
    return await ctx.step(number, item, name=f"step-{item}")


@pytest.mark.parametrize("width", [None, 1, 2])
def test_an_item_that_is_missing_before_others_does_not_run_again(width: int | None) -> None:
    handler = mapped(stepped, max_concurrency=width)
    service = MemoryService()
    handler.bind(service)(service.event("null"), None)
    missing = {"map-item-1", "step-2"}
    service.operations = {
        key: replace(each, status="STARTED", end_timestamp=None, context_details=None)
        if each.name == "m"
        else each
        for key, each in service.operations.items()
        if each.name is not None and each.name not in missing
    }
    runs.clear()
    outcome = handler.bind(service)(service.event("null"), None)
    assert outcome["Status"] == "FAILED"
    assert outcome["Error"]["ErrorType"] == "DeterminismError"
    assert "map-item-" in outcome["Error"]["ErrorMessage"]
    assert runs == []


def stored(payload: str | None) -> dict[str, Any]:
    def damage(operation: Operation) -> Operation:
        assert operation.context_details is not None
        return replace(
            operation, context_details=replace(operation.context_details, result=payload)
        )

    return rerun(mapped(number), "m", damage)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (None, "map 'm' has no result in the log"),
        (
            '{"all":[{"index":0,"status":"STARTED"},{"index":2,"status":"STARTED"}],'  # noqa: ISC004
            '"completionReason":"ALL_COMPLETED"}',
            "the log does not hold item 1",
        ),
        (
            '{"all":[{"index":0,"status":"SUCCEEDED"}],"completionReason":"ALL_COMPLETED"}',
            "item 0 has no result in the log",
        ),
        (
            '{"all":[{"index":0,"status":"LOST","result":5}],"completionReason":"ALL_COMPLETED"}',
            "Invalid enum value 'LOST'",
        ),
    ],
)
def test_a_damaged_batch(payload: str | None, reason: str) -> None:
    outcome = stored(payload)
    assert outcome["Status"] == "FAILED"
    assert reason in outcome["Error"]["ErrorMessage"]
    assert "'m'" in outcome["Error"]["ErrorMessage"]
    assert runs == []
