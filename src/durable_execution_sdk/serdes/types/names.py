"""Resolve forward references, type variables and aliases in types, by the scope of the annotation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, ForwardRef, TypeVar, Union, get_args, get_origin

import msgspec

from durable_execution_sdk.serdes.foreign import is_class

__all__ = [
    "Names",
    "arguments_of_base",
    "filled",
    "generics_of",
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
