"""Ask three functions at the same time, and take the best of their answers.

An operation begins when it is called, so the three run side by side, and ``ctx.all`` waits for all of them. It
raises the first failure; with ``ctx.all_settled`` two offers would do.

Run it with::

    durable run examples/invoke/hotel_offers/app.py --input '"Turin"' \
        --function north=examples/invoke/hotel_offers/app.py:north \
        --function south=examples/invoke/hotel_offers/app.py:south \
        --function west=examples/invoke/hotel_offers/app.py:west
"""

from dataclasses import dataclass
from typing import Any

from durable_execution_sdk import DurableContext, InvokeConfig, durable_execution


@dataclass(frozen=True)
class Offer:
    hotel: str
    cents: int


OFFER = InvokeConfig(result_type=Offer)
PORTALS = ["north", "south", "west"]


def north(city: str, context: object) -> dict[str, Any]:
    return {"hotel": f"Grand Hotel {city}", "cents": 14000}


def south(city: str, context: object) -> dict[str, Any]:
    return {"hotel": f"Inn of {city}", "cents": 9000}


def west(city: str, context: object) -> dict[str, Any]:
    return {"hotel": f"{city} Central", "cents": 11000}


@durable_execution
async def find_hotel(city: str, ctx: DurableContext) -> Offer:
    asked = [ctx.invoke(portal, city, name=portal, config=OFFER) for portal in PORTALS]
    offers = await ctx.all(*asked, name="all offers")
    return min(offers, key=lambda offer: offer.cents)
