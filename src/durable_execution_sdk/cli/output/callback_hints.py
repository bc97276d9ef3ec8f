"""The command lines that answer the callbacks of an execution, and send messages to its inboxes."""

from __future__ import annotations

from durable_execution_sdk.cli.store_file import ExecutionPlace
from durable_execution_sdk.protocol.inboxes import inbox_of
from durable_execution_sdk.rendering.callback_names import references
from durable_execution_sdk.rendering.family import Family, Waiter


def answers(executions: Family, place: ExecutionPlace) -> list[str]:
    """Write a ``durable callback succeed`` command for each callback that waits, and a ``durable send`` for each inbox."""
    arn = executions.execution.arn
    commands = [
        place.command("callback", "succeed", place.reference(arn, reference), "--data", "JSON")
        for reference in references(executions)
    ]
    inboxes = (_inbox(waiter) for waiter in executions.waiters())
    name = place.reference(arn, executions.name)
    return commands + [place.command("send", name, inbox, "JSON") for inbox in inboxes if inbox]


def _inbox(waiter: Waiter) -> str | None:
    operation = waiter.progress.operation
    return inbox_of(operation.id, operation.name)
