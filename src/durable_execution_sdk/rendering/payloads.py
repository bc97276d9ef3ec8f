"""Payloads as people read them."""

from __future__ import annotations

import msgspec

__all__ = ["json_or_text"]


def json_or_text(payload: str | None) -> object:
    """The value of a payload that is JSON, else its text: a custom serdes may write anything."""
    if payload is None:
        return None
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return payload
