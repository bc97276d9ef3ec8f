"""A test runs a workflow to its end on a virtual clock, through the handler's real entry point."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from durable_execution_sdk import Duration, NoRetry, StepConfig, StepError, durable_execution
from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    Raises,
    Returns,
    StuckError,
    UnexpectedStatusError,
)


@dataclass
class Order:
    id: str
    amount: Decimal


@dataclass
class Receipt:
    id: str
    total: Decimal


class Declined(Exception):
    pass


def charge(order: Order) -> Decimal:
    if order.amount > 100:
        raise Declined(f"{order.id} is too expensive")
    return order.amount


@durable_execution
async def buy(order: Order, ctx) -> Receipt:
    total = await ctx.step(charge, order, config=StepConfig(retry_strategy=NoRetry()))
    await ctx.wait(Duration.from_days(30), name="return_period")
    return Receipt(order.id, total)


def test_a_month_passes_at_once_and_stays_in_the_history():
    result = LocalDurableTestRunner(buy).run_sync(Order("1", Decimal("9.90")))
    assert result.result == Receipt("1", Decimal("9.90"))
    assert result.started_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert result.operation("return_period").duration == timedelta(days=30)
    assert timedelta(days=30) <= result.duration < timedelta(days=30, seconds=1)


async def answer(runner):
    return await runner.run({"id": "1", "amount": "9.90"})


def test_it_runs_in_an_event_loop_too_and_the_loop_goes_on_meanwhile():
    ticks = []
    before = set(threading.enumerate())

    async def tick():
        while True:
            ticks.append(threading.current_thread())
            await asyncio.sleep(0)

    async def both():
        ticking = asyncio.create_task(tick())
        result = await answer(LocalDurableTestRunner(buy))
        ticking.cancel()
        return result

    assert asyncio.run(both()).result == Receipt("1", Decimal("9.90"))
    assert len(ticks) > 1
    left = set(threading.enumerate()) - before
    assert [each.name for each in left if each.name.startswith("durable")] == []


def test_a_failed_workflow_gives_the_exception_that_it_raised():
    result = LocalDurableTestRunner(buy).run_sync(Order("1", Decimal(200)))
    assert result.status == "FAILED"
    with pytest.raises(Declined, match="too expensive") as caught:
        _ = result.result
    assert isinstance(caught.value, StepError)
    assert isinstance(result.operation("charge").error, Declined)
    with pytest.raises(UnexpectedStatusError, match="found FAILED"):
        result.assert_succeeded()


def test_the_same_configuration_again_has_seen_nothing():
    runner = LocalDurableTestRunner(buy)
    first = runner.run_sync(Order("1", Decimal(1)), name="order-1")
    assert runner.run_sync(Order("1", Decimal(1)), name="order-1").arn == first.arn
    fresh = runner.fresh().run_sync(Order("1", Decimal(2)), name="order-1")
    assert fresh.result == Receipt("1", Decimal(2))


@durable_execution
async def prices(event: dict[str, list[str]], ctx) -> list[object]:
    return [await ctx.invoke(name, {}) for name in event.get("of", [])]


def test_invoked_functions_are_real_or_canned():
    runner = LocalDurableTestRunner(
        prices,
        functions={
            "plain": lambda event, context: len(context.function_name),
            "canned": Returns(7),
            "broken": Raises(ValueError("no price")),
            "durable": prices,
        },
    )
    assert runner.run_sync({"of": ["plain", "canned"]}).result == [5, 7]
    assert runner.run_sync({"of": ["durable:$LATEST"]}).result == [[]]
    failed = runner.run_sync({"of": ["broken"]})
    assert (failed.error.error_type, str(failed.error)) == ("ValueError", "no price")


@durable_execution
async def nested(event: object, ctx) -> object:
    def within() -> object:
        return LocalDurableTestRunner(buy).run_sync(Order("1", Decimal(3))).result.id

    return await ctx.step(within)


def test_a_step_may_run_another_workflow_in_a_runner_of_its_own():
    assert LocalDurableTestRunner(nested).run_sync().assert_succeeded().result == "1"


@durable_execution
async def wait_for_ever(event: object, ctx) -> object:
    return await (await ctx.create_callback(name="approval"))


def test_what_nobody_answers_is_an_error_that_names_it():
    with pytest.raises(StuckError, match="approval"):
        LocalDurableTestRunner(wait_for_ever).run_sync()
