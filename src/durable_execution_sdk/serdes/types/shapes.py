"""Build the shape of a type: its parts, down to types that msgspec supports.

The whole type is analysed when its serdes is made, so that a part that cannot be read is found before
a value is written. Types that msgspec reads whole are left to msgspec; for types that this package
does not support, pydantic's ``TypeAdapter`` is tried.

The module is long because it has one builder for each kind of type, a table that is read whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Reversible
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import (
    Any,
    ForwardRef,
    Literal,
    LiteralString,
    Self,
    TypeVar,
    get_args,
    get_origin,
)
from uuid import UUID

import msgspec

from durable_execution_sdk import serdes
from durable_execution_sdk.serdes.foreign import (
    ENCODER,
    class_of,
    encoder_with,
    is_class,
    is_pydantic,
    is_subclass_of_builtin,
    name_of,
    read_foreign,
)
from durable_execution_sdk.serdes.types.fields import fields_of
from durable_execution_sdk.serdes.types.names import (
    Names,
    arguments_of_base,
    filled,
    generics_of,
    hints_of,
    inherits_typed_dict_of_generics,
    key_of,
    meant_by,
    names_in,
    resolved,
)
from durable_execution_sdk.serdes.types.native import settle
from durable_execution_sdk.serdes.types.parts import (
    Adapted,
    Alias,
    Atom,
    Items,
    Members,
    Object,
    Pairs,
    Positions,
    Shape,
)
from durable_execution_sdk.serdes.types.unions import UNIONS, UnionShape

__all__ = ["Names", "Plan", "plan_of", "shape_of"]

# Containers whose items msgspec checks by itself.
_LOOKED_INTO: frozenset[object] = frozenset((list, set, frozenset, dict))

_INT_OR_FLOAT: object = int | float
_TEXT = frozenset((str,))
_NUMBER = frozenset((int, float))
_ATOMS: dict[object, frozenset[type]] = {
    **dict.fromkeys((str, bytes, bytearray, memoryview, UUID), _TEXT),
    **dict.fromkeys((datetime, date, time, timedelta), _TEXT),
    **dict.fromkeys((int, float), _NUMBER),
    Decimal: _TEXT | _NUMBER,
    bool: frozenset((bool,)),
    type(None): frozenset((type(None),)),
    msgspec.Raw: Shape.forms,
}


class Plan(msgspec.Struct, frozen=True):
    """The shape of a type, and the encoder for its values.

    ``has_writers``: the encoder differs from the usual one, because pydantic writes a part of the type.
    ``has_floats``: the type contains ``float``, where a value may have an ``int``.
    """

    shape: Shape
    encode: Callable[[object], bytes]
    has_writers: bool
    has_floats: bool


def plan_of(kind: object, names: Names | None = None, *, keeps_ints: bool = False) -> Plan:
    """Build the plan for a type. Raises ``TypeError`` if the type cannot be read.

    ``keeps_ints``: read ``5`` as an ``int``, as it was written, where ``float`` is annotated.
    """
    builder = _Builder(keeps_ints=keeps_ints)
    shape = builder.shape(kind, names or Names(), "$")
    settle(builder.shapes, shape)
    return Plan(shape, builder.encode, bool(builder.writers), builder.has_floats)


def shape_of(kind: object) -> Shape:
    """Return the shape of a type without a scope for names."""
    try:
        return _shape_of_hashable(kind)
    except TypeError:
        return plan_of(kind).shape


@lru_cache(maxsize=512)
def _shape_of_hashable(kind: object) -> Shape:
    return plan_of(kind).shape


class _Builder:
    """The builder of the shapes of one type."""

    def __init__(self, *, keeps_ints: bool) -> None:
        self.has_floats = False
        self.encode: Callable[[object], bytes] = ENCODER.encode
        self._keeps_ints = keeps_ints
        self._known: dict[object, Shape] = {}
        self._under_way: set[int] = set()
        self.shapes: list[Shape] = []
        self.writers: dict[type[object], Callable[[object], object]] = {}

    def shape(self, kind: Any, names: Names, path: str) -> Shape:
        """Build the shape of a type; ``path`` is its place in the whole type, for errors."""
        if isinstance(kind, (str, ForwardRef)):
            kind = ForwardRef(kind) if isinstance(kind, str) else kind
            return self._renamed(kind, lambda: resolved(kind, names), names, path)
        if kind is Self and names.owner is not None:
            return self._renamed(kind, lambda: names.owner, names, path)
        if kind is LiteralString:
            return self._renamed(kind, lambda: str, names, path)
        if isinstance(kind, TypeVar) or hasattr(kind, "__parameters__"):
            kind = filled(kind, names.generics)
        if kind in (None, Any, object):
            return self._add(Atom(type(None) if kind is None else Any))
        key = key_of(kind, names)
        shape = self._known.get(key)
        if shape is not None:
            if id(shape) in self._under_way and not isinstance(shape, Object):
                shape.is_native = (
                    False  # an alias that contains itself, on which msgspec never ends
                )
            return shape
        return self._made(kind, names, path, key)

    def _made(self, kind: object, names: Names, path: str, key: object) -> Shape:
        forms = _ATOMS.get(kind) if is_class(kind) else None
        if forms is not None:
            if kind is float:
                self.has_floats = True
                if self._keeps_ints:
                    return self._add(Atom(_INT_OR_FLOAT, forms, is_native=False), key)
            return self._add(Atom(kind, forms), key)
        meant = meant_by(kind)
        if meant is not None:
            shape = self._add(Alias(kind), key)
            self._under_way.add(id(shape))
            if hasattr(get_origin(kind) or kind, "__value__"):
                names = names_in(get_origin(kind) or kind, names.owner, names.generics)
            shape.parts.append(self.shape(meant(), names, path))
            self._under_way.discard(id(shape))
            return shape
        origin: Any = get_origin(kind) or kind
        args: tuple[object, ...] = get_args(kind)
        if origin in UNIONS:
            shape = self._add(UnionShape(kind, self._encode_late), key)
            # msgspec does not write unset fields, so UnsetType is never read.
            written = [arg for arg in args if arg is not msgspec.UnsetType]
            shape.parts += [self.shape(arg, names, path) for arg in written]
            return shape
        if origin is Literal:
            return self._add(self._members(kind, list(args), path), key)
        if is_class(origin):
            of_class = self._of_class(kind, origin, args, names, path, key)
            if of_class is not None:
                return of_class
        return self._adapted(kind, origin, path, key)

    def _of_class(
        self,
        kind: object,
        origin: Any,
        args: tuple[object, ...],
        names: Names,
        path: str,
        key: object,
    ) -> Shape | None:
        if is_pydantic(origin):
            return self._add(Atom(kind), key)
        if issubclass(origin, Enum):
            return self._add(self._members(kind, list(origin.__members__.values()), path), key)
        inner = names_in(origin, kind, generics_of(origin, args, names))
        fields = fields_of(origin)
        if fields is not None:
            # Register the shape before its fields: a class may contain itself.
            shape = self._add(Object(kind, origin, fields), key)
            shape.is_native = not inherits_typed_dict_of_generics(origin)
            self._under_way.add(id(shape))
            shape.parts += [
                self.shape(field.kind, inner, f"{path}.{field.wire_name}") for field in fields
            ]
            self._under_way.discard(id(shape))
            return shape
        if issubclass(origin, tuple):
            return self._tuple(kind, origin, args, names, path, key)
        if issubclass(origin, Mapping):
            return self._mapping(kind, origin, args, names, path, key)
        if is_subclass_of_builtin(origin):
            shape = self._add(Atom(kind, is_opaque=True), key)
            shape.parts += [
                self.shape(arg, inner, f"{path}[...]") for arg in arguments_of_base(origin)
            ]
            return shape
        make = list if origin in (Iterable, Reversible) else _maker(origin, b"[]")
        if make is None or len(args) > 1:
            return None
        options = {
            "is_native": make is not list or origin is list,
            "is_opaque": origin not in _LOOKED_INTO,
        }
        shape = self._add(Items(kind, make, **options), key)
        shape.parts.append(self.shape(args[0] if args else Any, names, f"{path}[...]"))
        return shape

    def _tuple(
        self,
        kind: object,
        origin: Any,
        args: tuple[object, ...],
        names: Names,
        path: str,
        key: object,
    ) -> Shape:
        fields: tuple[str, ...] | None = getattr(origin, "_fields", None)
        if fields is not None:
            hints = hints_of(origin)
            required = len(fields) - len(origin._field_defaults)
            inner = names_in(origin, kind, generics_of(origin, args, names))
            shape = self._add(Positions(kind, lambda values: origin(*values), required), key)
            shape.parts += [
                self.shape(hints.get(name, Any), inner, f"{path}.{name}") for name in fields
            ]
            return shape
        if origin is not tuple:
            return self._add(Atom(kind), key)
        if not args and kind != tuple[()]:
            args = (Any, ...)
        if len(args) == 2 and args[1] is Ellipsis:
            shape = self._add(Items(kind, tuple), key)
            shape.parts.append(self.shape(args[0], names, f"{path}[...]"))
            return shape
        shape = self._add(Positions(kind, tuple, None), key)
        shape.parts += [self.shape(a, names, f"{path}[{i}]") for i, a in enumerate(args)]
        return shape

    def _mapping(
        self,
        kind: object,
        origin: Any,
        args: tuple[object, ...],
        names: Names,
        path: str,
        key: object,
    ) -> Shape | None:
        make = _maker(origin, b"{}")
        if make is None:
            return None
        kinds = args or arguments_of_base(origin)
        if len(kinds) != 2:
            kinds = (kinds[0], int) if kinds else (Any, Any)  # a Counter has one
        shape = self._add(Pairs(kind, make, is_opaque=origin not in _LOOKED_INTO), key)
        shape.parts.append(self.shape(kinds[0], names, f"{path}[key]"))
        shape.parts.append(self.shape(kinds[1], names, f"{path}[...]"))
        return shape

    def _members(self, kind: object, members: list[object], path: str) -> Shape:
        try:
            return Members(kind, members, ENCODER.encode)
        except TypeError as error:
            raise TypeError(
                f"{path} is {name_of(kind)}, of whose values one is no JSON: {error}"
            ) from error

    def _adapted(self, kind: object, origin: object, path: str, key: object) -> Shape:
        """Build the shape of a type that only pydantic may support."""
        adapter = serdes.models.adapter_for(kind)
        if adapter is None:
            raise TypeError(
                f"{path} is {name_of(kind)}, which has no form in JSON that can be read back; use "
                "a dataclass, TypedDict, NamedTuple, msgspec.Struct or pydantic model (with "
                "pydantic installed, whatever its TypeAdapter reads)"
            )
        write, read = adapter
        if is_class(origin):
            self.writers[origin] = write
            self.encode = encoder_with(self.writers).encode
        return self._add(Adapted(kind, read), key)

    def _renamed(self, kind: object, meant: Callable[[], object], names: Names, path: str) -> Shape:
        """Build the shape of the type that a name denotes in this scope."""
        inner = self.shape(meant(), names, path)
        if kind is Self or isinstance(kind, ForwardRef):
            # msgspec cannot resolve the name in this scope.
            shape = self._add(Alias(kind, is_native=False))
            shape.parts.append(inner)
            return shape
        return inner

    def _encode_late(self, value: object) -> bytes:
        return self.encode(value)

    def _add(self, shape: Shape, key: object = None) -> Shape:
        self.shapes.append(shape)
        if key is not None:
            self._known[key] = shape
        return shape


def _maker(origin: Any, empty: bytes) -> Callable[[Any], Any] | None:
    """Return the class that msgspec uses for an abstract container: ``list`` for ``Sequence``, say."""
    try:
        made = msgspec.json.decode(empty, type=origin, dec_hook=read_foreign)
    except (msgspec.ValidationError, TypeError):
        return None
    make: Callable[[Any], Any] = class_of(made)
    return _without_factory if make is defaultdict else make


def _without_factory(pairs: dict[object, object]) -> defaultdict[Any, Any]:
    return defaultdict(None, pairs)
