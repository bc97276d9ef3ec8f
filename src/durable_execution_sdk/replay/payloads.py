"""Compares payloads, and names of functions, of a history with those of the code."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from durable_execution_sdk.serdes import ENVELOPE, without_envelopes

__all__ = ["canonical", "comparable", "is_same_function", "is_same_payload", "short"]

_LONGEST = 300


def is_same_payload(recorded: str, written: str, read: Callable[[str], object]) -> bool:
    """Tell whether two payloads are the same JSON, or read as equal values.

    Keys may come in another order, and AWS's own SDK puts values into envelopes.
    """
    if recorded == written or comparable(recorded) == comparable(written):
        return True
    try:
        return bool(read(recorded) == read(written))
    except Exception:
        return False  # what cannot be read is not the same


def comparable(payload: str) -> bytes:
    """The JSON that a payload stands for, with its keys in order; the payload itself if it is none."""
    try:
        return canonical(without_envelopes(payload) if payload.startswith(ENVELOPE) else payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return payload.encode(errors="surrogatepass")  # of a serdes of the user's


def canonical(payload: str) -> bytes:
    """A JSON text with its keys in order."""
    return msgspec.json.encode(msgspec.json.decode(payload), order="sorted")


def is_same_function(recorded: str, asked: str) -> bool:
    """Tell whether two names or ARNs may be those of one function; a missing qualifier fits any."""
    (one, its_qualifier), (other, other_qualifier) = _parts(recorded), _parts(asked)
    is_same_qualifier = its_qualifier == other_qualifier or not (its_qualifier and other_qualifier)
    return one == other and is_same_qualifier


def short(text: str | None) -> str:
    """A payload or a message, cut to what a report shows."""
    if text is None:
        return "nothing"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _parts(function: str) -> tuple[str, str]:
    """The name and the qualifier of a function, from its name or its ARN."""
    name = function.rpartition(":function:")[2]
    name, _, qualifier = name.partition(":")
    return name, qualifier
