"""A request as it came, and its parts as values; a part that makes no sense is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from starlette.datastructures import Headers, QueryParams

from durable_execution_sdk.engine.rejections import invalid
from durable_execution_sdk.model.json_depth import depth_fault

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
        """The execution that the call is about."""
        return self.path["DurableExecutionArn"]

    @property
    def callback_id(self) -> str:
        """The callback that the call is about."""
        return self.path["CallbackId"]

    def text(self, name: str) -> str | None:
        """A query parameter."""
        return self.query.get(name)

    def required(self, name: str) -> str:
        """A query parameter that has to be there."""
        value = self.query.get(name)
        if not value:
            raise invalid(f"The query parameter {name} is missing.")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """A query parameter that says yes or no."""
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
        """A query parameter that counts something; 0 when it is not there."""
        value = self.query.get(name) or "0"
        if not (value.isascii() and value.isdecimal() and len(value) <= _LONGEST_NUMBER):
            raise invalid(f"{name} is a whole number, not {value!r}.")
        return int(value)

    def moment(self, name: str) -> int | None:
        """A query parameter that is an ISO 8601 time, in milliseconds since the epoch."""
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
        """The body, as what it should be."""
        fault = depth_fault(self.body)
        if fault is not None:
            raise invalid(f"The body of the request is {fault}.")
        try:
            return decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise invalid(f"The body of the request is not what it should be: {error}") from error
