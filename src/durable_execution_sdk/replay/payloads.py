"""Compare payloads and function names of a history with those of the code."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from durable_execution_sdk.serdes import ENVELOPE, without_envelopes

__all__ = ["canonical", "comparable", "is_same_function", "is_same_payload", "short"]

_LONGEST = 300


def is_same_payload(recorded: str, written: str, read: Callable[[str], object]) -> bool:
    """Tell whether two payloads are the same JSON, or read as equal values.

    The order of keys does not matter, and envelopes, which AWS's own SDK writes, are removed.
    """
    if recorded == written or comparable(recorded) == comparable(written):
        return True
    try:
        return bool(read(recorded) == read(written))
    except Exception:
        return False  # a payload that cannot be read is equal to none


def comparable(payload: str) -> bytes:
    """Return a payload's JSON without envelopes and with sorted keys; other payloads as they are."""
    try:
        return canonical(without_envelopes(payload) if payload.startswith(ENVELOPE) else payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return payload.encode(errors="surrogatepass")  # written by a custom serdes


def canonical(payload: str) -> bytes:
    """Return a JSON text with sorted keys."""
    return msgspec.json.encode(msgspec.json.decode(payload), order="sorted")


def is_same_function(recorded: str, asked: str) -> bool:
    """Tell whether two names or ARNs may denote one function; a missing qualifier matches any."""
    (recorded_name, recorded_qualifier), (asked_name, asked_qualifier) = (
        _parts(recorded),
        _parts(asked),
    )
    is_same_qualifier = recorded_qualifier == asked_qualifier or not (
        recorded_qualifier and asked_qualifier
    )
    return recorded_name == asked_name and is_same_qualifier


def short(text: str | None) -> str:
    """Shorten a payload or a message for a report."""
    if text is None:
        return "nothing"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _parts(function: str) -> tuple[str, str]:
    """Split a function's name or ARN into name and qualifier."""
    name = function.rpartition(":function:")[2]
    name, _, qualifier = name.partition(":")
    return name, qualifier
