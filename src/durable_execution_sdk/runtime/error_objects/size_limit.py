"""Reduction of an error object to 32,768 bytes, the most that the service accepts.

Parts are dropped in this order: contexts, causes, attributes (the largest first), notes, the stack trace;
then representations and arguments are shortened, and members of groups dropped. The class always stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.limits import MAX_ERROR_OBJECT_BYTES
from durable_execution_sdk.runtime.error_objects.record import Record, encode_record
from durable_execution_sdk.runtime.error_objects.values import clipped

__all__ = ["fitted", "size_of"]

# Bytes for spaces after commas and colons, which some JSON writers put.
_SPACES = 128
_SHORT_TEXT = 512
_FEW_ARGS = 16

_encode = msgspec.json.Encoder().encode
_TOO_LARGE = "too large"


def size_of(error: ErrorObject) -> int:
    """Return the size of an error object as JSON in which all characters but ASCII are escaped."""
    written = _encode(error)
    if written.isascii():
        return len(written) + _SPACES
    text = written.decode()
    plain = len(text.encode("ascii", "ignore"))
    return plain + 6 * (len(text.encode("utf-16-le")) // 2 - plain) + _SPACES


def fitted(error_type: str, message: str, record: Record, frames: list[str]) -> ErrorObject:
    """Make the error object, with as much of the record as there is room for."""
    drops = _drops(record, frames)
    while True:
        error = ErrorObject(
            error_type=error_type,
            error_message=message,
            error_data=encode_record(record),
            stack_trace=frames,
        )
        excess = size_of(error) - MAX_ERROR_OBJECT_BYTES
        if excess <= 0:
            return error
        drop = next(drops, None)
        if drop is None:
            return ErrorObject(
                error_type=clipped(error_type, _SHORT_TEXT),
                error_message=clipped(message, _SHORT_TEXT),
            )
        drop(excess)


def _drops(record: Record, frames: list[str]) -> Iterator[Callable[[int], None]]:
    """Yield functions that drop a part each; they take the number of bytes that are too many."""
    yield lambda _: _each(record, _drop_context)
    yield lambda _: _each(record, _drop_cause)
    while any(nested.attributes for nested in record.tree()):
        yield lambda excess: _drop_attributes(record, excess)
    yield lambda _: _each(record, _drop_notes)
    yield lambda _: frames.clear()
    yield lambda _: _each(record, _shorten)
    while record.exceptions and (
        len(record.exceptions) > 1 or any(nested.exceptions for nested in record.exceptions)
    ):
        yield lambda _: _drop_members(record)
    yield lambda _: _each(record, _keep_little)


def _each(record: Record, drop: Callable[[Record], None]) -> None:
    for nested in record.tree():
        drop(nested)


def _drop_context(record: Record) -> None:
    if record.context is not None:
        record.context = None
        record.omitted["__context__"] = _TOO_LARGE


def _drop_cause(record: Record) -> None:
    if record.cause is not None:
        record.cause = None
        record.cause_is_context = False
        record.omitted["__cause__"] = _TOO_LARGE


def _drop_attributes(record: Record, excess: int) -> None:
    """Drop the largest attributes until ``excess`` bytes are saved."""
    sizes = [
        (len(_encode(value)), name, nested)
        for nested in record.tree()
        for name, value in nested.attributes.items()
    ]
    for size, name, nested in sorted(sizes, key=lambda item: item[0], reverse=True):
        del nested.attributes[name]
        nested.omitted[name] = _TOO_LARGE
        excess -= size
        if excess <= 0:
            break


def _drop_notes(record: Record) -> None:
    if record.notes:
        record.notes = []
        record.omitted["__notes__"] = _TOO_LARGE


def _shorten(record: Record) -> None:
    """Shorten arguments, members and texts."""
    record.args = [_short(arg) for arg in record.args]
    record.members = {name: _short(value) for name, value in record.members.items()}
    record.native = None
    record.omitted = dict(list(record.omitted.items())[:20])
    if record.repr is not None:
        record.repr = clipped(record.repr, _SHORT_TEXT)
    if record.message is not None:
        record.message = clipped(record.message, _SHORT_TEXT)


def _keep_little(record: Record) -> None:
    """Keep only the class, the message and the first arguments of a record."""
    more = len(record.args) - _FEW_ARGS
    if more > 0:
        record.args = [*record.args[:_FEW_ARGS], f"<{more:,} more, not recorded: {_TOO_LARGE}>"]
    record.members = {}


def _short(value: object) -> object:
    if len(_encode(value)) <= _SHORT_TEXT:
        return value
    return (
        clipped(value, _SHORT_TEXT) if isinstance(value, str) else f"<not recorded: {_TOO_LARGE}>"
    )


def _drop_members(record: Record) -> None:
    """Drop half of a group's members, and the members of the others."""
    for member in record.exceptions:
        member.exceptions = []
    record.exceptions = record.exceptions[: max(1, len(record.exceptions) // 2)]
    record.omitted["exceptions"] = "too many"
