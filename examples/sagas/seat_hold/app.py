"""Give up the seats that a customer does not pay for within half an hour.

The timeout is durable, so it ends the wait also if the process has died meanwhile. It leaves the saga's block as
an exception, and what leaves the block by an exception is undone.

Run it with::

    durable run examples/sagas/seat_hold/app.py --name ada \
        --input '{"customer": "Ada", "seats": ["A1", "A2"]}'
    durable callback succeed ada/payment --data '"card 4242"'
"""

import asyncio
from dataclasses import dataclass

from durable_execution_sdk import CallbackConfig, DurableContext, durable_execution


@dataclass(frozen=True)
class Cart:
    customer: str
    seats: list[str]


def hold(seat: str) -> str:
    return f"hold-{seat}"


def release(held: str) -> str:
    return f"{held} is released"


def send_payment_link(customer: str, callback_id: str) -> str:
    return f"to {customer}: please pay"


@durable_execution
async def buy_seats(cart: Cart, ctx: DurableContext) -> str:
    try:
        async with asyncio.timeout(30 * 60), ctx.saga() as saga:
            for seat in cart.seats:
                await saga.step(hold, seat, compensate=release, name=f"hold {seat}")
            payment = await ctx.create_callback(
                name="payment", config=CallbackConfig(result_type=str)
            )
            await ctx.step(send_payment_link, cart.customer, payment.callback_id)
            return f"{len(cart.seats)} seats, paid by {await payment}"
    except TimeoutError:
        return "the seats are free again"
