"""Ask for price, tax and shipping at once, and go on with all three answers.

A step runs as soon as it is called, so three calls are three requests side by side. ``ctx.all`` waits for them and returns
a tuple with the type of each; the first failure fails it. ``asyncio.gather`` works as well.

Run it with::

    durable run examples/combinators/checkout_totals/app.py --input '{"country": "NO", "weight": 3, "net": 200}'
"""

from dataclasses import dataclass

from durable_execution_sdk import DurableContext, durable_execution


@dataclass(frozen=True)
class Basket:
    country: str
    weight: int
    net: int


@dataclass(frozen=True)
class Total:
    gross: int
    delivered_by: str


async def tax_rate(country: str) -> float:
    return {"NO": 0.25}.get(country, 0.2)


async def shipping_price(weight: int) -> int:
    return 10 * weight


async def choose_carrier(country: str) -> str:
    return f"post of {country}"


@durable_execution
async def total(basket: Basket, ctx: DurableContext) -> Total:
    rate, shipping, carrier = await ctx.all(
        ctx.step(tax_rate, basket.country),
        ctx.step(shipping_price, basket.weight),
        ctx.step(choose_carrier, basket.country),
        name="answers",
    )
    return Total(round(basket.net * (1 + rate)) + shipping, carrier)
