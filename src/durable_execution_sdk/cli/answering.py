"""How to answer what an execution waits for, from the command line."""

from __future__ import annotations

from durable_execution_sdk.cli.place import Place
from durable_execution_sdk.showing.family import Family
from durable_execution_sdk.showing.words import callback_id_of


def answers(found: Family, place: Place) -> list[str]:
    """The command lines that answer what waits for an answer."""
    ids = (callback_id_of(waiter.progress) for waiter in found.waiters())
    return [
        place.command("callback", "succeed", callback_id, "--data", "JSON")
        for callback_id in ids
        if callback_id is not None
    ]
