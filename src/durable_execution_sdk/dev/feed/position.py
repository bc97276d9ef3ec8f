"""Positions in the stream of one execution: how much of its events, lines and code positions was read."""

from __future__ import annotations

import re

import msgspec

from durable_execution_sdk.engine.rejections import invalid

__all__ = ["Position"]

_TEXT = re.compile(r"(\d{1,18})(?:-(\d{1,18})-(\d{1,18}))?", re.ASCII)


class Position(msgspec.Struct, frozen=True):
    """The number of the last event, of the last line of logs, and of the last code position."""

    head: int = 0
    line: int = 0
    place: int = 0

    def __str__(self) -> str:
        """Write the id of a message."""
        return f"{self.head}-{self.line}-{self.place}"

    @classmethod
    def read(cls, text: str) -> Position:
        """Read the id of a message, or the number of an event; raise ``ServiceError`` if it is neither."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise invalid(f"since is the id of a message, such as 12-40-3, not {text!r}.")
        return cls(*(int(number or 0) for number in match.groups()))
