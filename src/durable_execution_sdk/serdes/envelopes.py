"""Values in the envelopes of AWS's own Python SDK, so that an execution begun under it can go on here.

That SDK writes text, numbers and lists of them as plain JSON, and anything else with a tag around each
value: ``{"t":"m","v":{"a":{"t":"i","v":1}}}``. Here they are read as the JSON that they stand for,
to be decoded by the annotation as ever. ``JsonSerDes`` writes nothing that begins like one.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

__all__ = ["ENVELOPE", "without_envelopes"]

ENVELOPE = '{"t":"'
"""How the payload of one begins."""

_ROOTS = frozenset({"B", "u", "d", "dt", "D", "t", "l", "m", "br"})
_PLAIN = frozenset({"n", "s", "i", "f", "b", "B", "u", "d", "dt", "D"})


def without_envelopes(payload: str) -> str:
    """The plain JSON of a payload that begins like an envelope, or the payload, if it is none."""
    try:
        found: Any = msgspec.json.decode(payload)
        if found["t"] not in _ROOTS:
            return payload
        plain = _opened(found)
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError):
        return payload
    return msgspec.json.encode(plain).decode()


def _opened(envelope: Any) -> Any:
    if envelope.keys() != {"t", "v"}:
        raise LookupError
    tag, value = envelope["t"], envelope["v"]
    if tag in _PLAIN:
        return value
    if tag in {"l", "t"}:
        return [_opened(each) for each in cast("list[Any]", value)]
    if tag in {"m", "br"}:
        return {key: _opened(each) for key, each in value.items()}
    raise LookupError
