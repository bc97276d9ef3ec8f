"""Callbacks by names that people can type: ``NAME/OPERATION`` in place of an id of 300 letters."""

from __future__ import annotations

from collections import Counter

from durable_execution_sdk.cli.place import Place
from durable_execution_sdk.cli.refusal import Refusal
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.tokens import parse_callback_id
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.model.operation import OperationSubType
from durable_execution_sdk.showing.family import Family, Waiter, family
from durable_execution_sdk.showing.words import callback_id_of


def references(found: Family) -> dict[str, str]:
    """What each callback that waits is called, the shortest name that is its alone, and its id."""
    waiting = [
        (_names(found, waiter), callback_id)
        for waiter in found.waiters()
        if (callback_id := callback_id_of(waiter.progress)) is not None
    ]
    used = Counter(name for names, _ in waiting for name in set(names))
    named: dict[str, str] = {}
    for names, callback_id in waiting:
        own = next((name for name in names if used[name] == 1), callback_id)
        named[own] = callback_id
    return named


def callback_id(place: Place, emulator: Emulator, reference: str) -> str:
    """The id that ``NAME/OPERATION`` stands for, or ``NAME`` if one callback waits; an id is itself."""
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
    found = family(emulator, arn)
    ids = [
        callback_id
        for waiter in found.waiters()
        if (callback_id := callback_id_of(waiter.progress)) is not None
        and (operation is None or f"{found.name}/{operation}" in _names(found, waiter))
    ]
    if len(ids) == 1:
        return ids[0]
    known = ", ".join(references(found)) or "none"
    problem = "no callback waits for an answer as" if not ids else f"{len(ids)} callbacks wait as"
    raise Refusal(f"{problem} {reference!r}; those of {found.name} that wait: {known}")


def _owner(place: Place, emulator: Emulator, reference: str) -> tuple[str, str | None] | None:
    """The ARN of the execution that a reference begins with, by name or ARN, and the operation after it."""
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


def _names(found: Family, waiter: Waiter) -> list[str]:
    """What a callback may be called, the shortest first."""
    path = waiter.path
    if _is_inside(waiter):
        # A wait_for_callback gives its callback a name that nobody chose.
        path = path[:-1]
    tails = [path[start:] for start in range(len(path) - 1, -1, -1)]
    return ["/".join((found.name, *tail)) for tail in (*tails, waiter.path)]


def _is_inside(waiter: Waiter) -> bool:
    parent = waiter.progress.operation.parent_id
    return any(
        each.operation.id == parent
        and each.operation.sub_type == OperationSubType.WAIT_FOR_CALLBACK
        for each in waiter.execution.operations
    )
