"""Short names for callbacks: ``NAME/OPERATION`` in place of an id of 300 letters."""

from __future__ import annotations

from collections import Counter

from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.tokens import parse_callback_id
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.operations import OperationSubType
from durable_execution_sdk.rendering.family import Family, Waiter, family
from durable_execution_sdk.rendering.wording import callback_id_of


def references(executions: Family) -> dict[str, str]:
    """Map the shortest unambiguous name of each callback that waits to its id."""
    waiting = [
        (_names(executions, waiter), callback_id)
        for waiter in executions.waiters()
        if (callback_id := callback_id_of(waiter.progress)) is not None
    ]
    uses = Counter(name for names, _ in waiting for name in set(names))
    id_by_name: dict[str, str] = {}
    for names, callback_id in waiting:
        shortest = next((name for name in names if uses[name] == 1), callback_id)
        id_by_name[shortest] = callback_id
    return id_by_name


def callback_id(place: Place, emulator: Emulator, reference: str) -> str:
    """Return the id of the callback that a reference names.

    A reference is ``NAME/OPERATION``, ``NAME`` if the execution has one callback that waits, or an id.
    Raises ``Refusal`` if no callback or several have that name.
    """
    try:
        parse_callback_id(reference)
    except ServiceError:
        pass
    else:
        return reference
    owner = _owner(place, emulator, reference)
    if owner is None:
        return reference
    arn, operation = owner
    executions = family(emulator, arn)
    ids = [
        callback_id
        for waiter in executions.waiters()
        if (callback_id := callback_id_of(waiter.progress)) is not None
        and (operation is None or f"{executions.name}/{operation}" in _names(executions, waiter))
    ]
    if len(ids) == 1:
        return ids[0]
    names = ", ".join(references(executions)) or "none"
    problem = "no callback waits for an answer as" if not ids else f"{len(ids)} callbacks wait as"
    raise Refusal(f"{problem} {reference!r}; those of {executions.name} that wait: {names}")


def _owner(place: Place, emulator: Emulator, reference: str) -> tuple[str, str | None] | None:
    """Split a reference into the ARN of its execution and the operation after it."""
    if emulator.store.find(reference) is not None:
        return reference, None
    for slash in (at for at, letter in enumerate(reference) if letter == "/"):
        if emulator.store.find(reference[:slash]) is not None:
            return reference[:slash], reference[slash + 1 :]
    name, has_operation, operation = reference.partition("/")
    if has_operation:
        return place.arn(emulator, name), operation
    arn = emulator.find_name(name)
    return None if arn is None else (arn, None)


def _names(executions: Family, waiter: Waiter) -> list[str]:
    """List the names that a callback answers to, the shortest first."""
    path = waiter.path
    if _is_inside(waiter):
        # The user named the wait_for_callback, not the callback inside it.
        path = path[:-1]
    tails = [path[start:] for start in range(len(path) - 1, -1, -1)]
    return ["/".join((executions.name, *tail)) for tail in (*tails, waiter.path)]


def _is_inside(waiter: Waiter) -> bool:
    parent = waiter.progress.operation.parent_id
    return any(
        progress.operation.id == parent
        and progress.operation.sub_type == OperationSubType.WAIT_FOR_CALLBACK
        for progress in waiter.execution.operations
    )
