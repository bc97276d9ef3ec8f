"""Clients of a local runner: code that is given a client runs on the engine of the test."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.client.shop import Order, Receipt, asks, order

from durable_execution_sdk import (
    DurableContext,
    Duration,
    InvokeError,
    ServiceError,
    durable_execution,
)
from durable_execution_sdk.client import (
    AlreadyStartedError,
    DurableClient,
    InboxFullError,
    InboxRef,
    SyncDurableClient,
)
from durable_execution_sdk.testing import (
    DurableTestError,
    LocalDurableTestRunner,
    NoSuchOperationError,
    RunTimeoutError,
    StuckError,
)


@durable_execution
async def patient(event: int, ctx: DurableContext) -> int:
    await ctx.wait(Duration.from_days(event))
    return event


async def shop(client: DurableClient) -> Receipt:
    """Stand for a program that is given a client."""
    handle = await client.start(order, Order("A-1", 20), name="a")
    return await handle.result()


@durable_execution
async def tells_early(event: int, ctx: DurableContext) -> None:
    if event:
        ctx.set_status("early")
    for _ in range(event or 150):
        await ctx.step(lambda: None)


@pytest.mark.parametrize(("steps", "found"), [(0, None), (10, "early"), (700, "early")])
def test_a_status_is_found_wherever_it_is_in_the_history(steps: int, found: str | None) -> None:
    runner = LocalDurableTestRunner(tells_early).sync
    arn = runner.run(steps).arn
    with runner.client() as client:
        assert client.execution(arn).custom_status() == found


def test_a_program_that_is_given_a_client_runs_on_the_engine() -> None:
    runner = LocalDurableTestRunner(order)
    assert asyncio.run(shop(runner.client())) == Receipt("A-1", 20)
    assert runner.sync.result().name == "a"


def test_a_year_passes_in_no_time() -> None:
    runner = LocalDurableTestRunner(patient)

    async def run() -> int:
        return await (await runner.client().start(patient, 300)).result()

    assert asyncio.run(run()) == 300
    result = runner.sync.result().duration
    assert result is not None and result.days == 300


def test_a_wait_for_what_never_comes_is_told() -> None:
    runner = LocalDurableTestRunner(asks)

    async def run() -> None:
        await (await runner.client().start(asks, None)).result()

    with pytest.raises(StuckError, match="nothing will ever end this execution"):
        asyncio.run(run())


def test_the_runner_and_the_client_see_the_same_execution() -> None:
    runner = LocalDurableTestRunner(order)

    async def run() -> Receipt:
        client = runner.client()
        handle = await client.start(order, Order("A-1", 900))
        approval = await runner.wait_for_callback("approval")
        [found] = await handle.callbacks("approval")
        assert found.callback_id == approval.callback_id
        await client.callback(found.callback_id).succeed("Ada")
        assert [each.arn async for each in client.list(order)] == [handle.arn]
        return await handle.result()

    assert asyncio.run(run()).approved_by == "Ada"


def test_two_executions_end_each_by_its_own_handle() -> None:
    runner = LocalDurableTestRunner(patient)

    async def run() -> list[int]:
        client = runner.client()
        first = await client.start(patient, 3)
        second = await client.start(patient, 5)
        ended = [await first.result(), await second.result()]
        assert (await runner.result()).arn == second.arn
        return ended

    assert asyncio.run(run()) == [3, 5]


def test_results_may_be_waited_for_at_once() -> None:
    runner = LocalDurableTestRunner(patient)

    async def run() -> list[int]:
        client = runner.client()
        handles = [await client.start(patient, days) for days in (3, 5, 4)]
        return await asyncio.gather(*(handle.result() for handle in handles))

    assert asyncio.run(run()) == [3, 5, 4]


@durable_execution
async def collects(event: int, ctx: DurableContext) -> list[int]:
    inbox = ctx.inbox("numbers", int, window=2)
    return [await inbox.get() for _ in range(event)]


@pytest.mark.parametrize("first", ["result", "messages"])
def test_a_burst_of_messages_is_sent_while_the_result_is_waited_for(first: str) -> None:
    runner = LocalDurableTestRunner(collects)

    async def run() -> list[int]:
        client = runner.client()
        handle = await client.start(collects, 20)
        ending = asyncio.create_task(handle.result()) if first == "result" else None
        await asyncio.gather(*(client.send(handle, "numbers", n) for n in range(20)))
        return await (ending or handle.result())

    assert asyncio.run(run()) == list(range(20))


def test_an_execution_that_a_step_starts_is_not_taken_for_the_one_that_runs() -> None:
    async def start() -> str:
        return (await runner.client().start(patient, 3)).arn

    @durable_execution
    async def starts(event: None, ctx: DurableContext) -> str:
        return await ctx.step(start)

    runner = LocalDurableTestRunner(starts, functions={"patient": patient})
    result = runner.run_sync(None)
    started = result.result
    assert result.operation("start").result == started
    with runner.sync.client() as client:
        assert client.execution(started).result() == 3
    assert runner.sync.result().arn == result.arn


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_a_step_that_waits_for_its_own_runner_is_told_at_once(kind: str) -> None:
    refusals: list[str] = []

    async def asks() -> None:
        with pytest.raises(DurableTestError) as caught:
            await (await runner.client().execution(arns[0])).result()
        refusals.append(str(caught.value))

    def asks_plainly() -> None:
        with runner.sync.client() as client, pytest.raises(DurableTestError) as caught:
            client.execution(arns[0]).result()
        refusals.append(str(caught.value))

    @durable_execution
    async def impatient(event: None, ctx: DurableContext) -> None:
        await ctx.step(asks if kind == "async" else asks_plainly)

    runner = LocalDurableTestRunner(impatient, functions={"collects": collects})
    with runner.sync.client() as client:
        arns = [client.start(collects, 1).arn]
    assert runner.run_sync(None).status == "SUCCEEDED"
    assert ["at work already" in each for each in refusals] == [True]


def test_handlers_are_known_by_their_names_in_the_test() -> None:
    runner = LocalDurableTestRunner(
        patient, function_name="sleeper", functions={"shop": order, "plain": lambda e, c: e}
    )

    async def run(client: DurableClient) -> list[Any]:
        handles = [
            await client.start(patient, 1, name="p"),
            await client.start(order, Order("A", 1), name="o"),
        ]
        assert [handle.arn.split(":")[6] for handle in handles] == ["sleeper", "shop"]
        return [await handle.result() for handle in handles]

    assert asyncio.run(run(runner.client())) == [1, Receipt("A", 1)]


def test_the_same_name_with_another_event_is_refused() -> None:
    with LocalDurableTestRunner(order).sync.client() as client:
        first = client.start(order, Order("A", 1), name="x")
        assert client.start(order, Order("A", 1), name="x").arn == first.arn
        with pytest.raises(AlreadyStartedError):
            client.start(order, Order("A", 2), name="x")


def test_the_synchronous_client_runs_executions_too() -> None:
    runner = LocalDurableTestRunner(order)
    with runner.sync.client() as client:
        assert isinstance(client, SyncDurableClient)
        assert client.start(order, Order("A", 1)).result() == Receipt("A", 1)
        failing = client.start(order, Order("A", -1))
        with pytest.raises(InvokeError, match="no money"):
            failing.result()
        asking = client.start(order, Order("A", 501))
        runner.sync.wait_for_callback()
        [approval] = asking.callbacks()
        approval.fail(PermissionError("no"))
        with pytest.raises(InvokeError, match="no"):
            asking.result()


def test_a_time_limit_is_in_real_seconds() -> None:
    runner = LocalDurableTestRunner(order, skip_time=False)

    async def run() -> None:
        handle = await runner.client().start(order, Order("A", 900))
        await handle.result(timeout=0.05)

    with pytest.raises(RunTimeoutError):
        asyncio.run(run())


@durable_execution
async def desk(event: int, ctx: DurableContext) -> list[int]:
    inbox = ctx.inbox("tickets", int, window=1)
    await ctx.wait(Duration.from_days(1))
    return [await inbox.get() for _ in range(event)]


def test_a_message_waits_for_room_while_the_execution_runs() -> None:
    async def run() -> list[int]:
        async with LocalDurableTestRunner(desk).client() as client:
            handle = await client.start(desk, 3)
            await client.send(handle, "tickets", 1)
            with pytest.raises(InboxFullError):  # its workflow takes it after a day
                await client.send(handle, "tickets", 2, timeout=0.01)
            result = asyncio.create_task(handle.result())
            with pytest.raises(StuckError):
                await result
            for ticket in (2, 3):
                await client.send(handle, "tickets", ticket)
            return await handle.result()

    assert asyncio.run(run()) == [1, 2, 3]


def test_a_runner_sends_when_there_is_room_and_tells_why_there_is_none() -> None:
    runner = LocalDurableTestRunner(desk).sync
    runner.start(3)
    for ticket in (1, 2):
        runner.send("tickets", ticket)
    with pytest.raises(ServiceError, match="Expected `int`, got `str`"):
        runner.send("tickets", "three")
    runner.send("tickets", 3)
    assert runner.complete().result == [1, 2, 3]
    with pytest.raises(NoSuchOperationError, match="the execution has ended: it is SUCCEEDED"):
        runner.send("tickets", 4)
    runner.start(1)
    with pytest.raises(StuckError, match=r"has no room(.|\n)*send it a message: runner.send"):
        runner.send("ticket", 1)

    async def run() -> list[int]:
        other = LocalDurableTestRunner(desk)
        await other.start(1)
        assert await other.send(InboxRef("tickets", int), 7, id="mine") == "mine"
        return (await other.complete()).result or []

    assert asyncio.run(run()) == [7]
