"""External systems of the shop: a bank, a warehouse and a carrier, simulated by files.

The files are in the directory named by the environment variable SHOP, ``.durable/shop`` by default.
The bank does not recognize repeated requests: two calls of ``charge`` are two payments.
"""

import json
import os
import uuid
from decimal import Decimal
from pathlib import Path


class CardDeclinedError(Exception):
    """The bank did not accept the card."""


def charge(card: str, order_id: str, amount: Decimal) -> str:
    if card.startswith("declined"):
        raise CardDeclinedError(f"the bank declined the card for order {order_id}")
    payment_id = f"pay-{uuid.uuid4().hex[:8]}"
    _append("payments", {"order_id": order_id, "id": payment_id, "amount": str(amount)})
    return payment_id


def find_payment(order_id: str) -> str | None:
    return next((row["id"] for row in rows("payments") if row["order_id"] == order_id), None)


def reserve(sku: str, quantity: int) -> str:
    return f"{quantity} x {sku}"


def ask_warehouse(order_id: str, callback_id: str) -> None:
    _append("pickups", {"order_id": order_id, "callback_id": callback_id})


def book_carrier(order_id: str, parcels: int) -> str:
    return f"track-{order_id}-{parcels}"


def rows(table: str) -> list[dict[str, str]]:
    path = _path(table)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _append(table: str, row: dict[str, str]) -> None:
    path = _path(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def _path(table: str) -> Path:
    return Path(os.environ.get("SHOP", ".durable/shop")) / f"{table}.jsonl"
