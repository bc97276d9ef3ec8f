"""Find the parameters of a function that are resources; tell the ones that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import FunctionType
from typing import Any, get_args

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.operations.lifecycle.argument_checks import unwrapped
from durable_execution_sdk.operations.resources.markers import (
    INJECTED,
    Dependency,
    Depends,
    Injected,
    name_of,
)
from durable_execution_sdk.serdes.annotations import annotations_of, resolved

__all__ = ["dependencies_of", "needed_by"]

_MARK = "Annotated[..., Depends(...)]"


def dependencies_of(function: Callable[..., object]) -> dict[str, Dependency]:
    """Return the resources of a function, by parameter. Those that a partial binds are given already.

    Raises ``ConfigError`` for a mark that could not have the effect that it promises.
    """
    inner, _, keywords = unwrapped(function)
    inner = _inside(inner)
    if inner is None:
        return {}
    code = inner.__code__
    count = code.co_argcount
    names = code.co_varnames[: count + code.co_kwonlyargcount]
    annotations = annotations_of(inner)
    defaults = _defaults(inner)
    if not annotations and not any(
        isinstance(each, Injected) or each is Depends for each in defaults.values()
    ):
        return {}
    where = name_of(function)
    found = {
        name: mark
        for name in names
        if name not in keywords
        and (mark := _mark(inner, name, annotations.get(name, Any), defaults.get(name), where))
    }
    _check_variadic(inner, annotations, where)
    if found:
        _check_places(names[:count], code.co_posonlyargcount, found, {*defaults, *keywords}, where)
    return found


def needed_by(make: Callable[..., object], found: dict[str, Dependency]) -> list[str]:
    """Return the parameters of a maker that nothing gives."""
    inner, bound, keywords = unwrapped(make)
    bound += isinstance(inner, type)
    inner = _inside(inner)
    if inner is None:
        return []
    code = inner.__code__
    names = code.co_varnames[bound : code.co_argcount + code.co_kwonlyargcount]
    given = {*_defaults(inner), *found, *keywords}
    return [name for name in names if name not in given]


def _inside(inner: object) -> FunctionType | None:
    """Return the function whose parameters count: of a class its ``__init__``, of a wrapper the one that it wraps.

    A wrapper that takes any keyword hands the resources on.
    """
    if isinstance(inner, type):
        inner = inner.__dict__.get("__init__")
    while isinstance(inner, FunctionType):
        wrapped: object = getattr(inner, "__wrapped__", None)
        if wrapped is None or not inner.__code__.co_flags & CO_VARKEYWORDS:
            return inner
        inner = wrapped
    return None


def _defaults(function: FunctionType) -> dict[str, object]:
    code = function.__code__
    values = function.__defaults__ or ()
    named = code.co_varnames[code.co_argcount - len(values) : code.co_argcount]
    return {**dict(zip(named, values, strict=True)), **(function.__kwdefaults__ or {})}


def _mark(
    function: FunctionType, name: str, annotation: object, default: object, where: str
) -> Dependency | None:
    """Return the mark of a parameter: in its annotation, or as its default."""
    place = f"parameter {name!r} of {where}"
    marks = list(_marks(_resolved(function, annotation, default), place))
    if default is Depends or default is Dependency:
        raise ConfigError(
            f"{place} has the default Depends itself: call it with the function that makes the resource,"
            f" {name}: Client = Depends(get_client)"
        )
    if isinstance(default, Dependency):
        marks.append(default)
    if len(marks) > 1:
        raise ConfigError(f"{place} has two marks, {marks[0]!r} and {marks[1]!r}: leave one out")
    if not marks and default is INJECTED:
        raise ConfigError(
            f"{place} has the default INJECTED and no {_MARK}, so nothing makes its value: annotate it"
            f" with {name}: Annotated[Client, Depends(get_client)]"
        )
    return marks[0] if marks else None


def _resolved(function: FunctionType, annotation: object, default: object) -> object:
    """Evaluate an annotation that is text; one that names what is not there can hold no mark that counts."""
    try:
        return resolved(function, annotation)
    except ConfigError:
        if default is INJECTED or "Depends" in str(annotation):
            raise
        return Any


def _marks(hint: object, place: str, *, is_outermost: bool = True) -> Iterator[Dependency]:
    """Yield the marks of an annotation. Raises ``ConfigError`` for those that are written wrongly."""
    metadata: tuple[object, ...] = getattr(hint, "__metadata__", ())
    for part in metadata:
        if part is Depends or part is INJECTED or part is Dependency:
            raise ConfigError(
                f"{place} is annotated with {name_of(part)} itself: write {_MARK} with the function that"
                " makes the resource"
            )
        if isinstance(part, Dependency):
            if not is_outermost:
                raise ConfigError(
                    f"{place} has {part!r} inside of its annotation: it belongs outside,"
                    " Annotated[Client | None, Depends(...)]"
                )
            yield part
        elif type(part).__name__ == "Depends":
            raise ConfigError(
                f"{place} is marked with the Depends of {type(part).__module__}, which this SDK does not"
                " know: from durable_execution_sdk import Depends"
            )
    if (
        type(hint).__name__ == "TypeAliasType"
    ):  # of a statement ``type Given = Annotated[...]`` (Python 3.12)
        yield from _marks(getattr(hint, "__value__", None), place, is_outermost=is_outermost)
    for part in get_args(hint)[: 1 if metadata else None]:
        yield from _marks(part, place, is_outermost=False)


def _check_variadic(function: FunctionType, annotations: dict[str, object], where: str) -> None:
    """Raise ``ConfigError`` for a mark on ``*args`` or ``**kwargs``."""
    code = function.__code__
    first = code.co_argcount + code.co_kwonlyargcount
    flags = bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)
    for name in code.co_varnames[first : first + flags]:
        hint = _resolved(function, annotations.get(name, Any), None)
        if next(_marks(hint, f"parameter {name!r} of {where}"), None) is not None:
            raise ConfigError(
                f"parameter {name!r} of {where} takes many values, and can be no resource"
            )


def _check_places(
    names: tuple[str, ...],
    position_only: int,
    found: dict[str, Dependency],
    optional: set[str],
    where: str,
) -> None:
    """Raise ``ConfigError`` for resources that a call by position would run into. They are given by keyword."""
    only = [name for name in names[:position_only] if name in found]
    if only:
        raise ConfigError(
            f"parameter {only[0]!r} of {where} is a resource, which is given by its name: move it behind the /"
        )
    first = next((index for index, name in enumerate(names) if name in found), len(names))
    late = [name for name in names[first:] if name not in found and name not in optional]
    if late:
        raise ConfigError(
            f"parameter {names[first]!r} of {where} is a resource and stands before {late[0]!r}, which the call"
            f" passes: put resources last, as in ({late[0]}, *, {names[first]}: {_MARK} = INJECTED)"
        )
