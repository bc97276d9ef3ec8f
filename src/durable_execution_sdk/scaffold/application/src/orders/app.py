"""The workflows: each is a Lambda function of its own, named in the template.

The code between steps runs again in every invocation, so what it does has to follow from the event
and the results of steps alone. ``durable lint`` finds what does not.
"""

import os
from decimal import Decimal

from durable_execution_sdk import (
    CallbackTimeoutError,
    DurableContext,
    Duration,
    InvokeConfig,
    MapConfig,
    NoRetry,
    StepContext,
    WaitForCallbackConfig,
    durable_execution,
    durable_step,
    retry_presets,
)

from orders import outside
from orders.models import Decision, Item, Order, Receipt, Shipment

SHIP_ORDER = os.environ.get("SHIP_ORDER", "ship_order:$LATEST")
"""The function that ships, with its alias: a durable function is never invoked without one."""

NEEDS_APPROVAL = Decimal(500)
APPROVAL = WaitForCallbackConfig(timeout=Duration.from_days(7), result_type=Decision)


class InvalidOrderError(ValueError):
    """The order cannot be processed; another attempt would not help."""


@durable_step(retry_strategy=NoRetry())
def add_up(order: Order) -> Decimal:
    """Check the order, and return its total."""
    if not order.items or any(item.quantity < 1 for item in order.items):
        raise InvalidOrderError(f"order {order.order_id} has no items, or less than one of an item")
    return sum((item.price * item.quantity for item in order.items), start=Decimal(0))


def ask_for_approval(callback_id: str, order: Order, total: Decimal) -> None:
    """Tell the approver the id to answer: send a mail or a chat message here.

    The log is for trying it out only. Who has the id, and the right to answer callbacks, decides:
    take it out of the log before real orders depend on it, and sign it where it goes into a link.
    """
    StepContext.current().logger.info(
        "order %s of %s needs approval: answer the callback %s", order.order_id, total, callback_id
    )


@durable_step(retry_strategy=retry_presets.transient)
def charge(order: Order, total: Decimal) -> str:
    """Take the money. The order's id is the key by which the bank knows a repetition."""
    return outside.charge(order.order_id, total)


@durable_execution
async def process_order(order: Order, ctx: DurableContext) -> Receipt:
    """Reserve the goods, have a large order approved, take the money, and ship."""
    total = await ctx.step(add_up, order)

    async def reserve(item_ctx: DurableContext, item: Item, _index: int) -> str:
        return await item_ctx.step(outside.reserve, order.order_id, item.sku, item.quantity)

    batch = await ctx.map(order.items, reserve, name="reserve", config=MapConfig(max_concurrency=5))
    batch.throw_if_error()

    if total >= NEEDS_APPROVAL:
        try:
            decision = await ctx.wait_for_callback(
                ask_for_approval, order, total, name="approval", config=APPROVAL
            )
        except CallbackTimeoutError:
            return Receipt(order.order_id, "declined", total)
        ctx.log_info("decided", approved=decision.approved, by=decision.by)
        if not decision.approved:
            return Receipt(order.order_id, "declined", total)

    payment_id = await ctx.step(charge, order, total)
    tracking_number = await ctx.invoke(
        SHIP_ORDER,
        Shipment(order.order_id, batch.results()),
        name="shipping",
        config=InvokeConfig(result_type=str),
    )
    return Receipt(order.order_id, "shipped", total, payment_id, tracking_number)


@durable_execution
async def ship_order(shipment: Shipment, ctx: DurableContext) -> str:
    """Book the carrier, and wait for the truck."""
    tracking_number = await ctx.step(outside.book_carrier, shipment.order_id, len(shipment.parcels))
    await ctx.wait(Duration.from_seconds(5), name="truck_arrives")
    return tracking_number
