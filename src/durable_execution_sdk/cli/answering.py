"""How to answer what an execution waits for, from the command line."""

from __future__ import annotations

from durable_execution_sdk.cli.place import Place
from durable_execution_sdk.cli.references import references
from durable_execution_sdk.showing.family import Family


def answers(found: Family, place: Place) -> list[str]:
    """The command lines that answer what waits for an answer."""
    return [
        place.command("callback", "succeed", reference, "--data", "JSON")
        for reference in references(found)
    ]
