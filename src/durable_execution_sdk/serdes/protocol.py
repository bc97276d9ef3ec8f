"""The protocol of a serdes: one method from value to text, and one back.

A serdes must be able to read everything that it wrote, also in a process that starts a year later.
User code always sees the value that was read back, on the first run as on every replay.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from durable_execution_sdk.errors import SerDesError

__all__ = [
    "ENVELOPE",
    "PassThroughSerDes",
    "SerDes",
    "SerDesContext",
    "ValueContext",
    "checked_text",
    "on_a_fresh_stack",
    "read_nested",
]

T = TypeVar("T")

ENVELOPE = '{"t":"'
"""The first characters of a payload of AWS's own Python SDK: see ``envelopes``."""


class SerDesContext(Struct, frozen=True, kw_only=True):
    """The operation that a value belongs to, for errors and for a serdes that stores payloads elsewhere.

    ``place`` is the place of an item's result in its batch, for errors: ``item 3 of 'orders'``.

    ``is_outward``: the value leaves the execution and is not read back: the execution's result, or the
    payload for another function.
    """

    operation_id: str
    operation_name: str | None = None
    durable_execution_arn: str = ""
    place: str | None = None
    is_outward: bool = False

    @property
    def what(self) -> str:
        """The operation's name, place and id, for error messages."""
        names = [] if self.operation_name is None else [f"operation {self.operation_name!r}"]
        names += [] if self.place is None else [self.place]
        if not names:
            return f"operation {self.operation_id}"
        return f"{', '.join(names)} ({self.operation_id})"

    @property
    def way_out(self) -> str:
        """The end of an error message about a value, after its cure."""
        return ", or give the operation a serdes of its own"


class ValueContext(SerDesContext, frozen=True, kw_only=True):
    """The context of a value of no operation: ``subject`` names it in errors, ``remedy`` ends them."""

    subject: str
    remedy: str = ""

    @property
    def what(self) -> str:
        """The value's name, for error messages."""
        return self.subject

    @property
    def way_out(self) -> str:
        """The end of an error message about the value, after its cure."""
        return f", {self.remedy}" if self.remedy else ""


class SerDes(Protocol[T]):
    """Write values as text and read them back. Implementations raise ``SerDesError`` on failure."""

    def serialize(self, value: T, context: SerDesContext, /) -> str:
        """Write the value as text."""
        ...

    def deserialize(self, payload: str, context: SerDesContext, /) -> T:
        """Read the value back from what ``serialize`` wrote."""
        ...


class PassThroughSerDes:
    """A serdes for ``str`` whose payload is the text itself."""

    def serialize(self, value: str, context: SerDesContext, /) -> str:
        """Return the text. Raises ``SerDesError`` for a value that is not a ``str``."""
        return _text(value, context)

    def deserialize(self, payload: str, _context: SerDesContext, /) -> str:
        """Return the payload."""
        return payload


def checked_text(text: object, source: str) -> str:
    """Return what code of the user's wrote as a text that can be sent: of no subclass, and UTF-8.

    A text with half of a surrogate pair could never be sent: the checkpoint that holds it would fail in
    every invocation. ``source`` names in the error what wrote it.
    """
    if not isinstance(text, str):
        raise SerDesError(f"{source} must be a str, not {type(text).__name__}")
    exact = str.__str__(text)
    if not exact.isascii():
        try:
            exact.encode()
        except UnicodeEncodeError as error:
            raise SerDesError(
                f"{source} holds {exact[error.start]!r} at position {error.start:,}, which is half of a"
                " surrogate pair: UTF-8, and so the service, has no such text. Write it with"
                " text.encode('utf-8', 'backslashreplace').decode(), or json.dumps(text)"
            ) from error
    return exact


def read_nested(read: Callable[[str], T], payload: str) -> T:
    """Read a payload; where the caller's stack has no room for its nesting, on a stack of its own."""
    try:
        return read(payload)
    except RecursionError:
        return on_a_fresh_stack(read, payload)


def on_a_fresh_stack(call: Callable[..., T], *args: Any) -> T:
    """Call a function in a new thread, and wait for it.

    Workflow code may ask for a value under many more frames than it was written under, and Python counts
    frames and nesting together. The log decides whether a value can be read, so the frames must not.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run(context: Context) -> None:
        try:
            results.append(context.run(call, *args))
        except BaseException as error:  # raised below, in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, args=(copy_context(),), name="durable-fresh-stack")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _text(value: object, context: SerDesContext) -> str:
    if isinstance(value, str):
        return value
    raise SerDesError(
        f"{context.what}: PassThroughSerDes keeps text, but found a {type(value).__qualname__}; "
        "return a str, or use JsonSerDes"
    )
