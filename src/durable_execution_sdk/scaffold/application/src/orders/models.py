"""The data of an order: the event that starts it, the answers from outside, and the result."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True)
class Item:
    """A line of the order."""

    sku: str
    quantity: int
    price: Decimal


@dataclass(frozen=True)
class Order:
    """The event that starts an execution."""

    order_id: str
    items: list[Item]


@dataclass(frozen=True)
class Decision:
    """The answer to the question for approval."""

    approved: bool
    by: str


@dataclass(frozen=True)
class Shipment:
    """The event of ``ship_order``."""

    order_id: str
    parcels: list[str]


@dataclass(frozen=True)
class Receipt:
    """The result of an execution."""

    order_id: str
    status: Literal["shipped", "declined"]
    total: Decimal
    payment_id: str | None = None
    tracking_number: str | None = None
