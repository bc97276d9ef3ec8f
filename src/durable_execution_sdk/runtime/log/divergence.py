"""The error for code that does not fit the log: one builder for all of them. Loaded when it is first raised.

Each says the position, the record and the code that was asked for, the lines of code that are known, the three nearest
operations before, the likely kind of change and the ways out. The log holds no lines: those in the
message are of the code of today.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.protocol.limits import MAX_ID_CHARACTERS
from durable_execution_sdk.protocol.operations import Operation, label_of
from durable_execution_sdk.runtime.log import Journal
from durable_execution_sdk.version import PAGES

__all__ = [
    "WAYS_OUT",
    "Change",
    "divergence",
    "label_of_record",
    "nearest_before",
    "seen_last",
    "task_of",
]

_NEAREST = 3
# A task in an id: the digest of its coroutine function, and its number.
_TASK = re.compile(r"_([0-9a-f]{8})_\d+-")

WAYS_OUT = (
    "Ways out: put the old code back beside the new (if ctx.patched(...): new, else: old), for executions that are past"
    " this place; put the old code back for good, or keep this execution's function version until it has ended; or"
    f" fork the execution before the change (durable fork). See {PAGES}/changing-code.md"
)

_UNRECORDED = (
    "Or the code has not changed, and branches on something that is not recorded: time, random numbers, the environment,"
    " a global, the order of a set. Do that inside a step, or use ctx.now(), ctx.random(), ctx.uuid4()"
)


class Change(StrEnum):
    """The likely kinds of change of the code, each with its sentence."""

    INSERTED = "an operation was inserted before one that is recorded"
    REMOVED = "an operation was removed"
    RENAMED = "an operation was renamed"
    REORDERED = "operations have changed places"
    REPLACED = "an operation was removed, or replaced by one of another kind"
    SHIFTED = "an operation or an item was added or removed before it, or renamed"
    GATHER_TO_SEQUENCE = "tasks, as of a gather, became a sequence"
    SEQUENCE_TO_GATHER = "a sequence became tasks, as of a gather"
    TASK_ADDED = "a task was added, or tasks of one coroutine function have changed places"
    FUNCTION_RENAMED = "a coroutine function that tasks are made of was renamed or moved"
    CONTENT = "the code of a context, an operand, a rule or a call in a thread has changed"


def divergence(
    at: str,
    fact: str,
    change: Change,
    *,
    lines: Sequence[str] = (),
    before: Sequence[str] = (),
    unrecorded: str = _UNRECORDED,
) -> DeterminismError:
    """Make the error. ``at`` is the position, ``fact`` the record against the code, ``lines`` those of the code."""
    after = f" It comes after {', '.join(before)}." if before else ""
    where = "".join(f" {line}." for line in lines)
    return DeterminismError(
        f"{at}: {fact}.{where}{after} Likely {change}. {unrecorded}. {WAYS_OUT}"
    )


def nearest_before(journal: Journal, ids: Iterable[str]) -> list[str]:
    """Return the names of the last of these operations that the log held, in their order, as far as there are three.

    Without any, those of the operations that the code has seen end last.
    """
    names = [name for name in map(journal.name_of, ids) if name is not None][-_NEAREST:]
    return [_shown(name) for name in names] or seen_last(journal)


def seen_last(journal: Journal) -> list[str]:
    """Return the names of the operations that the code has seen end last."""
    return [_shown(name) for name in journal.released_last(_NEAREST)]


def label_of_record(record: Operation) -> str:
    """Return the label of a record."""
    return label_of(record.type, record.sub_type, record.name)


def task_of(operation_id: str) -> str | None:
    """Return the digest of the coroutine function whose task has this operation; ``None`` in a context's own task."""
    found: list[str] = _TASK.findall(operation_id[:MAX_ID_CHARACTERS])
    return found[-1] if found else None


def _shown(name: str | tuple[str, str | None]) -> str:
    return repr(name) if isinstance(name, str) else label_of(*name, None)
