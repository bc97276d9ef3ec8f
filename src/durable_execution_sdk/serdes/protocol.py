"""What a serdes is: two methods, from a value to text and back.

Whatever it writes, it must read back, in this process and in one that starts a year later; and what
it reads back is what user code sees, on the first run as on every replay.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from msgspec import Struct

from durable_execution_sdk.errors import SerDesError

__all__ = ["PassThroughSerDes", "SerDes", "SerDesContext", "checked_text"]

T = TypeVar("T")


class SerDesContext(Struct, frozen=True, kw_only=True):
    """Whose value it is: for errors, and for a serdes that keeps payloads somewhere else.

    ``is_outward``: the value is for a reader outside of the execution, and does not come back: its
    result, or the payload of another function.
    """

    operation_id: str
    operation_name: str | None = None
    durable_execution_arn: str = ""
    is_outward: bool = False

    @property
    def what(self) -> str:
        """The operation as errors name it."""
        if self.operation_name is None:
            return f"operation {self.operation_id}"
        return f"operation {self.operation_name!r} ({self.operation_id})"


class SerDes(Protocol[T]):
    """Writes values as text and reads them back; raise ``SerDesError`` where that is impossible."""

    def serialize(self, value: T, context: SerDesContext, /) -> str:
        """Write the value as text."""
        ...

    def deserialize(self, payload: str, context: SerDesContext, /) -> T:
        """Read the value back from what ``serialize`` wrote."""
        ...


class PassThroughSerDes:
    """Keeps text as it is: the payload is the value."""

    def serialize(self, value: str, context: SerDesContext, /) -> str:
        """Take the text itself."""
        return _text(value, context)

    def deserialize(self, payload: str, _context: SerDesContext, /) -> str:
        """Take the payload itself."""
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


def _text(value: object, context: SerDesContext) -> str:
    if isinstance(value, str):
        return value
    raise SerDesError(
        f"{context.what}: PassThroughSerDes keeps text, but found a {type(value).__qualname__}; "
        "return a str, or use JsonSerDes"
    )
