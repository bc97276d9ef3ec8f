"""The rule for unions whose members JSON does not tell apart.

A value is read as the first member whose own JSON is exactly this, else as the first that accepts
it; text and dicts, which accept nearly anything, come last. Writing checks that reading would give
the same class again, so a union never turns into something else than what was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Protocol, Union, get_args, get_origin

import msgspec

from durable_execution_sdk.serdes.decoding import AmbiguousError
from durable_execution_sdk.serdes.foreign import ENCODER, class_of, name_of

__all__ = [
    "UNIONS",
    "Member",
    "Shape",
    "UnionShape",
    "as_array",
    "as_object",
    "misfit",
]

UNIONS = (Union, UnionType)


class Shape(Protocol):
    """How to read one type, and how to make sure that it can be."""

    def read(self, value: Any, path: str) -> Any:
        """Make the typed value from what JSON gave, or raise ``msgspec.ValidationError``."""
        ...

    def check(self, value: Any, path: str) -> None:
        """Raise ``AmbiguousError`` if a part of this value would come back as another class."""
        ...


class Member(msgspec.Struct, frozen=True):
    """A member of a union, or several that msgspec can tell apart."""

    shape: Shape
    classes: frozenset[type]

    @classmethod
    def of(cls, kind: Any, shape: Shape) -> Member:
        """The member for this type."""
        kinds = get_args(kind) if get_origin(kind) in UNIONS else (kind,)
        origins = (get_origin(each) or each for each in kinds)
        return cls(shape, frozenset(each for each in origins if isinstance(each, type)))

    @property
    def accepts_nearly_anything(self) -> bool:
        """Whether it should only be asked after the others."""
        return any(kind is str or issubclass(kind, Mapping) for kind in self.classes)


class UnionShape:
    """A union, read member by member."""

    def __init__(self, kind: Any, members: Sequence[Member]) -> None:
        self._kind = kind
        self._members = sorted(members, key=lambda member: member.accepts_nearly_anything)

    def read(self, value: Any, path: str) -> Any:
        """The first member whose JSON is exactly this, else the first that takes it."""
        accepted: list[Any] = []
        refusals: list[str] = []
        for member in self._members:
            try:
                made = member.shape.read(value, path)
                if msgspec.json.decode(ENCODER.encode(made)) == value:
                    return made
            except Exception as error:
                refusals.append(str(error))
            else:
                accepted.append(made)
        if accepted:
            return accepted[0]
        raise msgspec.ValidationError(f"No member of the union fits: {'; '.join(refusals)}")

    def check(self, value: Any, path: str) -> None:
        """Read back what would be written, and compare the classes."""
        kind = class_of(value)
        member = next((member for member in self._members if kind in member.classes), None)
        if member is None:
            return
        back = self._read_back(value, path)
        if type(back) is not kind:
            raise AmbiguousError(
                f"{path} is a {name_of(kind)}, but in {name_of(self._kind)} its JSON reads as a "
                f"{name_of(type(back))}; give the members fields that tell them apart, such as "
                "kind: Literal['...']"
            )
        member.shape.check(value, path)

    def _read_back(self, value: Any, path: str) -> Any:
        try:
            return self.read(msgspec.json.decode(ENCODER.encode(value)), path)
        except msgspec.ValidationError:
            # It does not fit at all; reading it will say how.
            return value


def as_array(value: Any, path: str) -> list[Any]:
    """What JSON gave, if it is an array."""
    if class_of(value) is not list:
        raise misfit("`array`", f"`{_json_kind(value)}`", path)
    items: list[Any] = value
    return items


def as_object(value: Any, path: str) -> dict[str, Any]:
    """What JSON gave, if it is an object."""
    if class_of(value) is not dict:
        raise misfit("`object`", f"`{_json_kind(value)}`", path)
    pairs: dict[str, Any] = value
    return pairs


def misfit(expected: str, found: str, path: str) -> msgspec.ValidationError:
    """The error for a value of the wrong kind, worded as msgspec words its own."""
    return msgspec.ValidationError(f"Expected {expected}, got {found} - at `{path}`")


def _json_kind(value: object) -> str:
    kinds: dict[type, str] = {dict: "object", list: "array", type(None): "null"}
    return kinds.get(type(value), type(value).__name__)
