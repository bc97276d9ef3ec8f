"""Short names for callbacks: ``NAME/OPERATION`` in place of an id of 300 letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec.structs import replace

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.stores.store import Search
from durable_execution_sdk.engine.views.progress import Awaited
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.limits import MAX_PAGE_ITEMS
from durable_execution_sdk.protocol.operations import OperationSubType
from durable_execution_sdk.rendering.family import Entry, Family, Waiter, family
from durable_execution_sdk.rendering.wording import callback_id_of

__all__ = ["all_references", "names_of", "path_of", "references"]

_OPEN = (ExecutionStatus.RUNNING, ExecutionStatus.PAUSING, ExecutionStatus.PAUSED)


def references(executions: Family) -> dict[str, Waiter]:
    """Map the shortest unambiguous name of each callback that waits to its operation."""
    waiting = [
        (names_of(executions, waiter), callback_id, waiter)
        for waiter in executions.waiters()
        if (callback_id := callback_id_of(waiter.progress)) is not None
        and waiter.waiting.awaited is Awaited.ANSWER
    ]
    uses = Counter(name for names, _, _ in waiting for name in set(names))
    waiter_by_name: dict[str, Waiter] = {}
    for names, callback_id, waiter in waiting:
        shortest = next((name for name in names if uses[name] == 1), callback_id)
        waiter_by_name[shortest] = waiter
    return waiter_by_name


def all_references(emulator: Emulator) -> dict[str, Waiter]:
    """Map the name of each callback that waits, in any execution of the store, to its operation."""
    waiter_by_name: dict[str, Waiter] = {}
    for arn in _open_arns(emulator):
        executions = family(emulator, arn)
        if executions.execution.ended_at is None and not _is_invoked(emulator, arn):
            waiter_by_name.update(references(executions))
    return waiter_by_name


def _open_arns(emulator: Emulator) -> Iterator[str]:
    search = Search(statuses=_OPEN, limit=MAX_PAGE_ITEMS)
    while records := emulator.store.search(search):
        yield from (record.arn for record in records)
        search = replace(search, after=(records[-1].started_at, records[-1].number))


def _is_invoked(emulator: Emulator, arn: str) -> bool:
    """Tell whether another execution invoked this one, and so names its callbacks."""
    with emulator.coordinator.holding():
        parent = emulator.coordinator.recorded(arn).parent
        return parent is not None and emulator.store.find(parent.arn) is not None


def names_of(executions: Family, entry: Entry) -> list[str]:
    """List the names that a callback answers to, the shortest first."""
    path = path_of(entry)
    tails = [path[start:] for start in range(len(path) - 1, -1, -1)]
    return ["/".join((executions.name, *tail)) for tail in (*tails, entry.path)]


def path_of(entry: Entry) -> tuple[str, ...]:
    """Return the path that a user knows: that of the wait_for_callback, not of the callback inside it."""
    return entry.path[:-1] if _is_inside(entry) else entry.path


def _is_inside(entry: Entry) -> bool:
    parent = entry.progress.operation.parent_id
    return any(
        progress.operation.id == parent
        and progress.operation.sub_type == OperationSubType.WAIT_FOR_CALLBACK
        for progress in entry.execution.operations
    )
