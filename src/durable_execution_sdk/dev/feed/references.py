"""Executions as the routes name them."""

from __future__ import annotations

from durable_execution_sdk.dev.execution_references import executions_named
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.stores.store import ExecutionRecord
from durable_execution_sdk.engine.rejections import invalid, not_found
from durable_execution_sdk.server.request import Incoming

__all__ = ["arn_of", "record_of"]


def record_of(emulator: Emulator, incoming: Incoming) -> ExecutionRecord:
    """Return the record of the execution in the path; raise ``ServiceError`` if there is none."""
    reference = incoming.path["Execution"]
    records = executions_named(emulator, reference, most=2)
    if not records:
        if emulator.store.was_deleted(reference):
            raise not_found(f"The execution {reference!r} was deleted.")
        raise not_found(f"There is no execution {reference!r}.")
    if len(records) > 1:
        raise invalid(
            f"Several executions have an id that begins with {reference!r}; give more of it, or a name."
        )
    return records[0]


def arn_of(emulator: Emulator, incoming: Incoming) -> str:
    """Return the ARN of the execution in the path; raise ``ServiceError`` if there is none."""
    return record_of(emulator, incoming).arn
