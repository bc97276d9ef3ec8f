"""Make the serdes for an annotation of a function.

Only the annotation that is needed is resolved, so other annotations of the function may use imports
under ``TYPE_CHECKING``. An annotation that cannot be resolved or read raises ``ConfigError``: without it
a value would come back as plain data where the annotation promises a class.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import CodeType, FunctionType, MethodType
from typing import Any, ForwardRef, Never, NoReturn, Self, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.serdes.foreign import class_of, name_of
from durable_execution_sdk.serdes.protocol import SerDes
from durable_execution_sdk.serdes.values import JsonSerDes

__all__ = [
    "annotations_of",
    "parameter_text",
    "resolved",
    "serdes_for_parameter",
    "serdes_for_return",
    "serdes_for_type",
]

_RETURN = -1
_IS_COROUTINE_FUNCTION = 0x80
_HAS_VARARGS = 0x04
_UNTYPED: SerDes[object] = JsonSerDes()
_WITHOUT_TYPE: tuple[object, ...] = (Any, object, NoReturn, Never)
_CODE: CodeType = (lambda: None).__code__

_cache: WeakKeyDictionary[object, dict[int, SerDes[object]]] = WeakKeyDictionary()


def serdes_for_return(func: Callable[..., object]) -> SerDes[object]:
    """Return the serdes for the return value of ``func``, awaited if it is awaitable.

    Raises ``ConfigError`` if the annotation cannot be resolved or read. The result is cached by function.
    """
    try:
        return _cache[func][_RETURN]
    except (KeyError, TypeError):
        return _serdes_for(func, _RETURN)


def serdes_for_parameter(func: Callable[..., object], index: int) -> SerDes[object]:
    """Return the serdes for the positional argument ``index`` (from 0) of a call of ``func``.

    Raises ``ConfigError`` if the annotation cannot be resolved or read. The result is cached by function.
    """
    try:
        return _cache[func][index]
    except (KeyError, TypeError):
        return _serdes_for(func, index)


def parameter_text(func: Callable[..., object], index: int) -> str:
    """Write the parameter that gets the positional argument ``index``, as in ``event: Order``."""
    function, skipped, _ = _function_of(func)
    name = "" if function is None else _parameter(function.__code__, index + skipped)
    if function is None or name not in annotations_of(function):
        return name
    annotation = annotations_of(function)[name]
    return f"{name}: {annotation if isinstance(annotation, str) else name_of(annotation)}"


def serdes_for_type(kind: Any) -> SerDes[Any]:
    """Return the serdes for a type. Raises ``ConfigError`` if its values could not be read back."""
    try:
        return _serdes_for_hashable(kind)
    except TypeError:
        return _make(kind)


@functools.lru_cache(maxsize=512)
def _serdes_for_hashable(kind: object) -> SerDes[object]:
    return _make(kind)


def _make(kind: object) -> SerDes[object]:
    return _UNTYPED if kind in _WITHOUT_TYPE else JsonSerDes(kind)


def _serdes_for(func: object, place: int) -> SerDes[object]:
    if isinstance(func, type):
        return serdes_for_type(func) if place == _RETURN else _UNTYPED
    function, skipped, owner = _function_of(func)
    if function is None or not annotations_of(function):
        return _UNTYPED
    own_place = place if place == _RETURN else place + skipped
    cache = _cache.setdefault(function, {})
    serdes = cache.get(own_place)
    if serdes is None:
        serdes, depends_on_owner = _make_for(function, own_place, owner)
        if depends_on_owner:
            return serdes
        cache[own_place] = serdes
    if isinstance(func, FunctionType):
        _cache.setdefault(func, {})[place] = serdes
    return serdes


def _make_for(function: FunctionType, place: int, owner: object) -> tuple[SerDes[object], bool]:
    """Make the serdes for an annotation; the flag is True if it depends on the method's class."""
    hint: object = Any
    try:
        hint = _hint(function, place)
        if _holds(hint, lambda part: part is Self):
            return JsonSerDes(hint, names=_names(function), owner=owner), True
        if _holds(hint, lambda part: isinstance(part, (str, ForwardRef))):
            return JsonSerDes(hint, names=_names(function)), False
        return serdes_for_type(hint), False
    except ConfigError as error:
        place_name = "the return value" if place == _RETURN else f"parameter {place + 1}"
        raise ConfigError(
            f"the annotation of {place_name} in {function.__module__}.{function.__qualname__}: {error}"
        ) from error


def _holds(kind: object, is_it: Callable[[object], bool]) -> bool:
    return is_it(kind) or any(_holds(part, is_it) for part in get_args(kind))


def _function_of(func: Any) -> tuple[FunctionType | None, int, object]:
    """Unwrap a callable: its function, the number of bound parameters, and the class for ``Self``."""
    skipped = 0
    owner: object = None
    for _ in range(100):
        if isinstance(func, functools.partial):
            skipped += len(func.args)
            func = func.func
        elif isinstance(func, MethodType):
            skipped += 1
            owner = func.__self__ if isinstance(func.__self__, type) else class_of(func.__self__)
            func = func.__func__
        elif (wrapped := getattr(func, "__wrapped__", None)) is not None:
            func = wrapped
        elif isinstance(func, FunctionType):
            return func, skipped, owner
        else:
            call = class_of(func).__call__
            if not isinstance(call, FunctionType):
                break
            skipped += 1
            owner = class_of(func)
            func = call
    return None, 0, None


def _hint(function: FunctionType, place: int) -> object:
    name = "return" if place == _RETURN else _parameter(function.__code__, place)
    hint = resolved(function, annotations_of(function).get(name, Any))
    if place == _RETURN and not function.__code__.co_flags & _IS_COROUTINE_FUNCTION:
        return _awaited(hint)
    return hint


def _parameter(code: CodeType, place: int) -> str:
    if place < code.co_argcount:
        return code.co_varnames[place]
    if code.co_flags & _HAS_VARARGS:
        return code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
    return ""


def annotations_of(function: FunctionType) -> dict[str, object]:
    """Return the annotations of a function, texts as they are written."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations  # noqa: PLC0415 - 3.14 and later only

        return get_annotations(function, format=Format.FORWARDREF)
    return function.__annotations__


def resolved(function: FunctionType, annotation: object) -> object:
    """Evaluate an annotation of a function. Raises ``ConfigError`` if it names what is not there."""
    if annotation is Any or type(annotation) is type:
        return annotation
    carrier = FunctionType(_CODE, function.__globals__)
    carrier.__annotations__ = {"return": annotation}
    try:
        return get_type_hints(carrier, localns=_local_names(function), include_extras=True)[
            "return"
        ]
    except Exception as error:
        raise ConfigError(
            f"{annotation!r} cannot be resolved: {error}. It is needed at run time: import what it "
            "names outside of TYPE_CHECKING, and define classes at module level, or give the "
            "operation or the handler a serdes of its own, such as JsonSerDes()"
        ) from error


def _names(function: FunctionType) -> dict[str, object]:
    return {**function.__globals__, **_local_names(function)}


def _local_names(function: FunctionType) -> dict[str, object]:
    """Return the names of the function's closure and of its type parameters."""
    names: dict[str, Any] = {
        kind.__name__: kind for kind in getattr(function, "__type_params__", ())
    }
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return names


def _awaited(hint: object) -> object:
    """Return the type of the awaited value, if the hint is an awaitable."""
    if not hasattr(get_origin(hint) or hint, "__await__"):
        return hint
    args = get_args(hint)
    return args[-1] if args else Any
