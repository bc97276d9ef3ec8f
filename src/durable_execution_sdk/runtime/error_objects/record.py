"""The record of an exception: plain JSON in the ``ErrorData`` of an error object.

Only the ``ErrorData`` of operations that this SDK ends itself, a STEP or a CONTEXT, is read as a record. A
callback or an invoked function can send the same text; it stays text (``rebuild(..., foreign=True)``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

__all__ = ["KeptRecord", "Record", "decode_record", "encode_record"]

_VERSION = 1
_MARK = '{"durable_error":'


class Record(Struct, omit_defaults=True):
    """An exception as plain data.

    ``kind`` is its class and ``classes`` the bases too, most derived first, as ``module:qualified.name``.
    ``args``, ``attributes`` and ``members`` (those that CPython keeps in C) hold packed values. ``omitted``
    maps the name of each part that could not be recorded to the reason. ``error_type`` and ``message``
    stand in the record of a nested exception; those of the outermost one are in the error object.
    """

    version: int = field(default=0, name="durable_error")
    error_type: str | None = None
    message: str | None = None
    kind: str = ""
    classes: list[str] = []
    args: list[Any] = []
    attributes: dict[str, object] = {}
    members: dict[str, object] = {}
    native: list[Any] | None = None
    notes: list[str] = []
    repr: str | None = None
    cause: Record | None = None
    context: Record | None = None
    cause_is_context: bool = False
    suppress_context: bool = False
    exceptions: list[Record] = []
    omitted: dict[str, str] = {}

    def tree(self) -> Iterator[Record]:
        """Iterate over this record and those of its cause, context and members."""
        left = [self]
        while left:
            record = left.pop()
            yield record
            left += record.exceptions
            left += [
                relative for relative in (record.cause, record.context) if relative is not None
            ]


class KeptRecord(Struct, frozen=True):
    """The parts of a record that a rebuilt exception keeps.

    ``kept`` are the recorded attributes, which take precedence over an ``OperationError``'s own.
    """

    error_type: str
    message: str
    repr: str | None = None
    kind: str = ""
    omitted: dict[str, str] = {}
    kept: frozenset[str] = frozenset()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


def encode_record(record: Record) -> str:
    """Write the record of the outermost exception."""
    record.version = _VERSION
    return _encode(record).decode()


def decode_record(data: str | None) -> Record | None:
    """Read a record; return ``None`` for other text and for records of a later version."""
    if not data or not data.startswith(_MARK):
        return None
    try:
        record = _decode(data)
    except msgspec.DecodeError:
        return None
    return record if record.version == _VERSION else None
