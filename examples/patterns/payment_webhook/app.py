"""Start one execution for each payment, although its provider sends the same webhook several times.

The id of the provider's event names the execution, and a name can be started once. So the web service keeps no
table of the events that it has seen: ``receive`` is all of it. Give it a ``DurableClient`` of the function.

Run it with::

    durable run examples/patterns/payment_webhook/app.py --name payment-e-1 \
        --input '{"event_id": "e-1", "order": "o-1", "cents": 500}'
"""

from dataclasses import dataclass

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.client import AlreadyStartedError, DurableClient


@dataclass(frozen=True)
class Payment:
    event_id: str
    order: str
    cents: int


async def receive(client: DurableClient, payment: Payment) -> int:
    """Answer the provider's POST with a status; it sends again until that is 200."""
    try:
        await client.start(fulfil, payment, name=f"payment-{payment.event_id}")
    except AlreadyStartedError:
        return 409  # the same id with another content
    return 200


def book(payment: Payment) -> str:
    return f"{payment.cents} cents for {payment.order}"


def ship(order: str) -> str:
    return f"{order} is on its way"


@durable_execution
async def fulfil(payment: Payment, ctx: DurableContext) -> str:
    await ctx.step(book, payment)
    return await ctx.step(ship, payment.order)
