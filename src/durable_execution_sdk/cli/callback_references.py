"""Find a callback by the name that a user gives."""

from __future__ import annotations

from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import ExecutionPlace, Place
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.tokens import parse_callback_id
from durable_execution_sdk.engine.views.progress import is_for_message
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.operations import OperationStatus, OperationType
from durable_execution_sdk.rendering.callback_names import names_of, references
from durable_execution_sdk.rendering.family import Entry, Family, family
from durable_execution_sdk.rendering.times import at
from durable_execution_sdk.rendering.wording import brief, callback_id_of, error_of


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
    return callback_in(family(emulator, arn), operation, reference, place)


def callback_in(
    executions: Family, operation: str | None, reference: str, place: ExecutionPlace
) -> str:
    """Return the id of the callback of an execution that is named ``operation``, or of the only one that waits.

    ``reference`` is the text that the user wrote. Raises ``Refusal`` if no callback or several are meant.
    """
    arn = executions.execution.arn
    callbacks = [
        entry
        for entry in executions.entries()
        if entry.progress.operation.type == OperationType.CALLBACK
        and not is_for_message(entry.progress.operation)
    ]
    named = [
        entry
        for entry in callbacks
        if operation is None or f"{executions.name}/{operation}" in names_of(executions, entry)
    ]
    ids = [
        callback_id
        for entry in named
        if (callback_id := callback_id_of(entry.progress)) is not None
    ]
    if len(ids) == 1:
        return ids[0]
    names = ", ".join(place.reference(arn, each) for each in references(executions)) or "none"
    if ids:
        problem = f"{len(ids)} callbacks wait as {reference!r}"
    elif named and operation is None:
        problem = f"no callback of {reference!r} waits for an answer"
    elif named:
        problem = f"the callback {reference!r} {_end(named[-1])}"
    else:
        made = dict.fromkeys(names_of(executions, entry)[0] for entry in callbacks)
        others = ", ".join(place.reference(arn, each) for each in made)
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
