"""References to deployed functions, with the types of their events and results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import DurableHandler
from durable_execution_sdk.operations.lifecycle.argument_checks import check_serdes
from durable_execution_sdk.protocol.limits import MAX_NAME_CHARACTERS
from durable_execution_sdk.serdes import SerDes, serdes_for_type

__all__ = ["FunctionRef", "function_text", "is_qualified", "split_name"]

_E = TypeVar("_E")
_R = TypeVar("_R")
_I = TypeVar("_I")
_O = TypeVar("_O")


class FunctionRef(Generic[_E, _R]):
    """A deployed durable function, and the types of its event and of its result.

    ::

        ORDERS = FunctionRef("orders:live", input=Order, output=Receipt)
        ORDERS = FunctionRef("orders:live", handler=process_order)  # where the handler can be imported

    Args:
        name: the function's name or ARN with a version or an alias, as ``ctx.invoke`` takes it.
        handler: the handler, whose annotations and serdes are used.
        input: the type of the event; without one, plain JSON data.
        output: the type of the result; without one, plain JSON data.
        serdes: the serdes of the event and the result, if the handler has one: ``@durable_execution(serdes=...)``.

    Raises:
        ConfigError: the name has neither a version nor an alias, a type cannot be read, or options contradict one
            another.
    """

    @overload
    def __init__(self, name: str, *, handler: DurableHandler[_E, _R]) -> None: ...

    @overload
    def __init__(self, name: str, *, input: type[_E], output: type[_R]) -> None: ...

    @overload
    def __init__(self: FunctionRef[Any, _O], name: str, *, output: type[_O]) -> None: ...

    @overload
    def __init__(self: FunctionRef[_I, Any], name: str, *, input: type[_I]) -> None: ...

    @overload
    def __init__(
        self: FunctionRef[Any, Any],
        name: str,
        *,
        input: object = ...,
        output: object = ...,
        serdes: SerDes[Any] | None = ...,
    ) -> None: ...

    def __init__(
        self,
        name: str,
        *,
        handler: DurableHandler[Any, Any] | None = None,
        input: object = Any,  # noqa: A002 - the public name
        output: object = Any,
        serdes: SerDes[Any] | None = None,
    ) -> None:
        self.name = _checked(name)
        check_serdes("FunctionRef(serdes=...)", serdes)
        is_typed = input is not Any or output is not Any
        if (handler is not None) + is_typed + (serdes is not None) > 1:
            raise ConfigError(
                f"FunctionRef({name!r}) takes a handler, or the types input and output, or a serdes: one of these"
                " says how events are written and results are read"
            )
        self.event_serdes: SerDes[Any]
        self.result_serdes: SerDes[Any]
        if handler is not None:
            _check_handler(handler)
            self.event_serdes, self.result_serdes = handler.event_serdes, handler.result_serdes
        elif serdes is not None:
            self.event_serdes = self.result_serdes = serdes
        else:
            self.event_serdes = _named(
                f"FunctionRef({name!r}).input", lambda: serdes_for_type(input)
            )
            self.result_serdes = _named(
                f"FunctionRef({name!r}).output", lambda: serdes_for_type(output)
            )

    def __repr__(self) -> str:
        """Show the function's name."""
        return f"<FunctionRef {self.name}>"


def split_name(name: str) -> tuple[str, str | None]:
    """Split a function's name or ARN from its version or alias, which is ``None`` if there is none."""
    head, mark, tail = name.rpartition(":function:")
    short, _, qualifier = tail.partition(":")
    return f"{head}{mark}{short}", qualifier or None


def is_qualified(name: str) -> bool:
    """Tell whether a function's name or ARN has a version or an alias."""
    return split_name(name)[1] is not None


def function_text(name: object, asker: str) -> str:
    """Check the text of a function's name or ARN, with or without a version; ``asker`` begins the error."""
    is_name = isinstance(name, str) and 0 < len(name) <= MAX_NAME_CHARACTERS
    if isinstance(name, str) and is_name and name.isascii() and name.isprintable():
        return name
    raise ConfigError(
        f"{asker} takes the name or ARN of a function, 1 to {MAX_NAME_CHARACTERS} printable ASCII characters,"
        f" not {name!r}; a durable function needs its version or alias too, as in 'billing:live'"
    )


def _checked(name: object) -> str:
    text = function_text(name, "FunctionRef")
    if not is_qualified(text):
        bare = text.rstrip(":")
        raise ConfigError(
            f"the function {text!r} lacks a version or an alias, which durable functions are started with, since"
            " an execution keeps to one version of its code: write"
            f" '{bare}:live', '{bare}:7' or '{bare}:$LATEST'"
        )
    return text


def _check_handler(handler: object) -> None:
    if not isinstance(handler, DurableHandler):
        raise ConfigError(
            "FunctionRef(handler=...) takes the handler that @durable_execution made, not"
            f" {handler!r}; for a function of another program write input= and output="
        )


def _named(option: str, make: Callable[[], SerDes[Any]]) -> SerDes[Any]:
    try:
        return make()
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from error
