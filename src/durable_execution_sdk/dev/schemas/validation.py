"""Check JSON against a schema, and say where it does not fit and what is expected there.

``jsonschema`` checks: it knows all of the draft in which pydantic writes, and is loaded for the first check only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

import msgspec

from durable_execution_sdk.protocol.json_depth import depth_fault

__all__ = ["MOST_MISTAKES", "Mistake", "find_mistakes"]

MOST_MISTAKES = 20
"""Mistakes that are told of one value."""

_SHOWN = 60
_MOST_CHOICES = 20
_FORMATS: Mapping[str, tuple[type, str]] = {
    "date-time": (datetime, "a date and time such as 2030-01-31T12:00:00Z"),
    "date": (date, "a date such as 2030-01-31"),
    "time": (time, "a time such as 12:00:00"),
    "duration": (timedelta, "a duration such as P1DT2H"),
    "uuid": (UUID, "a UUID"),
    "byte": (bytes, "bytes in base64"),
    "decimal": (Decimal, "a number, also in quotes"),
}
_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}
_LENGTHS = {
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "pattern": "text that matches {}",
}


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a value, as names and indexes, that does not fit, and what is expected there."""

    path: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        """Write both, as in ``$.items[0].price: expected a number, not "much"``."""
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return f"${steps}: {self.message}"


def find_mistakes(schema: str, payload: str | None) -> list[Mistake]:
    """List the places at which the answer of a callback does not fit a schema.

    An answer may be JSON, or text without quotes where text fits; none is null. A schema that cannot be applied
    allows anything.
    """
    try:
        return _find(_validator(schema), "null" if payload is None else payload)
    except Exception:  # of a schema by a user's code, or a value that is too deep; it is a hint
        return []


def _find(validator: Any, payload: str) -> list[Mistake]:
    try:
        value = msgspec.json.decode(payload)
    except msgspec.DecodeError as refusal:
        if validator.is_valid(payload):
            return []
        return [Mistake(path=(), message=f"expected JSON: {refusal}")]
    if depth_fault(payload.encode("utf-8", "surrogatepass")) is not None:
        return []
    found: dict[Mistake, None] = {}
    for error in validator.iter_errors(value):
        found.update(dict.fromkeys(_mistakes(error)))
        if len(found) >= MOST_MISTAKES:
            break
    if found and validator.is_valid(payload):
        return []
    return list(found)[:MOST_MISTAKES]


@lru_cache(maxsize=50)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator, FormatChecker  # noqa: PLC0415 - slow to load
    from referencing import Registry  # noqa: PLC0415

    make_registry: Any = Registry
    checker = FormatChecker(formats=())
    for name, (kind, _) in _FORMATS.items():
        checker.checks(name, msgspec.ValidationError)(partial(_reads, kind))
    # A registry of its own: the usual one would fetch what a schema refers to.
    return Draft202012Validator(
        msgspec.json.decode(schema), registry=make_registry(), format_checker=checker
    )


def _reads(kind: type, value: object) -> bool:
    if isinstance(value, str):
        msgspec.convert(value, kind)
    return True


def _mistakes(error: Any) -> Iterator[Mistake]:
    """Say what an error of jsonschema is about, by the members of a union that are meant."""
    path = tuple(error.absolute_path)
    rule, wanted, value = error.validator, error.validator_value, error.instance
    if rule in ("anyOf", "oneOf") and error.context:
        yield from _of_union(error, path)
    elif rule == "required":
        for name in wanted:
            if name not in value:
                yield Mistake(path=(*path, name), message="it is missing")
    elif rule == "additionalProperties" and wanted is False:
        known = error.schema.get("properties", {})
        for name in value:
            if name not in known:
                message = f"it is not known; expected {_choice(known) or 'no member'}"
                yield Mistake(path=(*path, name), message=message)
    else:
        expected = _expected(error)
        found = f"expected {expected}, not {_short(value)}" if expected else error.message
        yield Mistake(path=path, message=found)


def _of_union(error: Any, path: tuple[str | int, ...]) -> Iterator[Mistake]:
    """Take the member of a union that the value seems to be meant as; or say what all the members are."""
    members: dict[int, list[Any]] = {}
    for each in error.context:
        members.setdefault(each.relative_schema_path[0], []).append(each)
    meant = [each for each in members.values() if not any(map(_is_of_another_kind, each))]
    if meant:
        for inner in min(meant, key=len):
            yield from _mistakes(inner)
        return
    kinds = [_expected(each) for errors in members.values() for each in errors if not each.path]
    expected = " or ".join(dict.fromkeys(kind for kind in kinds if kind))
    yield Mistake(path=path, message=f"expected {expected}, not {_short(error.instance)}")


def _is_of_another_kind(error: Any) -> bool:
    """Tell whether an error shows that the value is not meant as this member of a union."""
    is_tag = error.validator == "const" and len(error.path) <= 1
    return is_tag or (error.validator in ("type", "enum", "format") and not error.path)


def _expected(error: Any) -> str:
    rule, wanted = error.validator, error.validator_value
    match rule:
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            return " or ".join(_TYPES.get(kind, kind) for kind in kinds)
        case "enum":
            return _choice(wanted)
        case "const":
            return _short(wanted)
        case "format" if wanted in _FORMATS:
            return _FORMATS[wanted][1]
        case _:
            return _LENGTHS[rule].format(wanted) if rule in _LENGTHS else ""


def _choice(values: Iterable[object]) -> str:
    shown = [_short(value) for value in values]
    more = len(shown) - _MOST_CHOICES
    text = ", ".join(shown[:_MOST_CHOICES])
    return f"{text} or one of {more} more" if more > 0 else " or ".join(text.rsplit(", ", 1))


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
