"""The command lines that complete the callbacks of an execution."""

from __future__ import annotations

from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.rendering.callback_names import references
from durable_execution_sdk.rendering.family import Family


def answers(executions: Family, place: Place) -> list[str]:
    """Write a ``durable callback succeed`` command for each callback that waits."""
    return [
        place.command("callback", "succeed", reference, "--data", "JSON")
        for reference in references(executions)
    ]
