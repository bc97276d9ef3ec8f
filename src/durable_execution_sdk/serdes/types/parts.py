"""Shapes: descriptions of types that read plain data part by part.

A shape whose parts are all supported by msgspec is read by msgspec, which is faster. It is then read
part by part only to find the exact path of an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_origin

import msgspec

from durable_execution_sdk.serdes.foreign import class_of, converted, misfit
from durable_execution_sdk.serdes.types.fields import Field

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
# Characters of a value, and the number of members, that a message shows.
_SHOWN = 60
_MOST_SHOWN = 20
_ANYTHING: frozenset[type] = frozenset((str, int, float, bool, type(None), list, dict))


class Shape:
    """The description of one type, and a reader for it.

    ``parts`` are the shapes that it consists of. ``is_native``: msgspec reads it with all parts.
    ``is_opaque``: msgspec does not check its parts. ``forms`` are the classes of plain data that a value
    of the type can be read from.
    """

    forms: frozenset[type] = _ANYTHING

    def __init__(self, kind: object, *, is_native: bool = True, is_opaque: bool = False) -> None:
        self.kind = kind
        self.parts: list[Shape] = []
        self.is_native = is_native
        self.is_opaque = is_opaque

    def read(self, value: object, path: str) -> object:
        """Read plain data as a typed value. Raises ``msgspec.ValidationError`` with the path."""
        if self.is_native:
            try:
                return converted(value, self.kind, path)
            except msgspec.ValidationError:
                self.take(value, path)  # raises the same error with the exact path
                raise
        return self.take(value, path)

    def take(self, value: object, path: str) -> object:
        """Read plain data part by part."""
        return converted(value, self.kind, path)

    def finish(self) -> None:
        """Prepare for reading, after ``is_native`` of all shapes has been determined."""


class Atom(Shape):
    """A type without parts that msgspec reads, by itself or with ``read_foreign``."""

    def __init__(self, kind: object, forms: frozenset[type] | None = None, **options: bool) -> None:
        super().__init__(kind, **options)
        if forms is not None:
            self.forms = forms

    def read(self, value: object, path: str) -> object:
        """Read plain data as a typed value."""
        return converted(value, self.kind, path)


class Alias(Shape):
    """Another name for a type: ``Annotated``, ``NewType``, a ``type`` statement, a forward reference."""

    def take(self, value: object, path: str) -> object:
        """Read a value of the type that it names."""
        return self.parts[0].read(value, path)

    def finish(self) -> None:
        """Copy the forms of the type."""
        self.forms = self.parts[0].forms


class Adapted(Shape):
    """A type that only pydantic's ``TypeAdapter`` reads."""

    def __init__(self, kind: object, read: Callable[[object], object]) -> None:
        super().__init__(kind, is_native=False)
        self._read = read

    def take(self, value: object, path: str) -> object:
        """Read the value with pydantic."""
        try:
            return self._read(value)
        except ValueError as error:
            raise msgspec.ValidationError(f"{error} - at `{path}`") from error


class Members(Shape):
    """An enum or a ``Literal`` with any values; the members are distinguished by their JSON."""

    def __init__(
        self, kind: object, members: list[object], encode: Callable[[object], bytes]
    ) -> None:
        super().__init__(kind)
        self.members: dict[bytes, Any] = {}
        for member in members:
            self.members.setdefault(encode(member), member)
        self.forms = frozenset(class_of(msgspec.json.decode(text)) for text in self.members)
        if int in self.forms or float in self.forms:
            self.forms |= {int, float}

    def take(self, value: object, path: str) -> object:
        """Find the member with this JSON."""
        try:
            return self.members[msgspec.json.encode(value)]
        except KeyError:
            if type(value) in (int, float) and isinstance(self.kind, type):
                try:
                    return self.kind(value)  # combined flags, or 1 for 1.0
                except ValueError:
                    pass
            raise msgspec.ValidationError(
                f"Invalid enum value {value!r:.{_SHOWN}}, expected {self._choices()} - at `{path}`"
            ) from None

    def _choices(self) -> str:
        """List the JSON of the members, or of the first ones if there are many."""
        texts = [f"{text.decode():.{_SHOWN}}" for text in self.members]
        shown = texts[:_MOST_SHOWN]
        more = len(texts) - len(shown)
        if more:
            return f"one of {', '.join(shown)} and {more} more"
        return f"{', '.join(shown[:-1])} or {shown[-1]}" if len(shown) > 1 else "".join(shown)


class Items(Shape):
    """A list, set, deque or tuple of equal items."""

    forms = _ARRAY

    def __init__(
        self, kind: object, make: Callable[[list[object]], object], **options: bool
    ) -> None:
        super().__init__(kind, **options)
        self.container: object = make
        self._make = make

    def take(self, value: object, path: str) -> object:
        """Read the container item by item."""
        items = _array(value, path)
        read = self.parts[0].read
        try:
            return self._make([read(item, f"{path}[{index}]") for index, item in enumerate(items)])
        except TypeError as error:  # a set whose items cannot be hashed
            raise msgspec.ValidationError(f"{error} - at `{path}`") from error


class Positions(Shape):
    """A tuple or ``NamedTuple`` with a type for each position."""

    forms = _ARRAY

    def __init__(
        self, kind: object, make: Callable[[list[object]], object], required: int | None
    ) -> None:
        super().__init__(kind)
        self.container: Any = get_origin(kind) or kind
        self._make = make
        self.required = required

    def take(self, value: object, path: str) -> object:
        """Read the tuple position by position."""
        items = _array(value, path)
        most = len(self.parts)
        least = most if self.required is None else self.required
        if not least <= len(items) <= most:
            raise msgspec.ValidationError(
                f"Expected `array` of length {most}, got `array` of length {len(items)} - at `{path}`"
            )
        pairs = enumerate(zip(self.parts, items, strict=False))
        return self._make([part.read(item, f"{path}[{index}]") for index, (part, item) in pairs])


class Pairs(Shape):
    """A mapping."""

    forms = _OBJECT

    def __init__(self, kind: object, make: Callable[[object], object], **options: bool) -> None:
        super().__init__(kind, **options)
        self.container: object = make
        self._make = make

    def take(self, value: object, path: str) -> object:
        """Read the mapping key by key."""
        pairs = _object(value, path)
        read = self.parts[1].read
        return self._make(
            {self._key(name, path): read(item, f"{path}.{name}") for name, item in pairs.items()}
        )

    def _key(self, name: str, path: str) -> Any:
        """Read a key from its text: JSON has no other keys."""
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
        self.is_array = config is not None and config.array_like
        self.is_closed = config is not None and config.forbid_unknown_fields
        self.tag: tuple[str, Any] | None = None
        if config is not None and config.tag is not None:
            self.tag = (config.tag_field, config.tag)
        self.forms = _ARRAY if self.is_array else _OBJECT

    def take(self, value: object, path: str) -> object:
        """Read the object field by field."""
        pairs = self._by_position(_array(value, path)) if self.is_array else _object(value, path)
        self._check(pairs, path)
        arguments: dict[str, Any] = {}
        set_later: dict[str, object] = {}
        for field, shape in zip(self.fields, self.parts, strict=True):
            if field.wire_name in pairs:
                read = shape.read(pairs[field.wire_name], f"{path}.{field.wire_name}")
                (arguments if field.init_name else set_later)[field.init_name or field.name] = read
            elif field.required:
                raise msgspec.ValidationError(
                    f"Object missing required field `{field.wire_name}` - at `{path}`"
                )
        try:
            result = self._make(**arguments)
        except (TypeError, ValueError) as error:
            raise msgspec.ValidationError(f"{error} - at `{path}`") from error
        for name, read in set_later.items():
            object.__setattr__(result, name, read)
        return result

    def _by_position(self, items: list[object]) -> dict[str, object]:
        names = [field.wire_name for field in self.fields]
        return dict(zip([self.tag[0], *names] if self.tag else names, items, strict=False))

    def _check(self, pairs: Mapping[str, object], path: str) -> None:
        if self.tag is not None and pairs.get(self.tag[0], self.tag[1]) != self.tag[1]:
            raise msgspec.ValidationError(
                f"Invalid value {pairs[self.tag[0]]!r} - at `{path}.{self.tag[0]}`"
            )
        if self.is_closed:
            names = {field.wire_name for field in self.fields} | {(self.tag or ("",))[0]}
            for name in pairs:
                if name not in names:
                    raise msgspec.ValidationError(
                        f"Object contains unknown field `{name}` - at `{path}`"
                    )


def _array(value: Any, path: str) -> list[object]:
    if class_of(value) is not list:
        raise misfit("array", value, path)
    items: list[Any] = value
    return items


def _object(value: Any, path: str) -> dict[str, Any]:
    if class_of(value) is not dict:
        raise misfit("object", value, path)
    pairs: dict[str, Any] = value
    return pairs
