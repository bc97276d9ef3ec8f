"""Types that msgspec refuses to read, unions of several classes above all, wherever they are nested.

A type is taken apart until msgspec takes the rest; ``unions`` holds the rule for a union.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from types import GenericAlias
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from durable_execution_sdk.serdes.decoding import decoder_for, read_foreign
from durable_execution_sdk.serdes.fields import Field, fields_of
from durable_execution_sdk.serdes.foreign import class_of, is_class, name_of
from durable_execution_sdk.serdes.unions import (
    UNIONS,
    Member,
    Shape,
    UnionShape,
    as_array,
    as_object,
    misfit,
)

__all__ = ["shape_of"]


def shape_of(kind: Any) -> Shape:
    """How to read this type; ``TypeError`` if nothing can."""
    return _shape_of(kind, {})


class _Leaf(msgspec.Struct):
    """A type that msgspec reads."""

    kind: Any

    def read(self, value: Any, path: str) -> Any:
        try:
            return msgspec.convert(value, self.kind, dec_hook=read_foreign, str_keys=True)
        except msgspec.ValidationError as error:
            text = str(error)
            inner = text.replace("`$", f"`{path}", 1) if "`$" in text else f"{text} - at `{path}`"
            raise msgspec.ValidationError(inner) from error

    def check(self, value: Any, path: str) -> None:
        pass


class _Items(msgspec.Struct):
    """A list, set, deque or tuple of equal items."""

    make: Callable[[Any], Any]
    item: Shape

    def read(self, value: Any, path: str) -> Any:
        items = as_array(value, path)
        return self.make(
            [self.item.read(each, f"{path}[{index}]") for index, each in enumerate(items)]
        )

    def check(self, value: Any, path: str) -> None:
        for index, each in enumerate(value):
            self.item.check(each, f"{path}[{index}]")


class _Positions(msgspec.Struct):
    """A tuple, or ``NamedTuple``, whose places have types of their own."""

    make: Callable[[list[Any]], Any]
    items: list[Shape]
    required: int

    def read(self, value: Any, path: str) -> Any:
        found = as_array(value, path)
        if not self.required <= len(found) <= len(self.items):
            raise misfit(
                f"`array` of length {len(self.items)}", f"`array` of length {len(found)}", path
            )
        return self.make(
            [
                item.read(each, f"{path}[{index}]")
                for index, (item, each) in enumerate(zip(self.items, found, strict=False))
            ]
        )

    def check(self, value: Any, path: str) -> None:
        for index, (item, each) in enumerate(zip(self.items, value, strict=False)):
            item.check(each, f"{path}[{index}]")


class _Pairs(msgspec.Struct):
    """A mapping whose keys msgspec reads."""

    make: Callable[[Any], Any]
    keys: _Leaf
    value: Shape

    def read(self, value: Any, path: str) -> Any:
        pairs = as_object(value, path)
        keys = self.keys.read(dict.fromkeys(pairs), path)
        return self.make(
            {
                key: self.value.read(each, f"{path}.{name}")
                for key, (name, each) in zip(keys, pairs.items(), strict=True)
            }
        )

    def check(self, value: Any, path: str) -> None:
        for key in value:
            self.value.check(value[key], f"{path}.{key}")


class _Object(msgspec.Struct):
    """A class with fields: dataclass, ``TypedDict``, ``msgspec.Struct`` or attrs class."""

    kind: Any
    fields: list[tuple[Field, Shape]]

    def read(self, value: Any, path: str) -> Any:
        pairs = as_object(value, path)
        made: dict[str, Any] = {}
        set_later: dict[str, Any] = {}
        for field, shape in self.fields:
            if field.wire_name in pairs:
                read = shape.read(pairs[field.wire_name], f"{path}.{field.wire_name}")
                (made if field.init_name else set_later)[field.init_name or field.name] = read
            elif field.required:
                raise msgspec.ValidationError(
                    f"Object missing required field `{field.wire_name}` - at `{path}`"
                )
        result = self.kind(**made)
        for name, read in set_later.items():
            object.__setattr__(result, name, read)
        return result

    def check(self, value: Any, path: str) -> None:
        for field, shape in self.fields:
            if isinstance(value, Mapping):
                if field.name in value:
                    shape.check(value[field.name], f"{path}.{field.name}")
            elif hasattr(value, field.name):
                shape.check(getattr(value, field.name), f"{path}.{field.name}")


def _shape_of(kind: Any, known: dict[Any, Shape]) -> Shape:
    kind = _bare(kind)
    if decoder_for(kind) is not None:
        return _Leaf(kind)
    if kind in known:
        return known[kind]
    origin: Any = get_origin(kind) or kind
    args: tuple[Any, ...] = get_args(kind)
    if origin in UNIONS:
        return _union_of(kind, args, known)
    if not is_class(origin):
        raise TypeError(f"{name_of(kind)} is no type of values")
    if issubclass(origin, tuple):
        return _tuple_of(origin, args, known)
    if len(args) == 2 and issubclass(origin, Mapping):
        keys = _Leaf(GenericAlias(dict, (args[0], None)))
        return _Pairs(_maker(origin, b"{}"), keys, _shape_of(args[1], known))
    fields = fields_of(origin)
    if fields is not None:
        # Known before its fields are looked at: a class may hold itself.
        known[kind] = shape = _Object(origin, [])
        generics = dict(zip(getattr(origin, "__parameters__", ()), args, strict=False))
        for field in fields:
            shape.fields.append((field, _shape_of(_filled(field.kind, generics), known)))
        return shape
    if len(args) == 1:
        return _Items(_maker(origin, b"[]"), _shape_of(args[0], known))
    raise TypeError(f"{name_of(kind)} has no form in JSON")


def _maker(origin: Any, empty: bytes) -> Callable[[Any], Any]:
    """What msgspec makes of an abstract container: ``list`` for ``Sequence``, and so on."""
    made = msgspec.json.decode(empty, type=origin, dec_hook=read_foreign)
    make: Callable[[Any], Any] = class_of(made)
    if make is defaultdict:
        make = _without_factory
    return make


def _without_factory(pairs: dict[Any, Any]) -> defaultdict[Any, Any]:
    return defaultdict(None, pairs)


def _union_of(kind: Any, args: tuple[Any, ...], known: dict[Any, Shape]) -> Shape:
    """Members that msgspec takes together stay together: it knows best how to tell those apart."""
    groups: list[Any] = []
    for arg in map(_bare, args):
        for index, group in enumerate(groups):
            if decoder_for(Union[group, arg]) is not None:  # noqa: UP007 - made at run time
                groups[index] = Union[group, arg]  # noqa: UP007
                break
        else:
            groups.append(arg)
    return UnionShape(kind, [Member.of(group, _shape_of(group, known)) for group in groups])


def _tuple_of(origin: Any, args: tuple[Any, ...], known: dict[Any, Shape]) -> Shape:
    names: tuple[str, ...] | None = getattr(origin, "_fields", None)
    if names is not None:
        hints = get_type_hints(origin, include_extras=True)
        generics = dict(zip(getattr(origin, "__parameters__", ()), args, strict=False))
        items = [_shape_of(_filled(hints.get(name, Any), generics), known) for name in names]
        return _Positions(
            lambda values: origin(*values), items, len(names) - len(origin._field_defaults)
        )
    if len(args) == 2 and args[1] is Ellipsis:
        return _Items(tuple, _shape_of(args[0], known))
    return _Positions(tuple, [_shape_of(arg, known) for arg in args], len(args))


def _bare(kind: Any) -> Any:
    """The type behind ``Annotated``, ``NewType`` and ``type`` aliases, where msgspec refuses it."""
    while decoder_for(kind) is None:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif hasattr(kind, "__supertype__"):
            kind = kind.__supertype__
        elif hasattr(kind, "__value__"):
            kind = kind.__value__
        else:
            break
    return kind


def _filled(kind: Any, generics: Mapping[Any, Any]) -> Any:
    """The type with the arguments of a generic class put in for its parameters."""
    if isinstance(kind, TypeVar):
        return generics.get(kind, Any)
    parameters: tuple[Any, ...] = getattr(kind, "__parameters__", ())
    if not parameters or is_class(kind):
        return kind
    return kind[tuple(generics.get(parameter, Any) for parameter in parameters)]
