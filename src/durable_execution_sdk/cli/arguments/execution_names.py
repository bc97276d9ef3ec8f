"""The execution that a ``--name`` means: one that exists, or a new one."""

from __future__ import annotations

import re

from durable_execution_sdk.cli.payloads import same_json, short
from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.store_file import Place, names, nearest
from durable_execution_sdk.dev.execution_references import LAST
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.protocol.ids import ExecutionArn

EMPTY = "{}"
"""The input of an execution for which the user gave none."""

_NUMBER = re.compile(r"[-_]?\d+")


def existing(
    emulator: Emulator, place: Place, *, function: str, name: str, payload: str | None
) -> str | None:
    """Return the ARN of the execution with a name; ``None`` if there is none and one is to be started.

    Raises ``Refusal`` if the name belongs to an execution of another function or with another input, and
    if no input was given for a name that looks mistyped.
    """
    arn = emulator.find_name(name)
    if arn is not None:
        _check_same(emulator, place, arn, function=function, name=name, payload=payload)
    elif payload is None:
        _check_spelling(emulator, place, function, name)
    return arn


def name_of(place: Place, reference: str) -> str:
    """Return the name that a ``--name`` means: ``@last`` and an ARN stand for those of executions that exist."""
    if reference != LAST and not reference.startswith("arn:"):
        return reference
    with place.existing() as emulator:
        return ExecutionArn.parse(place.arn(emulator, reference)).execution_name


def recorded_input(emulator: Emulator, arn: str) -> str:
    """Return the input of an execution."""
    return emulator.describe(arn).input_payload or EMPTY


def _check_same(
    emulator: Emulator, place: Place, arn: str, *, function: str, name: str, payload: str | None
) -> None:
    """Refuse a name in use by another function or input, as the service does."""
    owner = ExecutionArn.parse(arn).function_name
    if owner != function:
        raise Refusal(
            f"the name {name!r} belongs to an execution of {owner} in {place.path}, not of"
            f" {function}; choose another --name"
        )
    recorded = recorded_input(emulator, arn)
    if payload is not None and not same_json(recorded, payload):
        raise Refusal(
            f"the name {name!r} belongs to an execution that was started with another input,"
            f" {short(recorded)}. Choose another --name, or leave --input out to go on with that one"
        )


def _check_spelling(emulator: Emulator, place: Place, function: str, name: str) -> None:
    """Refuse a new name that is nearly one of those in the store.

    Names that differ in numbers alone, such as order-1 and order-2, are a series and not mistyped.
    """
    series = _NUMBER.sub("", name)
    known = [each for each in names(emulator, function) if _NUMBER.sub("", each) != series]
    close = nearest(name, known)
    if close:
        raise Refusal(
            f"there is no execution {name!r} of {function} in {place.path}; did you mean"
            f" {' or '.join(map(repr, close))}? To start a new one, give it an input, --input"
            f" '{EMPTY}' if it takes none"
        )
