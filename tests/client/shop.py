"""The functions that the client is tested with; `durable dev` runs a copy of this file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from durable_execution_sdk import (
    CallbackConfig,
    DurableContext,
    Duration,
    NoRetry,
    StepConfig,
    WaitForCallbackConfig,
    durable_execution,
)


@dataclass
class Order:
    id: str
    amount: int


@dataclass
class Receipt:
    order_id: str
    paid: int
    approved_by: str | None = None


class DeclinedError(Exception):
    pass


def charge(order: Order) -> int:
    if order.amount < 0:
        raise DeclinedError(f"{order.id}: no money")
    return order.amount


def ask(callback_id: str) -> None:
    """Hand the id to a person."""


@durable_execution
async def order(event: Order, ctx: DurableContext) -> Receipt:
    paid = await ctx.step(charge, event, name="charge", config=StepConfig(retry_strategy=NoRetry()))
    if event.amount <= 500:
        return Receipt(event.id, paid)
    config = WaitForCallbackConfig(
        result_type=str,
        timeout=Duration.from_hours(2),
        heartbeat_timeout=Duration.from_hours(1),
    )
    approved_by = await ctx.wait_for_callback(ask, name="approval", config=config)
    return Receipt(event.id, paid, approved_by)


@durable_execution
async def asks(event: Any, ctx: DurableContext) -> Any:
    """Ask two questions, tell how many answers have come, and return the answers."""
    ctx.progress(0, 2)
    first = await ctx.create_callback("first", config=CallbackConfig(result_type=int))
    second = await ctx.create_callback("second")
    answer = await first
    ctx.progress(1, 2)
    return [answer, await second]


@durable_execution
async def counts(event: Order, ctx: DurableContext) -> Receipt:
    """Go on as new until the amount is 0; the receipt has the sum."""
    number, _, paid = event.id.partition(" ")
    total = await ctx.step(lambda: int(paid or 0) + event.amount, name="add")
    if event.amount:
        await ctx.continue_as_new(Order(f"{number} {total}", event.amount - 1))
    return Receipt(number, total)


@durable_execution
async def desk(event: Any, ctx: DurableContext) -> list[int]:
    """Take tickets until 0 comes, and those that were accepted before."""
    inbox, seen = ctx.inbox("tickets", int, window=2), list[int]()
    async for ticket in inbox:
        seen.append(ticket)
        if ticket == 0:
            await inbox.close()
    return seen
