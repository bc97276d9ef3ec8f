"""The decoders of msgspec, and what they ask for where they meet a class that msgspec does not know."""

from __future__ import annotations

from typing import Any

import msgspec

from durable_execution_sdk import serdes
from durable_execution_sdk.serdes.foreign import from_json

__all__ = ["converted", "decoder_for", "form_name", "misfit", "read_foreign"]


def decoder_for(kind: Any) -> msgspec.json.Decoder[Any] | None:
    """The decoder that msgspec has, or ``None`` if it refuses the type.

    It takes any class, and asks ``read_foreign`` for it later: ``shapes`` finds out before.
    """
    try:
        return msgspec.json.Decoder(kind, dec_hook=read_foreign)
    except (TypeError, RecursionError):
        return None


def converted(value: Any, kind: Any, path: str) -> Any:
    """What msgspec makes of plain data; errors name the place, given the path of the whole."""
    try:
        return msgspec.convert(value, kind, dec_hook=read_foreign, str_keys=True)
    except msgspec.ValidationError as error:
        text = str(error)
        inner = text.replace("`$", f"`{path}", 1) if "`$" in text else f"{text} - at `{path}`"
        raise msgspec.ValidationError(inner) from error


def read_foreign(kind: Any, value: Any) -> Any:
    """Make what msgspec does not know, and asks for."""
    return from_json(kind, value, lambda part, found: serdes.shapes.shape_of(part).read(found, "$"))


def misfit(expected: str, value: object, path: str) -> msgspec.ValidationError:
    """The error for plain data of the wrong kind, worded as msgspec words its own."""
    found = form_name(type(value))
    return msgspec.ValidationError(f"Expected `{expected}`, got `{found}` - at `{path}`")


def form_name(kind: type) -> str:
    """A class of plain data, as JSON calls it."""
    forms: dict[type, str] = {dict: "object", list: "array", type(None): "null"}
    return forms.get(kind, kind.__name__)
