"""Undo a reservation that may stand although its answer was lost.

``saga.step(..., compensate=...)`` undoes a step that has succeeded. A reservation that timed out has failed, and
may stand all the same. So its compensation is registered before it, with a key that both sides know, and does
nothing if nothing was reserved.

Run it with::

    durable run examples/sagas/crate_delivery/app.py --input '{"order": "o-1", "crates": 12}'
"""

from dataclasses import dataclass

from durable_execution_sdk import DurableContext, NoRetry, StepConfig, durable_execution


@dataclass(frozen=True)
class Delivery:
    order: str
    crates: int


ONCE = StepConfig(retry_strategy=NoRetry())


def take_from_stock(order: str) -> str:
    return f"crates of {order}"


def put_back(crates: str) -> str:
    return f"{crates} are back"


def reserve_van(order: str, crates: int) -> str:
    if crates > 10:
        raise TimeoutError(f"the van rental did not answer about {order}")
    return f"van for {order}"


def cancel_van_if_reserved(order: str) -> str:
    return f"no van for {order} any more"


@durable_execution
async def deliver(delivery: Delivery, ctx: DurableContext) -> str:
    try:
        async with ctx.saga() as saga:
            await saga.step(take_from_stock, delivery.order, compensate=put_back)
            saga.add_compensation(cancel_van_if_reserved, delivery.order)
            return await ctx.step(reserve_van, delivery.order, delivery.crates, config=ONCE)
    except TimeoutError:
        return f"{delivery.order} is not delivered"
