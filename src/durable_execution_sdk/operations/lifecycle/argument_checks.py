"""Checks of the functions, names and options that an operation is called with.

Without them a wrong signature would fail an attempt, which is retried, or an item of a map, which the map
tolerates. Only calls that Python is certain to refuse are refused here. Of a decorated function the parameters
of the wrapper count, not those of the function inside.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, cast

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.limits import (
    LONGEST_CALLBACK_TIMEOUT_SECONDS,
    MAX_NAME_CHARACTERS,
)
from durable_execution_sdk.runtime.bodies import with_resources

__all__ = [
    "arity_of",
    "check_arguments",
    "check_config",
    "check_context_function",
    "check_required_strategy",
    "check_result_type",
    "check_serdes",
    "check_strategy",
    "check_timeouts",
    "checked_name",
    "counted",
    "exact_text",
    "followed_by",
    "misfit",
    "named_after",
    "timeout_seconds",
    "unwrapped",
]

# Characters of a name that a message shows.
_SHOWN = 60


def check_config(operation: str, config: object, kind: type) -> None:
    """Raise ``ConfigError`` for a ``config`` of another class, such as a strategy by itself."""
    if config is not None and not isinstance(config, kind):
        raise ConfigError(f"{operation} takes config={kind.__name__}(...), not {config!r}")


def check_serdes(option: str, serdes: object) -> None:
    """Raise ``ConfigError`` for an object without ``serialize`` and ``deserialize``, and for a class."""
    if isinstance(serdes, type) and _is_method(serdes, "serialize"):
        raise ConfigError(f"{option} must be a serdes, and {_class_of(serdes)}")
    if serdes is not None and not (hasattr(serdes, "serialize") and hasattr(serdes, "deserialize")):
        raise ConfigError(f"{option} must have serialize() and deserialize(), {serdes!r} has not")


def check_strategy(option: str, strategy: object) -> None:
    """Raise ``ConfigError`` for an object that is not ``None`` and no retry strategy."""
    if strategy is not None:
        check_required_strategy(option, strategy, "ExponentialBackoff()")


def check_required_strategy(option: str, strategy: object, example: str) -> None:
    """Raise ``ConfigError`` for an object that is no strategy, and for the class of one."""
    if isinstance(strategy, type):
        raise ConfigError(
            f"{option} must be a strategy, such as {example}, and {_class_of(strategy)}"
        )
    if not callable(strategy):
        raise ConfigError(f"{option} must be a strategy, such as {example}, not {strategy!r}")


def _is_method(owner: type, name: str) -> bool:
    """Return ``True`` if the class has a method with this name, which needs an instance."""
    return type(inspect.getattr_static(owner, name, None)) is FunctionType


def _class_of(cls: type) -> str:
    return f"{cls.__qualname__} is a class; did you mean {cls.__qualname__}()?"


def check_result_type(config: str, result_type: object, serdes: object) -> None:
    """Raise ``ConfigError`` if both a ``result_type`` and a ``serdes`` are given."""
    if result_type is not None and serdes is not None:
        raise ConfigError(f"{config} takes a result_type or a serdes, not both")


def check_timeouts(
    config: str, timeout: DurationLike | None, heartbeat: DurationLike | None
) -> None:
    """Raise ``ConfigError`` for timeouts that the service would refuse."""
    total = timeout_seconds(f"{config}.timeout", timeout)
    beat = timeout_seconds(f"{config}.heartbeat_timeout", heartbeat)
    if total and beat and beat >= total:
        raise ConfigError(
            f"{config}: heartbeat_timeout ({beat} s) must be shorter than timeout ({total} s), or it"
            " could never be what ends the callback"
        )


def timeout_seconds(option: str, timeout: DurationLike | None) -> int | None:
    """Convert a callback's timeout to whole seconds; ``None`` for no timeout.

    Raises ``ConfigError`` for a timeout that is too long.
    """
    if timeout is None:
        return None
    checked = Duration.of(timeout, option).checked(option, 0, LONGEST_CALLBACK_TIMEOUT_SECONDS)
    return checked.to_seconds() or None


def checked_name(name: str | None, operation: str) -> str | None:
    """Return a name if the service accepts it: 1 to 256 printable ASCII characters (``OperationName``).

    Raises ``ConfigError`` otherwise.
    """
    if name is not None and not _is_name(name):
        article = "an" if operation[0] in "aeiou" else "a"
        raise ConfigError(
            f"{name!r} cannot name {article} {operation}: a name is 1 to {MAX_NAME_CHARACTERS}"
            f" printable ASCII characters; {_instead_of(name)}"
        )
    return name if name is None or name.__class__ is str else exact_text(name)


def exact_text(text: str) -> str:
    """Return a plain ``str`` of an instance of a subclass, as template libraries have; msgspec refuses those."""
    return str.__str__(text)


def _instead_of(name: object) -> str:
    """Return the advice for a name that is refused."""
    if not isinstance(name, str):
        several = "several functions are given in a list, as in ctx.parallel([a, b])"
        return several if callable(name) else "str(...) makes a text of it"
    if not name:
        return "leave it out if there is none"
    if not (name.isascii() and name.isprintable()):
        shown = name.encode("unicode_escape").decode()[:_SHOWN]
        return f'name.encode("unicode_escape").decode() writes it as {shown}'
    return f"this one has {len(name):,}: name[:{MAX_NAME_CHARACTERS}] is short enough"


def named_after(function: Callable[..., Any]) -> str | None:
    """Return the name of a function as the default name of its operation; ``None`` if it has none."""
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    name: Any = getattr(inner, "__name__", None)
    return exact_text(name) if _is_name(name) and name != "<lambda>" else None


def _is_name(name: object) -> bool:
    if not isinstance(name, str):
        return False
    return name.isascii() and name.isprintable() and 0 < len(name) <= MAX_NAME_CHARACTERS


# The arity of functions without code in Python: any number of arguments.
_ANY = (0, sys.maxsize)
# The arity of functions that no number of positional arguments suits.
_NONE = (1, 0)

# A gap in the arguments of a partial, which a later one fills (Python 3.14).
_PLACEHOLDER: object = getattr(functools, "Placeholder", object())

# The flags of a coroutine function without *args and **kwargs.
_PLAIN = inspect.CO_OPTIMIZED | inspect.CO_NEWLOCALS | inspect.CO_COROUTINE | inspect.CO_NESTED

_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def arity_of(function: Callable[..., object]) -> tuple[int, int]:
    """Return the fewest and the most positional arguments that the function accepts."""
    inner, bound, keywords = unwrapped(function)
    if (given := with_resources(function)) is not None:
        keywords.update(given.names)
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
    operation: str, function: Callable[..., object], count: int, arguments: str
) -> None:
    """Raise ``ConfigError`` for a function that does not accept so many arguments, which ``arguments`` describes."""
    least, most = arity_of(function)
    if not least <= count <= most:
        raise misfit(operation, function, arguments)


def check_context_function(
    operation: str,
    function: Callable[..., object],
    own: int,
    arguments: str,
    args: tuple[object, ...] = (),
) -> None:
    """Raise ``ConfigError`` for a function of another arity, and for a generator function.

    The operation calls it with so many arguments of its ``own``, which ``arguments`` describes, and ``args``.
    """
    count = own + len(args)
    if type(function) is FunctionType:
        code = function.__code__
        if (
            code.co_argcount == count
            and code.co_flags | inspect.CO_NESTED == _PLAIN
            and not code.co_kwonlyargcount
        ):
            return  # as nearly all are
    if (given := with_resources(function)) is not None:
        raise given.refusal(operation)
    check_arguments(operation, function, count, followed_by(arguments, args))
    inner, _, _ = unwrapped(function)
    if type(inner) is not FunctionType:
        return
    flags = inner.__code__.co_flags
    if flags & _GENERATORS and not flags & inspect.CO_ITERABLE_COROUTINE:
        raise ConfigError(
            f"{operation} takes an async function that returns its result (async def), and"
            f" {_name(function)} is a generator, whose code would never run: it must not yield"
        )


def misfit(operation: str, function: Callable[..., object], arguments: str) -> ConfigError:
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


def followed_by(arguments: str, args: tuple[object, ...]) -> str:
    """Add the user's arguments, for messages, to the description of the operation's own."""
    return f"{arguments} and {counted(args)}" if args else arguments


def unwrapped(function: Callable[..., object]) -> tuple[object, int, set[str]]:
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
