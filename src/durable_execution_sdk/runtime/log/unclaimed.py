"""The error that lists the recorded operations that no code asked for. Loaded when it is first raised."""

from __future__ import annotations

import re
from collections.abc import Sequence

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.protocol.limits import MAX_ID_CHARACTERS, MAX_OPERATIONS
from durable_execution_sdk.protocol.operations import Operation, label_of
from durable_execution_sdk.runtime.log import Journal
from durable_execution_sdk.runtime.log.divergence import (
    Change,
    divergence,
    label_of_record,
    nearest_before,
    task_of,
)
from durable_execution_sdk.runtime.log.ids import context_prefix, operation_id

__all__ = ["unclaimed_error"]

_SHOWN = 10
_TASK = re.compile(r"(\w+)_[0-9a-f]{8}_(\d+)-")
# Number of places of a context that are tried to find that of a hashed id.
_TRIED = MAX_OPERATIONS
_UNRECORDED = (
    "Or the code branches on something that is not recorded: a cache, a global, time, the environment, or a variable or an"
    " event that a child context, a map item or a branch has set, whose function does not run again (return the value"
    " instead)"
)


def unclaimed_error(
    missed: Sequence[Operation],
    new: Sequence[tuple[str, str, object]],
    journal: Journal,
) -> DeterminismError:
    """Return the error for these records. ``new`` are the operations that the code asked for instead.

    Each has its label, its id and the line of code, if that is known.
    """
    records = sorted(missed, key=lambda record: (record.start_timestamp or 0, record.id))
    listed = "; ".join(_description(record, journal) for record in records[:_SHOWN])
    more = f"; and {len(records) - _SHOWN} more" if len(records) > _SHOWN else ""
    asked = "; ".join(label + (f" ({line})" if line else "") for label, _, line in new)
    instead = (
        f"It asked for these, which the log does not hold: {asked}."
        if new
        else "It asked for nothing else."
    )
    change = _likely_change(records, [(label, asked_id) for label, asked_id, _ in new])
    return divergence(
        "where the code came to rest or returned",
        f"the log holds {len(records)} operation{'s' if len(records) > 1 else ''} that the code did"
        f" not ask for: {listed}{more}. {instead} Nothing new has run",
        change,
        before=nearest_before(journal, _before(records[0])),
        unrecorded=_UNRECORDED,
    )


def _likely_change(missed: Sequence[Operation], new: Sequence[tuple[str, str]]) -> Change:
    """Return the likely change if no code asked for these records; ``new`` are the labels and ids asked for instead."""
    for record in missed:
        label, recorded = label_of_record(record), task_of(record.id)
        for other, other_id in new:
            if other != label:
                continue
            asked = task_of(other_id)
            if recorded == asked:
                return Change.TASK_ADDED if recorded else Change.REORDERED
            if recorded is None:
                return Change.SEQUENCE_TO_GATHER
            return Change.GATHER_TO_SEQUENCE if asked is None else Change.FUNCTION_RENAMED
    # What the code waits for keeps it from asking for the records.
    return Change.TASK_ADDED if any(task_of(each) for _, each in new) else Change.REMOVED


def _before(record: Operation) -> list[str]:
    """Return the ids of the operations before a record in its scope."""
    if _TASK.search(record.id[:MAX_ID_CHARACTERS]):
        start, _, number = record.id.rpartition("-")
        last = int(number) if number.isdecimal() else 0
        return [f"{start}-{n}" for n in range(max(last - _SHOWN, 1), last)]
    last = int(_number(record) or 0)
    prefix = "" if record.parent_id is None else context_prefix(record.parent_id)
    return [operation_id(f"{prefix}{n}") for n in range(max(last - _SHOWN, 0), last)]


def _description(record: Operation, journal: Journal) -> str:
    label = label_of(record.type, record.sub_type, record.name)
    where = _position(record, journal)
    return f"{label} ({where})" if where else label


def _position(record: Operation, journal: Journal) -> str:
    context = "the handler's context" if record.parent_id is None else _context(record, journal)
    # An id that is too long is none of ours; only its start is searched, since the search is slow.
    tasks = [
        f"task {name} {number}" for name, number in _TASK.findall(record.id[:MAX_ID_CHARACTERS])
    ]
    number = record.id.rpartition("-")[2] if tasks else _number(record)
    within = "".join(f"{task} in " for task in reversed(tasks))
    return f"operation {number} of {within}{context}" if number else f"in {context}"


def _context(record: Operation, journal: Journal) -> str:
    around = journal.get(record.parent_id or "")
    return f"context {around.name!r}" if around and around.name else f"context {record.parent_id}"


def _number(record: Operation) -> str:
    prefix = "" if record.parent_id is None else f"{record.parent_id}-"
    for number in range(_TRIED):
        if operation_id(f"{prefix}{number}") == record.id:
            return str(number)
    return ""
