"""Contexts of a fork whose payload is either their result or a summary of one that was too large to be stored.

A history does not tell the two apart, and a summary must never be read as a result. So these contexts come into the
log as if their results had to be computed again (``replay_children``), with all that is in them. When the code asks for
one, it knows its own summaries: if the payload is none of them, it is the result, and the function does not run. If it
may be one, the function runs over its recorded operations. A result that is small enough to be stored has been stored,
so the payload is the result then (``Journal.result_of``). Loaded by forks only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from durable_execution_sdk.protocol.operations import Operation

__all__ = ["settled"]


if TYPE_CHECKING:

    class Journal(Protocol):
        """The records of the fork."""

        in_doubt: set[str]
        unclaimed: set[str]
        thread_ends: dict[str, Operation]

        def known(self) -> Iterable[Operation]:
            """Return the records."""
            ...

        def release(self, operation_id: str) -> None:
            """Drop a record."""
            ...


def settled(
    journal: Journal, record: Operation, may_be_summary: Callable[[str], bool]
) -> Operation:
    """Return the record of a context, without doubt if its payload cannot be a summary.

    Then its function does not run, and the log need not hold what is in it.
    """
    details = record.context_details
    if record.id not in journal.in_doubt or details is None or not details.result:
        return record
    if may_be_summary(details.result):
        return record
    journal.in_doubt.discard(record.id)
    _drop_inside(journal, {record.id})
    return replace(record, context_details=replace(details, replay_children=None))


def _drop_inside(journal: Journal, contexts: set[str]) -> None:
    """Drop the operations in these contexts, at any depth."""
    while contexts:
        inside = {record.id for record in journal.known() if record.parent_id in contexts}
        for operation_id in inside:
            journal.unclaimed.discard(operation_id)
            journal.thread_ends.pop(operation_id, None)
            journal.release(operation_id)
        contexts = inside
