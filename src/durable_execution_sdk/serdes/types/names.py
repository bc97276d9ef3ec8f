"""Resolve forward references, type variables and aliases in types, by the scope of the annotation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import (
    Annotated,
    Any,
    Final,
    ForwardRef,
    Generic,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
)
from typing import get_type_hints as typing_hints

import msgspec

from durable_execution_sdk.serdes.foreign import is_class

__all__ = [
    "Names",
    "arguments_of_base",
    "filled",
    "generics_of",
    "hints_of",
    "inherits_typed_dict_of_generics",
    "key_of",
    "meant_by",
    "names_in",
    "resolved",
]


class Names(msgspec.Struct, frozen=True):
    """The scope of an annotation.

    ``defined`` resolves forward references, ``owner`` is ``Self``, ``generics`` fills type variables.
    """

    defined: Mapping[str, object] = {}
    owner: object = None
    generics: Mapping[object, object] = {}


def key_of(kind: object, names: Names) -> object:
    """Return a cache key for a type in a scope; ``None`` if the type cannot be hashed.

    A class means the same in every scope; other types may contain names that do not.
    """
    try:
        hash(kind)
    except TypeError:
        return None
    return kind if is_class(kind) else (kind, id(names.defined), _hashable(names))


def _hashable(names: Names) -> object:
    return (names.owner, tuple(names.generics.items())) if names.generics else names.owner


def meant_by(kind: Any) -> Callable[[], object] | None:
    """Return a function that gives the type behind ``Annotated``, ``Final``, ``NewType`` or an alias."""
    origin: Any = get_origin(kind)
    if origin in (Annotated, Final):
        return lambda: get_args(kind)[0]
    if hasattr(kind, "__supertype__"):
        return lambda: kind.__supertype__
    if hasattr(origin, "__value__"):
        generics = dict(zip(origin.__type_params__, get_args(kind), strict=False))
        return lambda: filled(origin.__value__, generics)
    if hasattr(kind, "__value__") and not is_class(kind):
        return lambda: kind.__value__
    return None


def resolved(reference: ForwardRef, names: Names) -> object:
    """Evaluate a forward reference in a scope. Raises ``NameError`` if that fails."""
    text = reference.__forward_arg__
    try:
        return eval(text, dict(names.defined), {})  # noqa: S307 - an annotation, as typing evaluates it
    except Exception as error:
        raise NameError(f"{error} (in the annotation {text!r})") from error


def names_in(kind: object, owner: object, generics: Mapping[object, object]) -> Names:
    """Return the scope of the module that defines a class or an alias."""
    module = sys.modules.get(kind.__module__, sys.modules["builtins"])
    return Names(vars(module), owner, generics)


def generics_of(origin: object, args: tuple[object, ...], names: Names) -> Mapping[object, object]:
    """Map the type variables of a generic class to its arguments."""
    values = [filled(arg, names.generics) for arg in args]
    return dict(zip(getattr(origin, "__parameters__", ()), values, strict=False))


def hints_of(kind: Any) -> dict[str, Any]:
    """Return the annotations of a class's fields; inherited ones, by the arguments of the base.

    In ``class Lines(Page[Line])``, the field ``items: list[T]`` of ``Page`` is a ``list[Line]``.
    """
    hints = _resolved_hints(kind)
    generics: dict[object, Mapping[object, object]] = {}
    _add_bases(kind, {}, generics)
    if generics:
        owners: dict[str, object] = {}
        # The annotations of a TypedDict hold those of its bases, which are not in its ``__mro__``.
        is_typed_dict = hasattr(kind, "__required_keys__")
        for base in reversed([kind, *generics]) if is_typed_dict else kind.__mro__:
            for name in _own_annotations(base):
                owners.setdefault(name, base)
        for name, owner in owners.items():
            if owner in generics and name in hints:
                hints[name] = filled(hints[name], generics[owner])
    return hints


def inherits_typed_dict_of_generics(kind: Any) -> bool:
    """Return ``True`` for ``class Order(Page[Line])`` of a ``TypedDict``, whose ``T`` msgspec takes as ``Any``.

    msgspec 0.23 and later read it; those before lose the class of what is in it.
    """
    generics: dict[object, Mapping[object, object]] = {}
    if hasattr(kind, "__required_keys__"):
        _add_bases(kind, {}, generics)
    return bool(generics)


def _resolved_hints(kind: Any) -> dict[str, Any]:
    try:
        return typing_hints(kind, include_extras=True)
    except NameError:
        # Up to Python 3.12.3, typing does not know the type parameters of ``class Page[T]``.
        names = {
            parameter.__name__: parameter
            for base in reversed(kind.__mro__)
            for parameter in getattr(base, "__type_params__", ())
        }
        if not names:
            raise
        return typing_hints(kind, localns=names, include_extras=True)


def _add_bases(
    kind: Any, own: Mapping[object, object], generics: dict[object, Mapping[object, object]]
) -> None:
    """Add the arguments of each generic base class; ``own`` are those of the class itself."""
    for base in getattr(kind, "__orig_bases__", kind.__bases__):
        origin: Any = get_origin(base) or base
        if origin not in (Generic, Protocol, *generics) and is_class(origin):
            parameters: tuple[Any, ...] = getattr(origin, "__parameters__", ())
            args = [filled(arg, own) for arg in get_args(base) or parameters]
            inner = dict(zip(parameters, args, strict=False))
            if parameters:
                generics[origin] = inner
            _add_bases(origin, inner, generics)


def _own_annotations(kind: Any) -> Iterable[str]:
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations  # noqa: PLC0415 - 3.14 and later only

        return get_annotations(kind, format=Format.FORWARDREF)
    return getattr(kind, "__annotations__", ())


def filled(kind: Any, generics: Mapping[Any, Any]) -> object:
    """Substitute type variables; one without an argument becomes its bound, its constraints or ``Any``."""
    if isinstance(kind, TypeVar):
        value = generics.get(kind, kind)
        return _bound(kind) if value is kind else value
    parameters: tuple[Any, ...] = getattr(kind, "__parameters__", ())
    if not parameters or is_class(kind) or not generics:
        return kind
    return kind[tuple(generics.get(parameter, Any) for parameter in parameters)]


def _bound(variable: TypeVar) -> object:
    if variable.__constraints__:
        return Union[variable.__constraints__]  # noqa: UP007 - made at run time
    return Any if variable.__bound__ is None else variable.__bound__


def arguments_of_base(origin: object) -> tuple[object, ...]:
    """Return ``(Item,)`` for ``class Items(list[Item])``."""
    bases: tuple[object, ...] = getattr(origin, "__orig_bases__", ())
    return next((args for args in map(get_args, bases) if args), ())
