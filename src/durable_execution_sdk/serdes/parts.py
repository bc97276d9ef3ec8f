"""Shapes: how a type is read from plain data, part by part, where msgspec does not read it whole.

Each shape knows its parts. One whose parts are all read by msgspec is left to msgspec, which is
quicker, and is only taken apart to say exactly where something does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_origin

import msgspec

from durable_execution_sdk.serdes.decoding import converted, misfit
from durable_execution_sdk.serdes.fields import Field
from durable_execution_sdk.serdes.foreign import class_of

__all__ = [
    "Adapted",
    "Alias",
    "Atom",
    "Items",
    "Members",
    "Object",
    "Pairs",
    "Positions",
    "Shape",
]

_ARRAY: frozenset[type] = frozenset((list,))
_OBJECT: frozenset[type] = frozenset((dict,))
_ANYTHING: frozenset[type] = frozenset((str, int, float, bool, type(None), list, dict))


class Shape:
    """How one type is read.

    ``parts`` are the shapes that it consists of. ``is_native``: msgspec reads it, parts and all.
    ``is_opaque``: msgspec does not look into its parts by itself. ``forms`` are the classes of plain
    data that it may be read from.
    """

    forms: frozenset[type] = _ANYTHING

    def __init__(self, kind: Any, *, is_native: bool = True, is_opaque: bool = False) -> None:
        self.kind = kind
        self.parts: list[Shape] = []
        self.is_native = is_native
        self.is_opaque = is_opaque

    def read(self, value: Any, path: str) -> Any:
        """The typed value for plain data, or ``msgspec.ValidationError``."""
        if self.is_native:
            try:
                return converted(value, self.kind, path)
            except msgspec.ValidationError:
                self.take(value, path)  # says the same with the exact path
                raise
        return self.take(value, path)

    def take(self, value: Any, path: str) -> Any:
        """As ``read``, part by part."""
        return converted(value, self.kind, path)

    def finish(self) -> None:
        """Prepare to read: it is known now which shapes msgspec reads."""


class Atom(Shape):
    """A type without parts that msgspec reads, by itself or with ``read_foreign``."""

    def __init__(self, kind: Any, forms: frozenset[type] | None = None, **options: bool) -> None:
        super().__init__(kind, **options)
        if forms is not None:
            self.forms = forms

    def read(self, value: Any, path: str) -> Any:
        """The typed value."""
        return converted(value, self.kind, path)


class Alias(Shape):
    """Another name for a type: ``Annotated``, ``NewType``, a ``type`` statement, a forward reference."""

    def take(self, value: Any, path: str) -> Any:
        """The value of the type that it names."""
        return self.parts[0].read(value, path)

    def finish(self) -> None:
        """Take over the forms of the type."""
        self.forms = self.parts[0].forms


class Adapted(Shape):
    """A type that only pydantic's ``TypeAdapter`` reads."""

    def __init__(self, kind: Any, read: Callable[[Any], Any]) -> None:
        super().__init__(kind, is_native=False)
        self._read = read

    def take(self, value: Any, path: str) -> Any:
        """What pydantic makes of it."""
        try:
            return self._read(value)
        except ValueError as error:
            raise msgspec.ValidationError(f"{error} - at `{path}`") from error


class Members(Shape):
    """An enum, or a ``Literal``, of any values: told apart by their JSON."""

    def __init__(self, kind: Any, members: list[Any], encode: Callable[[Any], bytes]) -> None:
        super().__init__(kind)
        self._members: dict[bytes, Any] = {}
        for member in members:
            self._members.setdefault(encode(member), member)
        self.forms = frozenset(class_of(msgspec.json.decode(text)) for text in self._members)
        if int in self.forms or float in self.forms:
            self.forms |= {int, float}

    def take(self, value: Any, path: str) -> Any:
        """The member with this JSON."""
        try:
            return self._members[msgspec.json.encode(value)]
        except KeyError:
            if type(value) in (int, float) and isinstance(self.kind, type):
                try:
                    return self.kind(value)  # flags together, or 1 for 1.0
                except ValueError:
                    pass
            raise msgspec.ValidationError(f"Invalid enum value {value!r} - at `{path}`") from None


class Items(Shape):
    """A list, set, deque or tuple of equal items."""

    forms = _ARRAY

    def __init__(self, kind: Any, make: Callable[[Any], Any], **options: bool) -> None:
        super().__init__(kind, **options)
        self.container: Any = make
        self._make = make

    def take(self, value: Any, path: str) -> Any:
        """The container, item by item."""
        items = _array(value, path)
        read = self.parts[0].read
        try:
            return self._make([read(each, f"{path}[{index}]") for index, each in enumerate(items)])
        except TypeError as error:  # a set of what cannot be hashed
            raise msgspec.ValidationError(f"{error} - at `{path}`") from error


class Positions(Shape):
    """A tuple, or ``NamedTuple``, whose places have types of their own."""

    forms = _ARRAY

    def __init__(self, kind: Any, make: Callable[[list[Any]], Any], required: int | None) -> None:
        super().__init__(kind)
        self.container: Any = get_origin(kind) or kind
        self._make = make
        self._required = required

    def take(self, value: Any, path: str) -> Any:
        """The tuple, place by place."""
        found = _array(value, path)
        most = len(self.parts)
        least = most if self._required is None else self._required
        if not least <= len(found) <= most:
            raise msgspec.ValidationError(
                f"Expected `array` of length {most}, got `array` of length {len(found)} - at `{path}`"
            )
        pairs = enumerate(zip(self.parts, found, strict=False))
        return self._make([part.read(each, f"{path}[{index}]") for index, (part, each) in pairs])


class Pairs(Shape):
    """A mapping."""

    forms = _OBJECT

    def __init__(self, kind: Any, make: Callable[[Any], Any], **options: bool) -> None:
        super().__init__(kind, **options)
        self.container: Any = make
        self._make = make

    def take(self, value: Any, path: str) -> Any:
        """The mapping, key by key."""
        pairs = _object(value, path)
        read = self.parts[1].read
        return self._make(
            {self._key(name, path): read(each, f"{path}.{name}") for name, each in pairs.items()}
        )

    def _key(self, name: str, path: str) -> Any:
        """A key, which JSON has as text, whatever it was."""
        shape = self.parts[0]
        if shape.is_native:
            (key,) = converted({name: None}, dict[shape.kind, None], path)  # type: ignore[name-defined]
            return key
        try:
            return shape.read(name, path)
        except msgspec.ValidationError:
            try:
                return shape.read(msgspec.json.decode(name), path)
            except msgspec.DecodeError:
                raise misfit("str", name, path) from None


class Object(Shape):
    """A class with fields: dataclass, ``TypedDict``, ``msgspec.Struct`` or attrs class."""

    def __init__(self, kind: Any, make: Any, fields: list[Field]) -> None:
        super().__init__(kind)
        self.container: Any = make
        self.fields = fields
        self._make = make
        config: Any = getattr(make, "__struct_config__", None)
        self._is_array = config is not None and config.array_like
        self._is_closed = config is not None and config.forbid_unknown_fields
        self._tag: tuple[str, Any] | None = None
        if config is not None and config.tag is not None:
            self._tag = (config.tag_field, config.tag)
        self.forms = _ARRAY if self._is_array else _OBJECT

    def take(self, value: Any, path: str) -> Any:
        """The object, field by field."""
        pairs = self._by_place(_array(value, path)) if self._is_array else _object(value, path)
        self._check(pairs, path)
        made: dict[str, Any] = {}
        set_later: dict[str, Any] = {}
        for field, shape in zip(self.fields, self.parts, strict=True):
            if field.wire_name in pairs:
                read = shape.read(pairs[field.wire_name], f"{path}.{field.wire_name}")
                (made if field.init_name else set_later)[field.init_name or field.name] = read
            elif field.required:
                raise msgspec.ValidationError(
                    f"Object missing required field `{field.wire_name}` - at `{path}`"
                )
        try:
            result = self._make(**made)
        except (TypeError, ValueError) as error:
            raise msgspec.ValidationError(f"{error} - at `{path}`") from error
        for name, read in set_later.items():
            object.__setattr__(result, name, read)
        return result

    def _by_place(self, found: list[Any]) -> dict[str, Any]:
        names = [field.wire_name for field in self.fields]
        return dict(zip([self._tag[0], *names] if self._tag else names, found, strict=False))

    def _check(self, pairs: Mapping[str, Any], path: str) -> None:
        if self._tag is not None and pairs.get(self._tag[0], self._tag[1]) != self._tag[1]:
            raise msgspec.ValidationError(
                f"Invalid value {pairs[self._tag[0]]!r} - at `{path}.{self._tag[0]}`"
            )
        if self._is_closed:
            known = {field.wire_name for field in self.fields} | {(self._tag or ("",))[0]}
            for name in pairs:
                if name not in known:
                    raise msgspec.ValidationError(
                        f"Object contains unknown field `{name}` - at `{path}`"
                    )


def _array(value: Any, path: str) -> list[Any]:
    if class_of(value) is not list:
        raise misfit("array", value, path)
    items: list[Any] = value
    return items


def _object(value: Any, path: str) -> dict[str, Any]:
    if class_of(value) is not dict:
        raise misfit("object", value, path)
    pairs: dict[str, Any] = value
    return pairs
