"""Bill the customers of a service on the first of each month, for a year.

Customers change their plan, or leave, by messages; large invoices wait for an approval; each half year goes on as a new
execution. Run a year with the waits skipped, and look, send and answer from another terminal::

    durable run examples/patterns/monthly_billing/app.py:bill_year --skip-time \
        --input @examples/patterns/monthly_billing/year.json --name year
    durable show year
    durable send year changes '{"customer": "ada", "plan": "pro"}'
    durable callback succeed year/approval --data '"Grace"'

The second half is another execution, which ``@last`` stands for: ``durable callback succeed @last/approval``.
"""

import json
import os
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from durable_execution_sdk import (
    INJECTED,
    CallbackConfig,
    CallbackTimeoutError,
    CompletionConfig,
    Depends,
    DurableContext,
    Duration,
    ExecutionLimits,
    ExponentialBackoff,
    Inbox,
    InboxClosedError,
    InboxMessageError,
    InboxTimeoutError,
    MapConfig,
    StepContext,
    StepTimeoutError,
    durable_execution,
    durable_step,
    retry_presets,
    summary_generators,
)

Plan = Literal["basic", "pro"]

PRICE_OF_A_SEAT = {"basic": Decimal("9.50"), "pro": Decimal("15.00")}
LARGE = Decimal(1_000)
HALF_A_YEAR = 6
A_SECOND = timedelta(seconds=1)
# A large invoice needs nine: its item, two steps and a retry, a callback and its step, a wait, a reminder, a payment.
OPERATIONS_OF_AN_INVOICE = 9


@dataclass(frozen=True)
class Customer:
    id: str
    card: str
    seats: int
    plan: Plan = "basic"


@dataclass(frozen=True)
class Change:
    """A message of a customer: another plan from the next bill on, or the end."""

    customer: str
    plan: Plan | None = None
    cancel: bool = False


@dataclass(frozen=True)
class Bill:
    customer: Customer
    month: str

    @property
    def key(self) -> str:
        return f"{self.customer.id}-{self.month}"


@dataclass(frozen=True)
class Invoice:
    customer: str
    amount: Decimal
    status: Literal["paid", "declined", "held"]
    payment: str | None = None
    approved_by: str | None = None


@dataclass(frozen=True)
class Books:
    """All that one month hands on to the next, and one execution to the next."""

    customers: tuple[Customer, ...]
    first_month: date
    months: int = 12
    billed: int = 0
    revenue: Decimal = Decimal(0)
    unpaid: tuple[str, ...] = ()

    @property
    def next_month(self) -> date:
        months = self.first_month.month - 1 + self.billed
        return date(self.first_month.year + months // 12, months % 12 + 1, 1)

    def changed(self, change: Change) -> "Books":
        customers = [
            replace(customer, plan=change.plan or customer.plan)
            if customer.id == change.customer
            else customer
            for customer in self.customers
            if not (change.cancel and customer.id == change.customer)
        ]
        return replace(self, customers=tuple(customers))


# The bank.


class CardDeclinedError(Exception):
    """The bank refused the card; to ask again would not help."""


class Bank:
    """Stands for the client of a bank, which knows the key of a payment that is asked for again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def payments(self) -> dict[str, str]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return {line["key"]: line["amount"] for line in map(json.loads, lines)}

    async def charge(self, key: str, card: str, amount: Decimal) -> str:
        if card == "expired":
            raise CardDeclinedError(key)
        if key not in self.payments():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps({"key": key, "amount": str(amount)}) + "\n")
        return f"payment-{key}"


def get_bank() -> Bank:
    return Bank(Path(os.environ.get("SHOP", ".durable/shop")) / "payments.jsonl")


# The steps.


@durable_step(retry_strategy=retry_presets.linear)
def read_usage(bill: Bill) -> int:
    """Return the seats that were used. The meter is often busy on the first of a month."""
    if bill.month.endswith("-01") and StepContext.current().attempt == 1:
        raise ConnectionError("the meter is busy")
    return bill.customer.seats


# The key makes it safe to ask again: after a crash, after a timeout, and when the line is down.
@durable_step(
    timeout=Duration.from_seconds(20),
    retry_strategy=ExponentialBackoff(retryable=(ConnectionError, StepTimeoutError)),
)
async def charge(
    bill: Bill, amount: Decimal, *, bank: Annotated[Bank, Depends(get_bank)] = INJECTED
) -> str:
    return await bank.charge(bill.key, bill.customer.card, amount)


def ask_for_approval(callback_id: str, bill: Bill, amount: Decimal) -> None:
    print(f"{bill.month}: may {bill.customer.id} be charged {amount}? Answer {callback_id}")


def remind_of_approval(bill: Bill) -> None:
    print(f"{bill.month}: the invoice of {bill.customer.id} still waits for an approval")


def ask_for_another_card(bill: Bill) -> None:
    print(f"{bill.month}: {bill.customer.id} is asked for another card")


def close_month(month: str, invoices: list[Invoice]) -> Decimal:
    return sum((invoice.amount for invoice in invoices if invoice.status == "paid"), Decimal(0))


# The workflow.


async def approval(ctx: DurableContext, bill: Bill, amount: Decimal) -> str | None:
    """Return the name of the person who approves; ``None`` if no answer comes in five days. Remind after two."""
    config = CallbackConfig(timeout=Duration.from_days(5), result_type=str)
    callback = await ctx.create_callback(name="approval", config=config)
    await ctx.step(ask_for_approval, callback.callback_id, bill, amount)
    patience = ctx.wait(Duration.from_days(2), name="patience")
    try:
        await ctx.race(callback, patience)
        if callback.done():
            patience.cancel()
        else:
            await ctx.step(remind_of_approval, bill)
        return await callback
    except CallbackTimeoutError:
        return None


async def bill_customer(ctx: DurableContext, bill: Bill, index: int) -> Invoice:
    amount = PRICE_OF_A_SEAT[bill.customer.plan] * await ctx.step(read_usage, bill)
    invoice = Invoice(bill.customer.id, amount, "held")
    if amount >= LARGE:
        invoice = replace(invoice, approved_by=await approval(ctx, bill, amount))
        if invoice.approved_by is None:
            return invoice
    try:
        payment = await ctx.step(charge, bill, amount)
    except CardDeclinedError:
        await ctx.step(ask_for_another_card, bill)
        return replace(invoice, status="declined")
    return replace(invoice, status="paid", payment=payment)


async def bill_month(ctx: DurableContext, books: Books) -> Books:
    month = f"{books.next_month:%Y-%m}"
    batch = await ctx.map(
        [Bill(customer, month) for customer in books.customers],
        bill_customer,
        name=f"invoices of {month}",
        config=MapConfig(
            max_concurrency=10,
            completion=CompletionConfig.all_completed(),
            item_namer=lambda bill, _index: bill.customer.id,
            progress_every=Duration.from_minutes(1),
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


async def take_changes(
    ctx: DurableContext, inbox: Inbox[Change], books: Books, until: datetime | None = None
) -> Books:
    """Return the books with all changes that come until then, or that an inbox still has which is closed."""
    while until is None or ctx.now() < until:
        patience = None if until is None else max(until - ctx.now(), A_SECOND)
        try:
            books = books.changed(await inbox.get(timeout=patience))
        except (InboxTimeoutError, InboxClosedError):
            break
        except InboxMessageError as error:
            ctx.log_warn("a message that is no change", reason=str(error))
    return books


def is_last_month_here(ctx: DurableContext, books: Books) -> bool:
    """Tell if another execution bills the next month: after half a year, or when there is no room for it here."""
    needed = 20 + OPERATIONS_OF_AN_INVOICE * len(books.customers)
    return books.billed % HALF_A_YEAR == 0 or ctx.budget.operations.left < needed


# The limits are the defaults; that they are stated makes the budget count what is in each month from the start.
@durable_execution(limits=ExecutionLimits())
async def bill_year(books: Books, ctx: DurableContext) -> Books:
    changes = ctx.inbox("changes", Change)
    while True:
        month = books.next_month
        ctx.set_status(f"waits for {month:%Y-%m}")
        morning = datetime(month.year, month.month, month.day, 6, tzinfo=UTC)
        books = await take_changes(ctx, changes, books, until=morning)
        books = await ctx.run_in_child_context(bill_month, books, name=f"{month:%Y-%m}")
        ctx.log_info("billed", month=f"{month:%Y-%m}", revenue=str(books.revenue))
        if books.billed == books.months or is_last_month_here(ctx, books):
            break
    # No change that was accepted is lost: take those that came since the last bill.
    await changes.close()
    books = await take_changes(ctx, changes, books)
    if books.billed < books.months:
        await ctx.continue_as_new(books)
    ctx.set_status(f"billed until {month:%Y-%m}")
    return books
