"""An API request and typed access to its parts; a part that cannot be read raises ``ServiceError``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from starlette.datastructures import Headers, QueryParams

from durable_execution_sdk.engine.rejections import invalid
from durable_execution_sdk.protocol.json_depth import depth_fault

_T = TypeVar("_T")

_LONGEST_NUMBER = 18


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """One call of the API; the variables of its path are decoded."""

    path: Mapping[str, str]
    query: QueryParams
    headers: Headers
    body: bytes

    @property
    def arn(self) -> str:
        """The ARN of the execution, from the path."""
        return self.path["DurableExecutionArn"]

    @property
    def callback_id(self) -> str:
        """The id of the callback, from the path."""
        return self.path["CallbackId"]

    def text(self, name: str) -> str | None:
        """Return a query parameter."""
        return self.query.get(name)

    def required(self, name: str) -> str:
        """Return a query parameter that must be present."""
        value = self.query.get(name)
        if not value:
            raise invalid(f"The query parameter {name} is missing.")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a query parameter as a boolean; ``default`` when it is absent."""
        match self.query.get(name, "").lower():
            case "":
                return default
            case "true":
                return True
            case "false":
                return False
            case other:
                raise invalid(f"{name} is 'true' or 'false', not {other!r}.")

    def number(self, name: str) -> int:
        """Return a query parameter as a count; 0 when it is absent."""
        value = self.query.get(name) or "0"
        if not (value.isascii() and value.isdecimal() and len(value) <= _LONGEST_NUMBER):
            raise invalid(f"{name} is a whole number, not {value!r}.")
        return int(value)

    def moment(self, name: str) -> int | None:
        """Return a query parameter that is an ISO 8601 time, in milliseconds since the epoch."""
        value = self.query.get(name)
        if not value:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise invalid(f"{name} is a time like 2026-01-31T12:00:00Z, not {value!r}.") from error
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)

    def read(self, decode: Callable[[bytes], _T]) -> _T:
        """Decode the body; raise ``ServiceError`` (400) if it is nested too deeply or malformed."""
        fault = depth_fault(self.body)
        if fault is not None:
            raise invalid(f"The body of the request is {fault}.")
        try:
            return decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise invalid(f"The body of the request cannot be read: {error}") from error
