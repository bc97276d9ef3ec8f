"""A purchase that a person has to approve if it is dear. This file is what Lambda runs; it knows no web framework."""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import (
    CallbackTimeoutError,
    DurableContext,
    WaitForCallbackConfig,
    durable_execution,
)

FREE_UP_TO = 100


@dataclass(frozen=True)
class Purchase:
    item: str
    price: int


@dataclass(frozen=True)
class Approval:
    approved: bool
    by: str


@dataclass(frozen=True)
class Decision:
    is_ordered: bool
    reason: str


def announce(callback_id: str, purchase: Purchase) -> None:
    # A real one sends a mail with a link to the page that answers.
    print(f"{purchase.item} for {purchase.price} has to be approved: {callback_id}")


def order(purchase: Purchase) -> str:
    return f"{purchase.item} ordered"


@durable_execution
async def purchase(event: Purchase, ctx: DurableContext) -> Decision:
    reason = "cheap"
    if event.price > FREE_UP_TO:
        config = WaitForCallbackConfig(result_type=Approval, timeout=timedelta(days=7))
        try:
            answer = await ctx.wait_for_callback(announce, event, name="approval", config=config)
        except CallbackTimeoutError:
            return Decision(is_ordered=False, reason="nobody answered in a week")
        if not answer.approved:
            return Decision(is_ordered=False, reason=f"refused by {answer.by}")
        reason = f"approved by {answer.by}"
    await ctx.step(order, event)
    return Decision(is_ordered=True, reason=reason)
