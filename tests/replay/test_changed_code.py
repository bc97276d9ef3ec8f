"""Changed code is checked against recorded histories: accepted changes, and divergences."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from tests.rig import Rig

from durable_execution_sdk import (
    ChildConfig,
    DurableContext,
    Duration,
    InvokeConfig,
    JsonSerDes,
    MapConfig,
    SerDes,
    SerDesContext,
    durable_execution,
)
from durable_execution_sdk.replay.check import replay_history
from durable_execution_sdk.replay.report import DivergenceKind, ReplayReport
from durable_execution_sdk.testing import check_replay_sync


async def done(value: Any) -> Any:
    return value


def held(old: Any, new: Any, event: Any = 1, **rig: Any) -> ReplayReport:
    """Record a history with the old code, and replay it with the new code."""
    ran = Rig(durable_execution(old), **rig).run(event)
    assert ran.status == "SUCCEEDED", ran.error
    return replay_history(durable_execution(new), ran.events, execution_arn=ran.arn)


# Operations that come after the recorded end


def ordering(*, mails: bool = False, waits: bool = False, awaits: bool = True) -> Any:
    async def order(event: int, ctx: DurableContext) -> int:
        value: int = await ctx.step(done, event, name="charge")
        await ctx.wait(Duration.from_days(1), name="cooling off")
        if mails:
            mail = ctx.step(done, event, name="mail")
            if awaits:
                await mail
        if waits:
            await ctx.wait(Duration.from_days(1), name="and again")
        return value

    return order


@pytest.mark.parametrize(
    ("changed", "added"),
    [
        ({"mails": True}, ["step 'mail'"]),
        ({"waits": True}, ["wait 'and again'"]),
        (
            {"mails": True, "waits": True},
            ["step 'mail'"],
        ),  # the end of the first operation is not recorded
        ({"mails": True, "waits": True, "awaits": False}, ["step 'mail'", "wait 'and again'"]),
    ],
)
def test_operations_after_the_recorded_end_are_noted(
    changed: dict[str, bool], added: list[str]
) -> None:
    report = held(ordering(), ordering(**changed))
    assert report.ok, str(report)
    assert len(report.notes) == len(added)
    for note, label in zip(report.notes, added, strict=True):
        assert note.startswith(f"{label} (")
        assert "comes after the recorded end: executions can go on with it" in note
        assert f"  note: {note}" in str(report)


def test_an_added_operation_does_not_hide_another_end() -> None:
    async def other(event: int, ctx: DurableContext) -> int:
        await ordering()(event, ctx)
        ctx.step(done, 1, name="mail")  # never awaited
        return 7

    divergence = held(ordering(), other).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.actual) == (DivergenceKind.OTHER_END, "it returned 7")


def test_an_operation_in_a_task_of_its_own_among_recorded_ones_is_no_addition() -> None:
    def flow(extra: bool) -> Any:
        async def run(event: int, ctx: DurableContext) -> int:
            async def beside() -> None:
                await ctx.step(done, 1, name="beside")

            if extra:
                task = asyncio.create_task(beside())
                await asyncio.sleep(0)
            await ctx.step(done, 1, name="first")
            await ctx.wait(Duration.from_days(1))
            if extra:
                await task
            return 1

        return run

    divergence = held(flow(extra=False), flow(extra=True)).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.actual) == (DivergenceKind.NEW_OPERATION, "step 'beside'")


def test_recorded_operations_that_others_take_the_place_of_are_named_on_both_sides() -> None:
    async def together(event: int, ctx: DurableContext) -> list[int]:
        async def pay(n: int) -> int:
            paid: int = await ctx.step(done, n, name=f"pay {n}")
            return paid

        return list(await asyncio.gather(pay(1), pay(2)))

    async def one_by_one(event: int, ctx: DurableContext) -> list[int]:
        return [await ctx.step(done, n, name=f"pay {n}") for n in (1, 2)]

    divergence = held(together, one_by_one).divergence
    assert divergence is not None
    assert divergence.kind is DivergenceKind.NEW_OPERATION
    assert divergence.expected == "step 'pay 1', which the code has not asked for"
    assert divergence.actual == "step 'pay 1'"
    assert divergence.place is not None


def test_an_operation_that_a_recorded_context_adds_is_none_after_the_end() -> None:
    def flow(*names: str) -> Any:
        async def run(event: int, ctx: DurableContext) -> int:
            async def child(inner: DurableContext) -> int:
                for name in names:
                    await inner.step(done, 1, name=name)
                return 1

            return int(await ctx.run_in_child_context(child))

        return run

    divergence = held(flow("a"), flow("a", "b")).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.actual) == (DivergenceKind.NEW_OPERATION, "step 'b'")


def test_what_comes_after_the_end_is_noted_by_the_check_of_the_testing_package() -> None:
    from durable_execution_sdk.testing import LocalDurableTestRunner

    result = LocalDurableTestRunner(durable_execution(ordering())).run_sync(1)
    report = check_replay_sync(durable_execution(ordering(mails=True)), result)
    assert report
    assert len(report.notes) == 1
    report.raise_if_failed()


# Items and branches that have changed places


def mapping(items: list[Any], config: MapConfig | None = None, adds: str = "") -> Any:
    async def run(event: int, ctx: DurableContext) -> int:
        async def item(inner: DurableContext, each: Any, index: int) -> Any:
            await inner.step(done, each, name="work")
            return each + adds if adds else each

        await ctx.map(items, item, config=config)
        return 1

    return run


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["a", "b"], ["b", "a"]),
        (["a", "b", "c"], ["a", "c", "b"]),
        (["a", "b", "c"], ["c", "a", "b"]),
        ([{"n": 1, "m": 2}, {"n": 2, "m": 2}], [{"m": 2, "n": 2}, {"m": 2, "n": 1}]),
    ],
)
def test_items_that_have_changed_places_are_found(old: list[Any], new: list[Any]) -> None:
    report = held(mapping(old), mapping(new))
    divergence = report.divergence
    assert divergence is not None
    assert divergence.kind is DivergenceKind.OTHER_RESULT
    first = next(n for n in range(len(old)) if old[n] != new[n])
    assert divergence.expected.startswith(f"map item 'map-item-{first}' returned ")
    assert divergence.actual.endswith(", as another one did")
    assert "changed places" in str(report)
    assert not report.notes


def test_branches_that_have_changed_places_are_found() -> None:
    def flow(*values: str) -> Any:
        def branch(value: str) -> Any:
            async def run(inner: DurableContext) -> str:
                await inner.step(done, 1, name="work")
                return value

            return run

        async def run(event: int, ctx: DurableContext) -> int:
            await ctx.parallel([branch(value) for value in values])
            return 1

        return run

    assert held(flow("a", "b"), flow("a", "b")).ok
    divergence = held(flow("a", "b"), flow("b", "a")).divergence
    assert divergence is not None
    assert divergence.kind is DivergenceKind.OTHER_RESULT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (mapping(["a", "b"]), mapping(["a", "b"])),
        (mapping(["a", "a"]), mapping(["a", "a"])),
        (mapping([{"n": 1, "m": 2}]), mapping([{"m": 2, "n": 1}])),
    ],
)
def test_items_that_have_kept_their_places_are_not(old: Any, new: Any) -> None:
    report = held(old, new)
    assert report.ok, str(report)
    assert not report.notes


def test_a_function_that_comes_to_other_results_is_noted() -> None:
    report = held(mapping(["a", "b"]), mapping(["a", "b"], adds="!"))
    assert report.ok, str(report)
    assert report.notes == [
        f'map item \'map-item-{n}\' returned "{letter}", and its function returns "{letter}!" now:'
        " executions that have recorded it keep the recorded result"
        for n, letter in enumerate("ab")
    ]


class Sealed(SerDes[Any]):
    """A serdes that writes another text each time, as encryption does."""

    def __init__(self) -> None:
        self.count = 0

    def serialize(self, value: Any, context: SerDesContext) -> str:
        self.count += 1
        return json.dumps([self.count, value])

    def deserialize(self, payload: str, context: SerDesContext) -> Any:
        return json.loads(payload)[1]


def test_payloads_of_a_serdes_of_the_users_are_compared_as_values() -> None:
    sealed = Sealed()

    def flow(value: int) -> Any:
        async def run(event: int, ctx: DurableContext) -> int:
            async def child(inner: DurableContext) -> int:
                await inner.step(done, 1, name="work")
                return value

            await ctx.run_in_child_context(child, config=ChildConfig(serdes=sealed))
            await ctx.map(["a", "b"], items, config=MapConfig(item_serdes=sealed), name="items")
            return 1

        async def items(inner: DurableContext, each: str, index: int) -> str:
            await inner.step(done, each, name="work")
            return each

        return run

    report = held(flow(1), flow(1))
    assert report.ok, str(report)
    assert not any("child context" in note for note in report.notes)
    assert any("child context" in note for note in held(flow(1), flow(2)).notes)


# Invokes


@dataclass
class Bill:
    amount: int
    to: str


def invoking(
    function: str = "billing:$LATEST",
    payload: Any = None,
    config: InvokeConfig[Any] | None = None,
    *,
    waits: bool = True,
) -> Any:
    async def run(event: int, ctx: DurableContext) -> int:
        handle = ctx.invoke(function, payload, name="bill", config=config)
        await ctx.step(done, 1, name="beside")
        if waits:
            await handle
        return 1

    return run


@durable_execution
async def billing(event: Any, ctx: DurableContext) -> int:
    return 1


def invoked(old: Any, new: Any) -> ReplayReport:
    return held(old, new, others={"billing": billing, "refunding": billing})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (invoking(payload={"a": 1, "b": 2}), invoking(payload={"b": 2, "a": 1})),
        (invoking(payload=Bill(1, "Ada")), invoking(payload={"to": "Ada", "amount": 1})),
        (invoking(), invoking("arn:aws:lambda:us-east-1:123456789012:function:billing:$LATEST")),
        (invoking(), invoking("billing")),
        (
            invoking(payload=1, config=InvokeConfig(payload_serdes=JsonSerDes(int))),
            invoking(payload=1),
        ),
    ],
)
def test_the_same_invoke_in_another_form_is_the_same(old: Any, new: Any) -> None:
    report = invoked(old, new)
    assert report.ok, str(report)
    assert not report.notes


@pytest.mark.parametrize(
    ("new", "actual"),
    [
        (invoking("refunding:$LATEST", 1), "invoke 'bill' of refunding:$LATEST with 1"),
        (invoking("billing:live", 1), "invoke 'bill' of billing:live with 1"),
        (invoking(payload=2), "invoke 'bill' of billing:$LATEST with 2"),
        (invoking(payload={"n": 1}), "invoke 'bill' of billing:$LATEST with {\"n\":1}"),
        (invoking(), "invoke 'bill' of billing:$LATEST with null"),
        (
            invoking(payload=lambda: 1),
            "invoke 'bill' of billing:$LATEST with a payload that cannot be written",
        ),
    ],
)
@pytest.mark.parametrize("waits", [True, False])
def test_another_function_or_payload_is_found(new: Any, actual: str, waits: bool) -> None:
    report = invoked(invoking(payload=1, waits=waits), new)
    divergence = report.divergence
    assert divergence is not None
    assert divergence.kind is DivergenceKind.OTHER_OPERATION
    assert divergence.expected == "invoke 'bill' of billing:$LATEST with 1"
    assert divergence.actual.startswith(actual)
    assert divergence.place is not None
    assert "ctx.invoke" in divergence.place.text
    assert "keep it, and go on" in divergence.hint


def test_an_invoke_that_a_sealed_payload_went_to_is_the_same() -> None:
    config: InvokeConfig[Any] = InvokeConfig(payload_serdes=Sealed())

    def flow(payload: int) -> Any:
        return invoking(payload=payload, config=config)

    assert invoked(flow(5), flow(5)).ok
    assert not invoked(flow(5), flow(6)).ok


def test_an_invoke_in_a_child_is_compared_too() -> None:
    def flow(payload: int) -> Any:
        async def run(event: int, ctx: DurableContext) -> int:
            async def child(inner: DurableContext) -> int:
                await inner.invoke("billing:$LATEST", payload, name="bill")
                return 1

            return int(await ctx.run_in_child_context(child, config=ChildConfig()))

        return run

    assert invoked(flow(1), flow(1)).ok
    assert not invoked(flow(1), flow(2)).ok


# Arguments, which the log does not record


def test_arguments_that_differ_at_each_run_are_noted() -> None:
    clock: list[int] = []

    async def flow(event: int, ctx: DurableContext) -> int:
        clock.append(1)
        await ctx.step(done, len(clock), name="save")
        await ctx.wait(Duration.from_days(1))
        return 1

    report = held(flow, flow)
    assert report.ok, str(report)
    assert len(report.notes) == 1
    assert report.notes[0].startswith(
        "step 'save' was given 3 when it was asked for first, and 4 on"
    )
