"""Types that msgspec reads. The others are taken apart by ``shapes``, which few workflows need."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, get_args, get_origin

import msgspec

from durable_execution_sdk import serdes
from durable_execution_sdk.serdes.foreign import from_json, is_class

__all__ = ["AmbiguousError", "decoder_for", "read_foreign"]


class AmbiguousError(Exception):
    """A member of a union whose JSON reads as another member."""


def decoder_for(kind: Any) -> msgspec.json.Decoder[Any] | None:
    """The decoder that msgspec has, or ``None`` if it refuses the type."""
    if _hides_a_refusal(kind):
        return None
    try:
        return msgspec.json.Decoder(kind, dec_hook=read_foreign)
    except TypeError:
        return None


def read_foreign(kind: Any, value: Any) -> Any:
    """Make what msgspec does not know, and asks for."""
    return from_json(kind, value, lambda part, found: serdes.shapes.shape_of(part).read(found, "$"))


def _hides_a_refusal(kind: Any) -> bool:
    """Whether there is a container in it that msgspec does not look into, of what it refuses."""
    args: tuple[Any, ...] = get_args(kind)
    origin: Any = get_origin(kind)
    if is_class(origin) and origin is not dict and issubclass(origin, (deque, Mapping)):
        return any(decoder_for(arg) is None for arg in args)
    return any(map(_hides_a_refusal, args))
