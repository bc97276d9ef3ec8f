"""Decoders of msgspec, with a hook for classes that msgspec does not support."""

from __future__ import annotations

from typing import Any

import msgspec

from durable_execution_sdk import serdes
from durable_execution_sdk.serdes.foreign import from_json

__all__ = ["converted", "decoder_for", "form_name", "misfit", "read_foreign"]


def decoder_for(kind: Any) -> msgspec.json.Decoder[Any] | None:
    """Make a msgspec decoder for a type; ``None`` if msgspec refuses it.

    msgspec accepts any class and calls ``read_foreign`` when it decodes one, so ``shapes`` checks
    beforehand that the class can be read.
    """
    try:
        return msgspec.json.Decoder(kind, dec_hook=read_foreign)
    except (TypeError, RecursionError):
        return None


def converted(value: Any, kind: Any, path: str) -> Any:
    """Convert plain data to a type; errors have the path within the whole value, which is at ``path``."""
    try:
        return msgspec.convert(value, kind, dec_hook=read_foreign, str_keys=True)
    except msgspec.ValidationError as error:
        text = str(error)
        inner = text.replace("`$", f"`{path}", 1) if "`$" in text else f"{text} - at `{path}`"
        raise msgspec.ValidationError(inner) from error


def read_foreign(kind: Any, value: Any) -> Any:
    """Make an instance of a class that msgspec does not support (msgspec's ``dec_hook``)."""
    return from_json(kind, value, lambda part, data: serdes.shapes.shape_of(part).read(data, "$"))


def misfit(expected: str, value: object, path: str) -> msgspec.ValidationError:
    """Build the error for plain data of the wrong kind, in msgspec's wording."""
    form = form_name(type(value))
    return msgspec.ValidationError(f"Expected `{expected}`, got `{form}` - at `{path}`")


def form_name(kind: type) -> str:
    """Return JSON's name for a class of plain data."""
    forms: dict[type, str] = {dict: "object", list: "array", type(None): "null"}
    return forms.get(kind, kind.__name__)
