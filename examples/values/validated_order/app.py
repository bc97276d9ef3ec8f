"""Validate the event with a pydantic model, and keep models in the log.

An event that does not fit the model fails the execution before any step runs, and the error names the places that
are wrong. This needs ``pip install pydantic``; dataclasses and ``msgspec`` structs need nothing.

Run it with::

    durable run examples/values/validated_order/app.py --input '{"sku": "TEA-7", "count": 2}'
"""

from pydantic import BaseModel, Field

from durable_execution_sdk import DurableContext, durable_execution


class Order(BaseModel):
    sku: str = Field(pattern="^[A-Z]{3}-[0-9]+$")
    count: int = Field(gt=0)
    note: str | None = None


class Shipment(BaseModel):
    order: Order
    parcels: list[str]


def pack(order: Order) -> Shipment:
    return Shipment(order=order, parcels=[f"{order.sku}/{n + 1}" for n in range(order.count)])


@durable_execution
async def ship(order: Order, ctx: DurableContext) -> Shipment:
    return await ctx.step(pack, order)
