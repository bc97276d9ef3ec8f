"""Contexts of a fork whose payload is either their result or a summary of one that was too large to be stored.

A history does not tell the two apart, and a summary must never be read as a result. So these contexts come into the
log as if their results had to be computed again (``replay_children``), with all that is in them. When the code asks for
one, it knows its own summaries: if the payload is none of them, it is the result, and the function does not run. If it
may be one, the function runs over its recorded operations. A result that is small enough to be stored has been stored,
so the payload is the result then. Loaded by the first such context.
"""

from __future__ import annotations

from msgspec.structs import replace

from durable_execution_sdk.protocol.limits import MAX_STORED_RESULT_BYTES
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.protocol.updates import text_bytes
from durable_execution_sdk.runtime.log import Journal

__all__ = ["chosen_payload", "without_doubt"]


def without_doubt(journal: Journal, record: Operation) -> Operation:
    """Return the record of a context whose payload is its result; drop what is in it from the log."""
    journal.in_doubt.discard(record.id)
    _drop_inside(journal, {record.id})
    assert record.context_details is not None
    stored = replace(record.context_details, replay_children=None)
    return replace(record, context_details=stored)


def chosen_payload(record: Operation, built: str) -> str:
    """Return the result of a context: the recorded payload, or what its function has built again if that is too large."""
    recorded = record.context_details.result if record.context_details else None
    if recorded is None or text_bytes(built) > MAX_STORED_RESULT_BYTES:
        return built
    return recorded


def _drop_inside(journal: Journal, contexts: set[str]) -> None:
    """Drop the operations in these contexts, at any depth."""
    while contexts:
        inside = {record.id for record in journal.known() if record.parent_id in contexts}
        for operation_id in inside:
            journal.unclaimed.discard(operation_id)
            journal.thread_ends.pop(operation_id, None)
            journal.release(operation_id)
        contexts = inside
