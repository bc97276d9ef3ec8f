"""An execution that AWS's own Python SDK began continues under this one.

The state has the ids and the payloads that AWS's SDK records. Its payloads have a tag around each value
other than texts, numbers and lists of them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.memory_service import MemoryService
from tests.rig import run_workflow

from durable_execution_sdk import (
    BatchResult,
    DurableContext,
    Duration,
    ParallelConfig,
    WaitForConditionConfig,
    durable_execution,
    poll_until,
)
from durable_execution_sdk.protocol.operations import Operation

SECOND = Duration.from_seconds(1)

runs: Counter[str] = Counter()


@dataclass
class Order:
    id: str
    price: Decimal
    due: date


def identified(text: str) -> str:
    return hashlib.blake2b(text.encode()).hexdigest()[:64]


def tagged(value: Any) -> dict[str, Any]:
    """Write a value in the envelopes of AWS's SDK."""
    match value:
        case None:
            return {"t": "n", "v": None}
        case str():
            return {"t": "s", "v": value}
        case bool():
            return {"t": "b", "v": value}
        case int():
            return {"t": "i", "v": value}
        case Decimal():
            return {"t": "d", "v": str(value)}
        case date():
            return {"t": "D", "v": value.isoformat()}
        case tuple():
            return {"t": "t", "v": [tagged(each) for each in value]}
        case list():
            return {"t": "l", "v": [tagged(each) for each in value]}
        case dict():
            return {"t": "m", "v": {key: tagged(each) for key, each in value.items()}}
    raise TypeError(value)


def payload(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


def item(index: int, result: Any, failure: str | None = None) -> dict[str, Any]:
    status = "SUCCEEDED" if failure is None else "FAILED"
    error = failure and {"ErrorMessage": failure, "ErrorType": "ValueError"}
    return {"index": index, "status": status, "result": result, "error": error}


def batch(*items: dict[str, Any]) -> str:
    held = {"all": list(items), "completionReason": "ALL_COMPLETED"}
    return payload({"t": "br", "v": tagged(held)["v"]})


def recorded(
    place: str,
    kind: str,
    name: str,
    *,
    parent: str | None = None,
    status: str = "SUCCEEDED",
    **details: Any,
) -> Operation:
    """Make an operation as the service sends it to a handler."""
    wire = {
        "Id": identified(place),
        "Type": {
            "Step": "STEP",
            "WaitForCondition": "STEP",
            "Wait": "WAIT",
            "Callback": "CALLBACK",
        }.get(kind, "CONTEXT"),
        "SubType": kind,
        "Name": name,
        "Status": status,
        "StartTimestamp": 1_000,
        "EndTimestamp": 1_500,
        **({"ParentId": identified(parent)} if parent else {}),
        **details,
    }
    if status != "SUCCEEDED":
        del wire["EndTimestamp"]
    return msgspec.convert(wire, Operation)


def step(place: str, name: str, result: str, parent: str | None = None) -> Operation:
    details = {"Attempt": 1, "Result": result}
    return recorded(place, "Step", name, parent=parent, StepDetails=details)


def context(place: str, kind: str, name: str, result: str, parent: str | None = None) -> Operation:
    return recorded(place, kind, name, parent=parent, ContextDetails={"Result": result})


def inside(place: str, number: int) -> str:
    return f"{identified(place)}-{number}"


ORDER = {"id": "A1", "price": Decimal("9.90"), "due": date(2030, 1, 2)}

STATE = [
    step("1", "load", payload(tagged(ORDER))),
    step("2", "raw", payload(tagged({"none": None, "pair": (1, "two"), "t": "m", "v": [True]}))),
    context("3", "RunInChildContext", "outer", payload(tagged({"inner": 3}))),
    step(inside("3", 1), "inner", "3", parent="3"),
    recorded("4", "Wait", "pause", WaitDetails={"ScheduledEndTimestamp": 1_400}),
    context("5", "Map", "each", batch(item(0, {"n": 1}), item(1, None, "two is bad"))),
    context(inside("5", 0), "MapIteration", "map-item-0", payload(tagged({"n": 1})), parent="5"),
    recorded("6", "Parallel", "both", status="STARTED"),
    context(
        inside("6", 0), "ParallelBranch", "left", payload(tagged({"side": "left"})), parent="6"
    ),
    context("7", "WaitForCallback", "ask", payload(tagged({"approved": True}))),
    recorded(
        inside("7", 1),
        "Callback",
        "ask create callback id",
        parent="7",
        CallbackDetails={"CallbackId": "c", "Result": '{"approved": true}'},
    ),
    step(inside("7", 2), "ask submitter", "null", parent="7"),
    recorded("9", "Parallel", "unnamed", status="STARTED"),
    context(inside("9", 0), "ParallelBranch", "parallel-branch-0", '"left"', parent="9"),
    recorded(inside("9", 1), "ParallelBranch", "parallel-branch-1", parent="9", status="STARTED"),
    recorded(
        "8",
        "WaitForCondition",
        "poll",
        status="READY",
        StepDetails={"Attempt": 1, "Result": payload(tagged({"n": 1}))},
    ),
]


def load() -> Order:
    runs["load"] += 1
    raise AssertionError


def never(*_: Any) -> Any:
    runs["never"] += 1
    raise AssertionError


async def child(ctx: DurableContext) -> Any:
    return never()


async def left(ctx: DurableContext) -> Any:
    return never()


async def right(ctx: DurableContext) -> dict[str, str]:
    runs["right"] += 1
    return {"side": "right"}


async def each(ctx: DurableContext, item: int, index: int) -> Any:
    return never()


def count(state: dict[str, int]) -> dict[str, int]:
    runs["count"] += 1
    return {"n": state["n"] + 1}


async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
    order = await ctx.step(load)
    raw = await ctx.step(never, name="raw")
    inner = await ctx.run_in_child_context(child, name="outer")
    await ctx.wait(SECOND, name="pause")
    batch: BatchResult[Any] = await ctx.map([1, 2], each, name="each")
    one_at_a_time = ParallelConfig(max_concurrency=1)
    # Four concurrent operations: in the log, none had ended when the last one began.
    parallel = ctx.parallel({"left": left, "right": right}, name="both", config=one_at_a_time)
    asking = ctx.wait_for_callback(never, name="ask")
    polling = WaitForConditionConfig(
        initial_state={"n": 0}, wait_strategy=poll_until(lambda state: state["n"] == 2)
    )
    poll = ctx.wait_for_condition(count, name="poll", config=polling)
    second = ctx.parallel([left, right], name="unnamed", config=one_at_a_time)
    both, answer, polled, unnamed = await parallel, await asking, await poll, await second
    assert order == Order(id="A1", price=Decimal("9.90"), due=date(2030, 1, 2))
    errors = [str(error) for error in batch.errors()]
    return [raw, inner, batch.results(), errors, both.results(), answer, polled, unnamed.results()]


def test_ids_agree_and_payloads_are_understood() -> None:
    runs.clear()
    service = MemoryService()
    service.operations = {operation.id: operation for operation in STATE}
    outcome = durable_execution(workflow).bind(service)(service.event("null"), None)
    assert outcome["Status"] == "SUCCEEDED", outcome
    assert json.loads(outcome["Result"]) == [
        {"none": None, "pair": [1, "two"], "t": "m", "v": [True]},
        {"inner": 3},
        [{"n": 1}],
        ["two is bad"],
        [{"side": "left"}, {"side": "right"}],
        {"approved": True},
        {"n": 2},
        ["left", {"side": "right"}],
    ]
    assert runs == {"right": 2, "count": 1}


@pytest.mark.parametrize(
    "value",
    [
        tagged({"a": 1}),
        tagged([{"b": None}]),
        {"t": "m", "v": {}},
        {"t": "d", "v": "1"},
        {"t": "x", "v": 1},
        {"t": "m"},
        {"t": "l", "v": 5, "more": 1},
    ],
)
def test_a_value_of_ours_is_never_taken_for_an_envelope(value: Any) -> None:
    async def give() -> Any:
        return value

    async def give_in_child(ctx: DurableContext, *_: Any) -> Any:
        return value

    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        found = [
            await ctx.step(give),
            await ctx.run_in_child_context(give_in_child),
            (await ctx.map([1], give_in_child)).results()[0],
            (await ctx.parallel([give_in_child])).results()[0],
        ]
        await ctx.wait(SECOND)
        return found

    ran = run_workflow(workflow)
    assert ran.result == [value] * 4
    assert ran.invocations == 2


@pytest.mark.parametrize(
    "text", ['{"t":"m","v":{"a":1}}', '{"t":"m","v":[]}', '{"t":"l"}', '{"t":"l","v":5}', '{"t":"']
)
def test_what_only_begins_like_an_envelope_is_read_as_it_is(text: str) -> None:
    service = MemoryService()
    service.operations = {identified("1"): step("1", "load", text)}

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(never, name="load")

    outcome = durable_execution(workflow).bind(service)(service.event("null"), None)
    if text.endswith("}"):
        assert json.loads(outcome["Result"]) == json.loads(text)
    else:
        assert outcome["Error"]["ErrorType"] == "SerDesError"
