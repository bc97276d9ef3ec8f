"""The outcome of one of several operations."""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, TypeVar, cast

from msgspec import Struct

from durable_execution_sdk.first_use import OptionEnum

__all__ = ["Settled", "SettledStatus"]

_T = TypeVar("_T")


class SettledStatus(StrEnum, metaclass=OptionEnum):
    """The two ways in which an operation ends."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Settled(Struct, Generic[_T], frozen=True, kw_only=True):
    """The outcome of an operation: its ``value``, or the ``error`` that awaiting it raises."""

    value: _T | None = None
    error: Exception | None = None

    @property
    def status(self) -> SettledStatus:
        """SUCCEEDED or FAILED."""
        return SettledStatus.SUCCEEDED if self.error is None else SettledStatus.FAILED

    def result(self) -> _T:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return cast("_T", self.value)
