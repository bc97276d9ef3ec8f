"""The systems around the workflow. These stand in for them: put calls of your own in their places.

A step runs at least once: after a crash in the middle of it, it runs again. So each call has a key
that is the same every time, by which the other side knows that it has done this already.
"""

from decimal import Decimal

payments: dict[str, Decimal] = {}
"""The bank's book: amounts by key."""


def reserve(order_id: str, sku: str, quantity: int) -> str:
    """Put goods aside for an order, and return the reservation."""
    return f"{order_id}: {quantity} x {sku}"


def charge(order_id: str, amount: Decimal) -> str:
    """Take the money for an order once, and return the payment."""
    payments[order_id] = amount
    return f"payment-{order_id}"


def book_carrier(order_id: str, parcels: int) -> str:
    """Let the parcels of an order be picked up, and return the tracking number."""
    return f"track-{order_id}-{parcels}"
