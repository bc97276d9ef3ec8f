"""A function as it would be deployed, without any code for tests."""

from __future__ import annotations

import logging
import os
import socket
from typing import TypedDict

import msgspec

from durable_execution_sdk import (
    DurableContext,
    Duration,
    FixedDelay,
    NoRetry,
    StepConfig,
    StepContext,
    StepInterruptedError,
    StepSemantics,
    durable_execution,
)

logger = logging.getLogger(__name__)
logging.getLogger().setLevel(logging.INFO)


class Order(msgspec.Struct):
    order_id: str
    amount: int
    payment_port: int | None = None


class Receipt(TypedDict):
    status: str
    reservation: str
    process: int


AT_MOST_ONCE = StepConfig(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=NoRetry())
PATIENT = StepConfig(retry_strategy=FixedDelay(delay=Duration.from_seconds(30), max_attempts=3))


async def reserve(order: Order) -> str:
    attempt = StepContext.current().attempt
    logger.info("reserving, attempt %d", attempt)
    if attempt < 3:
        raise ConnectionError("the warehouse is closed")
    return f"{order.order_id}-{order.amount}"


def charge(order: Order) -> str:
    """Call the payment provider, whose response may take long."""
    with socket.create_connection(("127.0.0.1", order.payment_port)) as provider:
        return provider.recv(100).decode()


@durable_execution
async def handler(order: Order, ctx: DurableContext) -> Receipt:
    ctx.logger.info("order received")
    reservation = await ctx.step(reserve, order, config=PATIENT)
    await ctx.wait(Duration.from_hours(24), name="cooling_off")
    ctx.logger.info("cooled off")
    status = "free"
    if order.payment_port is not None:
        try:
            status = await ctx.step(charge, order, config=AT_MOST_ONCE)
        except StepInterruptedError:
            status = "ask the provider"
    return Receipt(status=status, reservation=reservation, process=os.getpid())
