"""Keep types across replays: money, dates, enums and nested classes come back as they were.

The log holds plain JSON. It is read by the return annotation of the step, on the first run too, so the code after
a wait of a month sees just what the code before it saw. A value that would not come back equal is refused.

Run it with::

    durable run examples/values/invoice_types/app.py --skip-time --input '"Ada"'
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum

from durable_execution_sdk import DurableContext, durable_execution


class Plan(Enum):
    BASIC = "basic"
    PRO = "pro"


@dataclass(frozen=True)
class Line:
    text: str
    price: Decimal


@dataclass(frozen=True)
class Invoice:
    number: int
    due: date
    plan: Plan
    lines: list[Line]


def make_invoice(customer: str) -> Invoice:
    lines = [Line("pro, a month", Decimal("19.90")), Line("a seat", Decimal("5.05"))]
    return Invoice(7, date(2030, 2, 28), Plan.PRO, lines)


@durable_execution
async def collect(customer: str, ctx: DurableContext) -> str:
    invoice = await ctx.step(make_invoice, customer)
    await ctx.wait(timedelta(days=30), name="time to pay")
    total = sum((line.price for line in invoice.lines), Decimal(0))
    name = "premium" if invoice.plan is Plan.PRO else "standard"
    return f"{customer}, {name}: {total} since {invoice.due:%d %B %Y}"
