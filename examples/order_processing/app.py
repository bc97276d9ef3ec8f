"""Process an order from the basket to the parcel, with all basic operations of a workflow.

Run it with ``make demo``, or with this command, and interrupt it at any point::

    durable run examples/order_processing/app.py:process_order \
        --input @examples/order_processing/order.json --name my-order
"""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import outside

from durable_execution_sdk import (
    DurableContext,
    Duration,
    InvokeConfig,
    NoRetry,
    StepContext,
    StepInterruptedError,
    StepSemantics,
    WaitForCallbackConfig,
    durable_execution,
    durable_step,
    retry_presets,
)


@dataclass(frozen=True)
class Item:
    sku: str
    quantity: int
    price: Decimal


@dataclass(frozen=True)
class Order:
    order_id: str
    card: str
    items: list[Item]


@dataclass(frozen=True)
class Pickup:
    picked_by: str


@dataclass(frozen=True)
class Shipment:
    order_id: str
    parcels: list[str]


@dataclass(frozen=True)
class Receipt:
    order_id: str
    status: Literal["shipped", "declined"]
    total: Decimal
    payment_id: str | None = None
    picked_by: str | None = None
    tracking_number: str | None = None


class InvalidOrderError(ValueError):
    """The order is invalid; retries would not help."""


@durable_step(retry_strategy=NoRetry())
def validate(order: Order) -> Decimal:
    if not order.items:
        raise InvalidOrderError(f"order {order.order_id} is empty")
    for item in order.items:
        if item.quantity < 1:
            raise InvalidOrderError(f"order {order.order_id} has {item.quantity} of {item.sku}")
    return sum((item.price * item.quantity for item in order.items), start=Decimal(0))


# The card is never charged twice: the step does not run again, even after a crash in its body.
@durable_step(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=NoRetry())
def charge(order: Order, total: Decimal) -> str:
    return outside.charge(order.card, order.order_id, total)


def find_payment(order_id: str) -> str | None:
    return outside.find_payment(order_id)


def reserve(item: Item) -> str:
    return outside.reserve(item.sku, item.quantity)


def ask_warehouse(callback_id: str, order_id: str) -> None:
    outside.ask_warehouse(order_id, callback_id)


@durable_step(retry_strategy=retry_presets.transient)
def book_carrier(shipment: Shipment) -> str:
    if StepContext.current().attempt == 1:
        raise ConnectionError("the carrier's line is busy, as it always is the first time")
    return outside.book_carrier(shipment.order_id, len(shipment.parcels))


async def pay(ctx: DurableContext, order: Order, total: Decimal) -> str | None:
    try:
        return await ctx.step(charge, order, total)
    except outside.CardDeclinedError:
        return None
    except StepInterruptedError:
        # The function died during the call; only the bank knows if the payment was made.
        return await ctx.step(find_payment, order.order_id)


async def pack(ctx: DurableContext, items: list[Item]) -> list[str]:
    reservations = [ctx.step(reserve, item, name=f"reserve_{item.sku}") for item in items]
    return list(await asyncio.gather(*reservations))


@durable_execution
async def process_order(order: Order, ctx: DurableContext) -> Receipt:
    total = await ctx.step(validate, order)
    payment_id = await pay(ctx, order, total)
    if payment_id is None:
        return Receipt(order.order_id, "declined", total)
    ctx.log_info("paid", payment_id=payment_id)

    await ctx.wait(Duration.from_seconds(4), name="payment_settles")
    parcels = await ctx.run_in_child_context(pack, order.items)

    pickup = await ctx.wait_for_callback(
        ask_warehouse,
        order.order_id,
        name="warehouse_picks",
        config=WaitForCallbackConfig(timeout=Duration.from_hours(8), result_type=Pickup),
    )
    tracking_number = await ctx.invoke(
        "ship_order:$LATEST",
        Shipment(order.order_id, parcels),
        name="shipping",
        config=InvokeConfig(result_type=str),
    )
    return Receipt(order.order_id, "shipped", total, payment_id, pickup.picked_by, tracking_number)


@durable_execution
async def ship_order(shipment: Shipment, ctx: DurableContext) -> str:
    tracking_number = await ctx.step(book_carrier, shipment)
    await ctx.wait(Duration.from_seconds(2), name="truck_arrives")
    return tracking_number
