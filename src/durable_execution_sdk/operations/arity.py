"""Checks, in the call of an operation, that its function accepts the arguments that it will get.

Without them a wrong signature would fail an attempt, which is retried, or an item of a map, which the map
tolerates. Only calls that Python is certain to refuse are refused here. A decorator's wrapper counts as
it is, without regard to the function that it wraps.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, cast

from durable_execution_sdk.errors import ConfigError

__all__ = ["arity_of", "check_arguments", "check_context_function", "counted", "misfit"]

# The arity of functions without code in Python: any number of arguments.
_ANY = (0, sys.maxsize)
# The arity of functions that no number of positional arguments suits.
_NONE = (1, 0)

# A gap in the arguments of a partial, which a later one fills (Python 3.14).
_PLACEHOLDER: Any = getattr(functools, "Placeholder", object())

# The flags of a coroutine function without *args and **kwargs.
_PLAIN = inspect.CO_OPTIMIZED | inspect.CO_NEWLOCALS | inspect.CO_COROUTINE | inspect.CO_NESTED

_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def arity_of(function: Callable[..., Any]) -> tuple[int, int]:
    """Return the fewest and the most positional arguments that the function accepts."""
    inner, bound, keywords = _unwrapped(function)
    if type(inner) is not FunctionType:
        return _ANY
    code, defaults = inner.__code__, inner.__kwdefaults__ or {}
    count = code.co_argcount
    names = code.co_varnames[:count]
    if keywords or code.co_kwonlyargcount:
        only = code.co_varnames[count : count + code.co_kwonlyargcount]
        if not keywords.union(defaults).issuperset(only):
            return _NONE
        by_keyword = {*names[code.co_posonlyargcount :], *only}
        if not (code.co_flags & inspect.CO_VARKEYWORDS or by_keyword.issuperset(keywords)):
            return _NONE
    # Positional arguments can only reach parameters before the first one that is set by keyword.
    free = count
    least = count - len(inner.__defaults__ or ())
    if keywords:
        taken = [
            index
            for index, name in enumerate(names)
            if index >= code.co_posonlyargcount and name in keywords
        ]
        needed = [index for index in range(least) if index not in taken]
        least = needed[-1] + 1 if needed else 0
        free = taken[0] if taken else count
    most = sys.maxsize if code.co_flags & inspect.CO_VARARGS and free == count else free - bound
    return least - bound, most


def check_arguments(
    operation: str, function: Callable[..., Any], count: int, arguments: str
) -> None:
    """Raise ``ConfigError`` for a function that does not accept so many arguments.

    ``arguments`` describes them for the message.
    """
    least, most = arity_of(function)
    if not least <= count <= most:
        raise misfit(operation, function, arguments)


def check_context_function(
    operation: str, function: Callable[..., Any], count: int, arguments: str
) -> None:
    """Raise ``ConfigError`` for a function of another arity, and for a generator function."""
    if type(function) is FunctionType:
        code = function.__code__
        if (
            code.co_argcount == count
            and code.co_flags | inspect.CO_NESTED == _PLAIN
            and not code.co_kwonlyargcount
        ):
            return  # as nearly all are
    check_arguments(operation, function, count, arguments)
    inner, _, _ = _unwrapped(function)
    if type(inner) is not FunctionType:
        return
    flags = inner.__code__.co_flags
    if flags & _GENERATORS and not flags & inspect.CO_ITERABLE_COROUTINE:
        raise ConfigError(
            f"{operation} takes an async function that returns its result (async def), and"
            f" {_name(function)} is a generator, whose code would never run: it must not yield"
        )


def misfit(operation: str, function: Callable[..., Any], arguments: str) -> ConfigError:
    """Make the error for a function that does not accept its arguments."""
    try:
        signature = str(inspect.signature(function, follow_wrapped=False))
    except (TypeError, ValueError):
        signature = "others"
    return ConfigError(
        f"{operation} calls {_name(function)} with {arguments}, and its parameters are {signature};"
        " functools.partial binds arguments that it needs besides, keywords too"
    )


def counted(args: tuple[object, ...]) -> str:
    """Format the number of arguments, for messages."""
    return f"{len(args)} argument{'' if len(args) == 1 else 's'}"


def _unwrapped(function: Callable[..., Any]) -> tuple[Any, int, set[str]]:
    """Return the function inside of partials, the number of its bound positions, and its bound keywords."""
    inner: Any = function
    bound, keywords = 0, set[str]()
    while isinstance(inner, functools.partial):
        bound += sum(argument is not _PLACEHOLDER for argument in inner.args)
        keywords.update(inner.keywords)
        inner = inner.func
    if isinstance(inner, MethodType):
        return inner.__func__, bound + 1, keywords
    if not inspect.isroutine(inner) and not inspect.isclass(inner):
        # For an instance, the method of its class is called with it.
        kind = cast("Any", type(inner))
        return inspect.getattr_static(kind, "__call__", None), bound + 1, keywords
    return inner, bound, keywords


def _name(function: Callable[..., Any]) -> str:
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    return getattr(inner, "__qualname__", None) or f"a {type(inner).__qualname__}"
