"""Bill the customers of a service on the first of each month, for a year: usage, approvals, payments, a report.

Run a whole year with the waits skipped, and approve the large invoice of each month in another terminal::

    durable run examples/monthly_billing/app.py:bill_year --skip-time \
        --input @examples/monthly_billing/year.json --name year
    durable callback succeed year/approval --data '"Ada"'
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal

from durable_execution_sdk import (
    CallbackTimeoutError,
    CompletionConfig,
    DurableContext,
    Duration,
    ExponentialBackoff,
    MapConfig,
    StepContext,
    WaitForCallbackConfig,
    durable_execution,
    durable_step,
    retry_presets,
    summary_generators,
)

PRICE_OF_A_SEAT = Decimal("9.50")
LARGE = Decimal(1_000)


@dataclass(frozen=True)
class Customer:
    id: str
    card: str
    seats: int


@dataclass(frozen=True)
class Bill:
    customer: Customer
    month: str


@dataclass(frozen=True)
class Invoice:
    customer: str
    amount: Decimal
    status: Literal["paid", "declined", "held"]
    payment: str | None = None
    approved_by: str | None = None


@dataclass(frozen=True)
class Books:
    """All that one month hands on to the next."""

    customers: list[Customer]
    first_month: date
    months: int = 12
    billed: int = 0
    revenue: Decimal = Decimal(0)
    unpaid: tuple[str, ...] = ()

    @property
    def next_month(self) -> date:
        months = self.first_month.month - 1 + self.billed
        return date(self.first_month.year + months // 12, months % 12 + 1, 1)


class CardDeclinedError(Exception):
    """The bank refused the card; to ask again would not help."""


@durable_step(retry_strategy=retry_presets.linear)
def read_usage(bill: Bill) -> int:
    """Return the seats that were used. The meter is often busy on the first of a month."""
    if bill.month.endswith("-01") and StepContext.current().attempt == 1:
        raise ConnectionError("the meter is busy")
    return bill.customer.seats


# The bank knows the key, so a step that runs again after a crash does not charge twice.
@durable_step(retry_strategy=ExponentialBackoff(retryable=(ConnectionError,)))
def charge(bill: Bill, amount: Decimal) -> str:
    key = f"{bill.customer.id}-{bill.month}"
    if bill.customer.card == "expired":
        raise CardDeclinedError(key)
    return f"payment-{key}"


def ask_for_approval(callback_id: str, bill: Bill, amount: Decimal) -> None:
    print(f"{bill.month}: may {bill.customer.id} be charged {amount}? Answer {callback_id}")


def remind(bill: Bill) -> None:
    print(f"{bill.month}: {bill.customer.id} is asked for another card")


def close_month(month: str, invoices: list[Invoice]) -> Decimal:
    return sum((invoice.amount for invoice in invoices if invoice.status == "paid"), Decimal(0))


async def approval(ctx: DurableContext, bill: Bill, amount: Decimal) -> str | None:
    """Return the name of the person who approves a large invoice; ``None`` if no answer comes in five days."""
    config = WaitForCallbackConfig(timeout=Duration.from_days(5), result_type=str)
    try:
        return await ctx.wait_for_callback(
            ask_for_approval, bill, amount, name="approval", config=config
        )
    except CallbackTimeoutError:
        return None


async def bill_customer(ctx: DurableContext, bill: Bill, index: int) -> Invoice:
    amount = PRICE_OF_A_SEAT * await ctx.step(read_usage, bill)
    invoice = Invoice(bill.customer.id, amount, "held")
    if amount >= LARGE:
        invoice = replace(invoice, approved_by=await approval(ctx, bill, amount))
        if invoice.approved_by is None:
            return invoice
    try:
        payment = await ctx.step(charge, bill, amount)
    except CardDeclinedError:
        await ctx.step(remind, bill)
        return replace(invoice, status="declined")
    return replace(invoice, status="paid", payment=payment)


async def bill_month(ctx: DurableContext, books: Books) -> Books:
    month = f"{books.next_month:%Y-%m}"
    batch = await ctx.map(
        [Bill(customer, month) for customer in books.customers],
        bill_customer,
        name="invoices",
        config=MapConfig(
            max_concurrency=10,
            completion=CompletionConfig.all_completed(),
            item_namer=lambda bill, _index: bill.customer.id,
            summary_generator=summary_generators.first_failures(5),
        ),
    )
    for failed in batch.failed():
        ctx.log_error("not billed", customer=failed.name, error=str(failed.error))
    invoices = batch.results()
    revenue = await ctx.step(close_month, month, invoices)
    unpaid = [f"{invoice.customer} {month}" for invoice in invoices if invoice.status != "paid"]
    return replace(
        books,
        billed=books.billed + 1,
        revenue=books.revenue + revenue,
        unpaid=(*books.unpaid, *unpaid),
    )


@durable_execution
async def bill_year(books: Books, ctx: DurableContext) -> Books:
    while books.billed < books.months:
        month = books.next_month
        morning = datetime(month.year, month.month, month.day, 6, tzinfo=UTC)
        # Messages: customers who join and leave until then.
        await ctx.wait_until(morning, name=f"until {month:%Y-%m}")
        # Status: the month, the customers billed so far, the invoices that wait for approval.
        books = await ctx.run_in_child_context(bill_month, books, name=f"{month:%Y-%m}")
        ctx.log_info("billed", month=f"{month:%Y-%m}", revenue=str(books.revenue))
        # Continue as new: the next month in an execution of its own, with these books.
    return books
