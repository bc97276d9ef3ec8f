"""The error that lists the recorded operations that no code asked for. Loaded when it is first raised."""

from __future__ import annotations

import re
from collections.abc import Sequence

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.protocol.limits import MAX_ID_CHARACTERS, MAX_OPERATIONS
from durable_execution_sdk.protocol.operations import Operation, label_of
from durable_execution_sdk.runtime.log import Journal
from durable_execution_sdk.runtime.log.ids import operation_id

__all__ = ["unclaimed_error"]

_SHOWN = 10
_TASK = re.compile(r"(\w+)_[0-9a-f]{8}_(\d+)-")
# Number of places of a context that are tried to find that of a hashed id.
_TRIED = MAX_OPERATIONS


def unclaimed_error(
    missed: Sequence[Operation], new: Sequence[str], journal: Journal
) -> DeterminismError:
    """Return the error for these records. ``new`` names the operations that the code asked for instead."""
    records = sorted(missed, key=lambda record: (record.start_timestamp or 0, record.id))
    listed = "; ".join(_description(record, journal) for record in records[:_SHOWN])
    more = f"; and {len(records) - _SHOWN} more" if len(records) > _SHOWN else ""
    instead = (
        f"It asked for these, which the log does not hold: {'; '.join(new)}."
        if new
        else "It asked for nothing else."
    )
    return DeterminismError(
        f"the log holds {len(records)} operation{'s' if len(records) > 1 else ''} that the code did"
        f" not ask for: {listed}{more}. {instead} Nothing new has"
        " run. The workflow's code has changed since this execution began (an operation or a task"
        " was removed, renamed or moved, or a gather became a sequence), or it branches on"
        " something that is not recorded: a cache, a global, time, the environment, or a variable"
        " or an event that a child context, a map item or a branch has set, whose function does not"
        " run again (return the value instead). Put the old code back, or keep this execution's function version until it has ended"
    )


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
