"""Fits an error object into 32,768 bytes, the most that the service takes of one.

What is dropped goes in this order: contexts, causes, attributes (the largest first), notes, the stack
trace; then what is left of it: representations, arguments, members of groups. The class never goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.runtime.failure.record import Record, encode_record
from durable_execution_sdk.runtime.failure.values import clipped

__all__ = ["LARGEST_ERROR", "fitted", "size_of"]

LARGEST_ERROR = 32_768
# Spaces after commas and colons, in writers that put them.
_SPACES = 128
_SHORT_TEXT = 512
_FEW_ARGS = 16

_encode = msgspec.json.Encoder().encode
_TOO_LARGE = "too large"


def size_of(error: ErrorObject) -> int:
    """The size of an error object as JSON in which all that is not ASCII is escaped."""
    written = _encode(error)
    if written.isascii():
        return len(written) + _SPACES
    text = written.decode()
    plain = len(text.encode("ascii", "ignore"))
    return plain + 6 * (len(text.encode("utf-16-le")) // 2 - plain) + _SPACES


def fitted(error_type: str, message: str, record: Record, frames: list[str]) -> ErrorObject:
    """The error object, with as much of the record as there is room for."""
    drops = _drops(record, frames)
    while True:
        error = ErrorObject(
            error_type=error_type,
            error_message=message,
            error_data=encode_record(record),
            stack_trace=frames,
        )
        excess = size_of(error) - LARGEST_ERROR
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
    """Yield what to drop, one after the other; each is told how many bytes are too many."""
    yield lambda _: _each(record, _drop_context)
    yield lambda _: _each(record, _drop_cause)
    while any(each.attributes for each in record.tree()):
        yield lambda excess: _drop_attributes(record, excess)
    yield lambda _: _each(record, _drop_notes)
    yield lambda _: frames.clear()
    yield lambda _: _each(record, _shorten)
    while record.exceptions and (
        len(record.exceptions) > 1 or any(each.exceptions for each in record.exceptions)
    ):
        yield lambda _: _drop_members(record)
    yield lambda _: _each(record, _keep_little)


def _each(record: Record, drop: Callable[[Record], None]) -> None:
    for each in record.tree():
        drop(each)


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
    """Drop the largest attributes, until as much is saved as is too many."""
    held = [
        (len(_encode(value)), name, each)
        for each in record.tree()
        for name, value in each.attributes.items()
    ]
    for size, name, each in sorted(held, key=lambda item: item[0], reverse=True):
        del each.attributes[name]
        each.omitted[name] = _TOO_LARGE
        excess -= size
        if excess <= 0:
            break


def _drop_notes(record: Record) -> None:
    if record.notes:
        record.notes = []
        record.omitted["__notes__"] = _TOO_LARGE


def _shorten(record: Record) -> None:
    """Leave little of everything else."""
    record.args = [_short(arg) for arg in record.args]
    record.members = {name: _short(value) for name, value in record.members.items()}
    record.native = None
    record.omitted = dict(list(record.omitted.items())[:20])
    if record.repr is not None:
        record.repr = clipped(record.repr, _SHORT_TEXT)
    if record.message is not None:
        record.message = clipped(record.message, _SHORT_TEXT)


def _keep_little(record: Record) -> None:
    """Leave no more of a record than its class, its message and its first arguments."""
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
    """Halve a group; its first members go on without theirs."""
    for each in record.exceptions:
        each.exceptions = []
    record.exceptions = record.exceptions[: max(1, len(record.exceptions) // 2)]
    record.omitted["exceptions"] = "too many"
