"""Values of frameworks as JSON, by the types that pydantic knows."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from durable_execution_sdk.errors import SerDesError
from durable_execution_sdk.serdes import SerDesContext

__all__ = ["PydanticSerDes"]

_T = TypeVar("_T")


class PydanticSerDes(Generic[_T]):
    """A serdes of a type that pydantic reads and writes: unions, dataclasses and models of frameworks, typed dicts."""

    def __init__(self, kind: Any) -> None:
        from pydantic import TypeAdapter  # noqa: PLC0415 - frameworks bring it, the SDK does not

        self._adapter: Any = TypeAdapter(kind)

    def serialize(self, value: _T, context: SerDesContext, /) -> str:
        """Write the value as JSON. Raises ``SerDesError`` if it is not of the type."""
        try:
            text: bytes = self._adapter.dump_json(value, warnings=False)
            return text.decode()
        except ValueError as error:
            raise SerDesError(f"{context.what}: {error}") from error

    def deserialize(self, payload: str, context: SerDesContext, /) -> _T:
        """Read the value back. Raises ``SerDesError`` if it is not of the type."""
        try:
            value: _T = self._adapter.validate_json(payload)
            return value
        except ValueError as error:
            raise SerDesError(f"{context.what}: {error}") from error
