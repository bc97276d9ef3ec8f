"""A serdes of two functions, such as ``json.dumps`` and ``json.loads``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from durable_execution_sdk.errors import ConfigError, SerDesError
from durable_execution_sdk.serdes.protocol import SerDesContext

__all__ = ["CustomSerDes", "custom_serdes"]

T = TypeVar("T")


class CustomSerDes(Generic[T]):
    """A serdes that calls one function to write a value and one to read it; ``custom_serdes`` makes it."""

    __slots__ = ("dumps", "loads")

    def __init__(self, dumps: Callable[[T], str | bytes], loads: Callable[[str], T]) -> None:
        for option, function in (("dumps", dumps), ("loads", loads)):
            if not callable(function):
                raise ConfigError(
                    f"custom_serdes({option}=...) takes a function, such as json.{option}, not"
                    f" {function!r}"
                )
        self.dumps = dumps
        self.loads = loads

    def __repr__(self) -> str:
        """Write the call that makes it."""
        return f"custom_serdes({_name_of(self.dumps)}, {_name_of(self.loads)})"

    def serialize(self, value: T, context: SerDesContext, /) -> str:
        """Call ``dumps``. Raises ``SerDesError`` if it returns neither text nor the UTF-8 of a text."""
        written: object = self.dumps(value)
        if isinstance(written, bytes):
            try:
                return written.decode()
            except UnicodeDecodeError as error:
                raise SerDesError(
                    f"{context.what}: {_name_of(self.dumps)} returned bytes that are not UTF-8, which"
                    " the service cannot store; return text, for instance base64.b64encode(data)"
                ) from error
        if isinstance(written, str):
            return written
        raise SerDesError(
            f"{context.what}: {_name_of(self.dumps)} returned a {type(written).__qualname__}; the"
            " function that writes a value returns a str, or bytes that are UTF-8"
        )

    def deserialize(self, payload: str, _context: SerDesContext, /) -> T:
        """Call ``loads``."""
        return self.loads(payload)


def custom_serdes(dumps: Callable[[T], str | bytes], loads: Callable[[str], T]) -> CustomSerDes[T]:
    """Make a serdes of two functions: ``custom_serdes(json.dumps, json.loads)``.

    Args:
        dumps: writes a value as text, or as the UTF-8 of a text, which is what ``orjson.dumps`` and
            ``msgspec.json.encode`` return.
        loads: reads what ``dumps`` wrote, also in a process that starts a year later.

    The functions are plain (not async) and quick, because they run on the workflow's event loop. For a serdes that
    needs the operation's name or id write a class with the methods of ``SerDes``.
    """
    return CustomSerDes(dumps, loads)


def _name_of(function: object) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
