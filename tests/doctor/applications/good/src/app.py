"""Orders: two workflows, one for batches of a queue, and a function that starts orders."""

import os
from datetime import timedelta

import boto3
from aws_lambda_powertools import Logger, Tracer

from durable_execution_sdk import DurableContext, Duration, StepConfig, durable_execution

SHIP = os.environ["SHIP_FN"]
logger = Logger(service="shop")
tracer = Tracer(service="shop")


def charge(order: dict) -> str:
    """Take the money."""
    return f"payment of {order}"


@durable_execution(logger=logger)
async def order(event: dict, ctx: DurableContext) -> str:
    """Take the money, wait, and ship."""
    payment = await ctx.step(charge, event, config=StepConfig(timeout=Duration.from_seconds(20)))
    await ctx.wait(timedelta(days=1))
    await ctx.invoke(SHIP, {"payment": payment})
    return payment


handler = logger.inject_lambda_context(
    tracer.capture_lambda_handler(order, capture_response=False), clear_state=True
)


@durable_execution
async def ship(event: dict, ctx: DurableContext) -> str:
    """Ship an order."""
    return await ctx.step(charge, event)


@durable_execution
async def batch(event: dict, ctx: DurableContext) -> dict:
    """Handle the records of a queue."""
    await ctx.map(event["Records"], one)
    return {"batchItemFailures": []}


async def one(ctx: DurableContext, item: dict, index: int) -> str:
    """Handle a record."""
    return await ctx.step(charge, item)


def starter(event: dict, context: object) -> None:
    """Start an order."""
    boto3.client("lambda").invoke(FunctionName=os.environ["ORDER"], InvocationType="Event")
