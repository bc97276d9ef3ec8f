"""Short names for callbacks: ``NAME/OPERATION`` in place of an id of 300 letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec.structs import replace

from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.stores.store import Search
from durable_execution_sdk.engine.tokens import parse_callback_id
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.limits import MAX_PAGE_ITEMS
from durable_execution_sdk.protocol.operations import (
    OperationStatus,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.rendering.family import Entry, Family, Waiter, family
from durable_execution_sdk.rendering.times import at
from durable_execution_sdk.rendering.wording import brief, callback_id_of, error_of

_OPEN = (ExecutionStatus.RUNNING, ExecutionStatus.PAUSING, ExecutionStatus.PAUSED)


def references(executions: Family) -> dict[str, Waiter]:
    """Map the shortest unambiguous name of each callback that waits to its operation."""
    waiting = [
        (_names(executions, waiter), callback_id, waiter)
        for waiter in executions.waiters()
        if (callback_id := callback_id_of(waiter.progress)) is not None
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


def callback_id(place: Place, emulator: Emulator, reference: str) -> str:
    """Return the id of the callback that a reference names.

    A reference is ``NAME/OPERATION``, ``NAME`` if the execution has one callback that waits, or an id.
    Raises ``Refusal`` if no callback or several have that name.
    """
    if _is_id(place, emulator, reference):
        return reference
    owner = _owner(place, emulator, reference)
    if owner is None:
        raise Refusal(
            f"there is no callback with the id {reference!r}, and no execution of that name in"
            f" {place.path}; write NAME/OPERATION, `{place.command('list')}` shows the names"
        )
    arn, operation = owner
    executions = family(emulator, arn)
    callbacks = [
        entry
        for entry in executions.entries()
        if entry.progress.operation.type == OperationType.CALLBACK
    ]
    named = [
        entry
        for entry in callbacks
        if operation is None or f"{executions.name}/{operation}" in _names(executions, entry)
    ]
    ids = [
        callback_id
        for entry in named
        if (callback_id := callback_id_of(entry.progress)) is not None
    ]
    if len(ids) == 1:
        return ids[0]
    names = ", ".join(references(executions)) or "none"
    if ids:
        problem = f"{len(ids)} callbacks wait as {reference!r}"
    elif named and operation is None:
        problem = f"no callback of {reference!r} waits for an answer"
    elif named:
        problem = f"the callback {reference!r} {_end(named[-1])}"
    else:
        others = ", ".join(dict.fromkeys(_names(executions, entry)[0] for entry in callbacks))
        problem = (
            f"there is no callback {reference!r}; {executions.name}, which is"
            f" {executions.execution.status}, has made these: {others or 'none'}"
        )
    raise Refusal(f"{problem}; those of {executions.name} that wait: {names}")


def _is_id(place: Place, emulator: Emulator, reference: str) -> bool:
    """Tell whether a reference is an id; raise ``Refusal`` for the id of an execution that is not here."""
    try:
        arn, _ = parse_callback_id(reference)
    except ServiceError:
        return False
    if emulator.store.find(arn) is None:
        raise Refusal(
            f"this callback belongs to {arn}, which is not in {place.path}: it was deleted, or is in"
            " another store (--store PATH)"
        )
    return True


def _end(entry: Entry) -> str:
    """Say why a callback waits no more."""
    operation = entry.progress.operation
    error = error_of(operation)
    reason = "" if error is None else f" ({brief(error)})"
    moment = "" if operation.end_timestamp is None else f" at {at(operation.end_timestamp)}"
    match operation.status:
        case OperationStatus.SUCCEEDED:
            return f"was answered{moment}, with a result; it takes one answer"
        case OperationStatus.FAILED:
            return f"was answered{moment}, with a failure{reason}; it takes one answer"
        case OperationStatus.STARTED:
            status = entry.execution.status
            return f"was never answered, and can no longer be: its execution is {status}"
        case _:
            return f"was never answered: it is {operation.status}{moment}{reason}"


def _owner(place: Place, emulator: Emulator, reference: str) -> tuple[str, str | None] | None:
    """Split a reference into the ARN of its execution and the operation after it."""
    if emulator.store.find(reference) is not None:
        return reference, None
    for slash in (index for index, letter in enumerate(reference) if letter == "/"):
        if emulator.store.find(reference[:slash]) is not None:
            return reference[:slash], reference[slash + 1 :]
    name, has_operation, operation = reference.partition("/")
    if has_operation:
        return place.arn(emulator, name), operation
    arn = place.find(emulator, name)
    return None if arn is None else (arn, None)


def _names(executions: Family, entry: Entry) -> list[str]:
    """List the names that a callback answers to, the shortest first."""
    path = entry.path
    if _is_inside(entry):
        # The user named the wait_for_callback, not the callback inside it.
        path = path[:-1]
    tails = [path[start:] for start in range(len(path) - 1, -1, -1)]
    return ["/".join((executions.name, *tail)) for tail in (*tails, entry.path)]


def _is_inside(entry: Entry) -> bool:
    parent = entry.progress.operation.parent_id
    return any(
        progress.operation.id == parent
        and progress.operation.sub_type == OperationSubType.WAIT_FOR_CALLBACK
        for progress in entry.execution.operations
    )
