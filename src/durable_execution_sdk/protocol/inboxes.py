"""Names, ids and payloads of an inbox's callbacks, for the workflow that reads and the client that sends.

Message n of the inbox ``orders`` is the answer to the callback ``inbox:orders:n``, n from 1. Its id and that of the
operation that closes the inbox follow from the name and n alone. So they take no number from a scope, and another
size of the window shifts no id.
"""

from __future__ import annotations

import re
from hashlib import blake2b

import msgspec

from durable_execution_sdk.protocol.limits import MAX_NAME_CHARACTERS, MAX_OPERATIONS

__all__ = [
    "CLOSED",
    "MAX_INBOX_NAME_CHARACTERS",
    "Envelope",
    "Place",
    "inbox_of",
    "message_name",
    "message_payload",
    "place_of",
    "row_text",
]

_PREFIX = "inbox:"
CLOSED = "closed"
"""The end of the name of the operation that closes an inbox."""

# Room for the prefix, a colon, and a number or the word for a closed inbox.
MAX_INBOX_NAME_CHARACTERS = (
    MAX_NAME_CHARACTERS - len(_PREFIX) - 1 - max(len(CLOSED), len(str(MAX_OPERATIONS)))
)
_LONGEST_SHOWN = 20
_NO_WORD = r"[^A-Za-z0-9]+"


class Envelope(msgspec.Struct, frozen=True):
    """The payload of a message: its id, by which a repeated one is recognized, and its value as JSON."""

    id: str
    value: msgspec.Raw


class Place(msgspec.Struct, frozen=True):
    """The inbox that an operation belongs to, and the number of its message; ``None`` if it closes the inbox."""

    inbox: str
    number: int | None


def row_text(inbox: str) -> str:
    """Return the start of the ids of an inbox's operations."""
    digest = blake2b(inbox.encode(), digest_size=4).hexdigest()
    shown = re.sub(_NO_WORD, "", inbox)[:_LONGEST_SHOWN]
    return f"inbox_{shown}_{digest}-"


def message_name(inbox: str, number: int | str) -> str:
    """Return the name of the callback of a message, or for ``CLOSED`` that of the operation that closes the inbox."""
    return f"{_PREFIX}{inbox}:{number}"


def message_payload(message_id: str, value: str) -> str:
    """Write the payload of a message; ``value`` is JSON already."""
    return f'{{"id":{msgspec.json.encode(message_id).decode()},"value":{value}}}'


def place_of(operation_id: str | None, name: str | None) -> Place | None:
    """Return the place of an operation of an inbox; ``None`` for another one, be its name like that."""
    if name is None or operation_id is None or not name.startswith(_PREFIX):
        return None
    inbox, _, number = name[len(_PREFIX) :].rpartition(":")
    if not inbox:
        return None
    row = row_text(inbox)
    if number == CLOSED and operation_id == f"{row}{CLOSED}-1":
        return Place(inbox, None)
    if number.isdecimal() and operation_id == f"{row}{number}":
        return Place(inbox, int(number))
    return None


def inbox_of(operation_id: str | None, name: str | None) -> str | None:
    """Return the name of the inbox whose message an operation is the callback of; ``None`` for another one."""
    place = place_of(operation_id, name)
    return None if place is None or place.number is None else place.inbox
