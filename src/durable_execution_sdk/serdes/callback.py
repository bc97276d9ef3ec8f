"""The serdes of a callback's result: JSON from senders who write JSON, text from those who do not."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, overload

import msgspec

from durable_execution_sdk.errors import SerDesError
from durable_execution_sdk.serdes.foreign import name_of
from durable_execution_sdk.serdes.protocol import SerDesContext
from durable_execution_sdk.serdes.values import JsonSerDes

__all__ = ["CallbackSerDes"]

T = TypeVar("T")


class CallbackSerDes(Generic[T]):
    """Reads the payload as JSON for ``type_`` where it is that, else as the raw text.

    So a sender may answer ``approved`` or ``"approved"`` for ``str``, and ``2030-01-01`` with or
    without quotes for ``date``. Text that does not fit ``type_`` either is a ``SerDesError``.
    """

    __slots__ = ("_json",)

    @overload
    def __init__(self, type_: type[T]) -> None: ...
    @overload
    def __init__(self: CallbackSerDes[Any], type_: Any = ...) -> None: ...

    def __init__(self, type_: Any = Any) -> None:
        self._json: JsonSerDes[T] = JsonSerDes(type_)

    @property
    def takes_none(self) -> bool:
        """Whether an answer without a payload is one of the type."""
        return self._json.takes_none

    def __repr__(self) -> str:
        """The call that makes this."""
        return f"CallbackSerDes({name_of(self._json.type_)})"

    def serialize(self, value: T, context: SerDesContext, /) -> str:
        """Write the value as JSON."""
        return self._json.serialize(value, context)

    def deserialize(self, payload: str, context: SerDesContext, /) -> T:
        """Read the payload as JSON, else as text."""
        try:
            return self._json.deserialize(payload, context)
        except SerDesError as error:
            try:
                return self._json.deserialize(msgspec.json.encode(payload).decode(), context)
            except SerDesError:
                raise error from None
