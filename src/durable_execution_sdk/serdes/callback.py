"""The serdes of callback results, which may be JSON or plain text."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, overload

import msgspec

from durable_execution_sdk import serdes
from durable_execution_sdk.errors import SerDesError
from durable_execution_sdk.serdes.foreign import name_of
from durable_execution_sdk.serdes.protocol import SerDesContext
from durable_execution_sdk.serdes.values import JsonSerDes

__all__ = ["CallbackSerDes"]

T = TypeVar("T")


class CallbackSerDes(Generic[T]):
    """Read a payload as JSON of ``type_``, or else as the text itself.

    A sender may thus answer ``approved`` or ``"approved"`` for ``str``, and ``2030-01-01`` with or
    without quotes for ``date``. A payload that fits in neither way raises ``SerDesError``.
    """

    __slots__ = ("_json",)

    @overload
    def __init__(self, type_: type[T]) -> None: ...
    @overload
    def __init__(self: CallbackSerDes[object], type_: object = ...) -> None: ...

    def __init__(self, type_: Any = Any) -> None:
        self._json: JsonSerDes[T] = JsonSerDes(type_)

    @property
    def type_(self) -> object:
        """The type to which payloads are read."""
        return self._json.type_

    @property
    def takes_none(self) -> bool:
        """True if ``None``, the value of an answer without a payload, fits the type."""
        return self._json.takes_none

    def __repr__(self) -> str:
        """Write the constructor call."""
        return f"CallbackSerDes({name_of(self._json.type_)})"

    def serialize(self, value: T, context: SerDesContext, /) -> str:
        """Write the value as JSON."""
        return self._json.serialize(value, context)

    def deserialize(self, payload: str, context: SerDesContext, /) -> T:
        """Read the payload as JSON, or else as text."""
        try:
            return self._json.deserialize(payload, context)
        except SerDesError as error:
            try:
                return self._json.deserialize(msgspec.json.encode(payload).decode(), context)
            except SerDesError as text_error:
                forms = serdes.shapes.shape_of(self._json.type_).forms
                if str in forms and not _is_json(payload):
                    raise text_error from None
                raise error from None


def _is_json(payload: str) -> bool:
    try:
        msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return False
    return True
