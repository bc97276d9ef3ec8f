"""Read the tagged payloads of AWS's own Python SDK, so that an execution begun under it can continue here.

That SDK writes text, numbers and lists of them as plain JSON, and wraps other values in tags (envelopes):
``{"t":"m","v":{"a":{"t":"i","v":1}}}``. This module removes the envelopes; the plain JSON is then decoded
by the annotation. ``JsonSerDes`` never writes a payload that begins like an envelope.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from durable_execution_sdk.serdes.protocol import read_nested

__all__ = ["without_envelopes"]

_ROOTS = frozenset({"B", "u", "d", "dt", "D", "t", "l", "m", "br"})
_PLAIN = frozenset({"n", "s", "i", "f", "b", "B", "u", "d", "dt", "D"})


def without_envelopes(payload: str) -> str:
    """Return the plain JSON of a payload in envelopes; any other payload is returned as it is."""
    return read_nested(_plain, payload)


def _plain(payload: str) -> str:
    try:
        data: Any = msgspec.json.decode(payload)
        if data["t"] not in _ROOTS:
            return payload
        plain = _without_tags(data)
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError):
        return payload
    return msgspec.json.encode(plain).decode()


def _without_tags(envelope: Any) -> Any:
    if envelope.keys() != {"t", "v"}:
        raise LookupError
    tag, value = envelope["t"], envelope["v"]
    if tag in _PLAIN:
        return value
    if tag in {"l", "t"}:
        return [_without_tags(item) for item in cast("list[Any]", value)]
    if tag in {"m", "br"}:
        return {key: _without_tags(item) for key, item in value.items()}
    raise LookupError
