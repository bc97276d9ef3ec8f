"""Charge an order with a client that is kept for all invocations, and note it in a session for each attempt.

Run it with::

    durable run examples/steps/resources/app.py:bill --input '{"order": "o-1", "amount": 30}'
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Annotated

from durable_execution_sdk import (
    INJECTED,
    Depends,
    DurableContext,
    Duration,
    FixedDelay,
    StepConfig,
    durable_execution,
)


@dataclass(frozen=True)
class Order:
    order: str
    amount: int


class Gateway:
    """Stands for a client of a payment gateway, which is costly to make."""

    async def charge(self, order: Order) -> str:
        return f"payment for {order.order}"


@dataclass
class Ledger:
    """Stands for a session of a database: entries are kept when it is committed."""

    entries: list[str] = field(default_factory=list)
    committed: list[str] = field(default_factory=list)

    def add(self, entry: str) -> None:
        self.entries.append(entry)

    async def commit(self) -> None:
        self.committed += self.entries


def get_gateway() -> Gateway:
    return Gateway()


async def get_ledger() -> AsyncGenerator[Ledger, None]:
    ledger = Ledger()
    yield ledger  # an attempt that fails raises here, so nothing is committed
    await ledger.commit()


GivenGateway = Annotated[Gateway, Depends(get_gateway)]
GivenLedger = Annotated[Ledger, Depends(get_ledger)]


async def charge(order: Order, *, gateway: GivenGateway = INJECTED) -> str:
    return await gateway.charge(order)


async def note(order: Order, payment: str, *, ledger: GivenLedger = INJECTED) -> str:
    ledger.add(f"{order.amount} by {payment}")
    return f"{len(ledger.entries)} entry"


@durable_execution
async def bill(order: Order, ctx: DurableContext) -> str:
    payment = await ctx.step(charge, order)
    await ctx.wait(Duration.from_minutes(5), name="settles")
    retried = StepConfig(retry_strategy=FixedDelay(max_attempts=3, delay=Duration.from_seconds(10)))
    return await ctx.step(note, order, payment, config=retried)
