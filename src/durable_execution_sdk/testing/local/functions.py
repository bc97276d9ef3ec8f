"""The functions that a workflow can invoke in a test: real handlers, or fixed results."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import msgspec

from durable_execution_sdk.emulator.functions.invokers import Handler
from durable_execution_sdk.emulator.functions.registry import Bind, Functions
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import AnyHandler, DurableHandler
from durable_execution_sdk.serdes import JsonSerDes, ValueContext

__all__ = ["Raises", "Registered", "Returns", "add_function"]


class Returns(msgspec.Struct, frozen=True):
    """A function that returns this value for every input.

    The value is written as the SDK writes results, so it may be a dataclass or a model.
    """

    value: object = None


class Raises(msgspec.Struct, frozen=True):
    """A function that raises this exception for every input.

    The workflow gets an ``InvokeError`` with the exception's class name and message, as it would from a
    Lambda function.
    """

    error: Exception


Registered = AnyHandler | Handler | Returns | Raises
"""A durable handler, a plain Lambda handler ``(event, context)``, or a fixed result."""


def add_function(
    functions: Functions,
    name: str,
    registered: object,
    wrap: Callable[[Handler], Handler],
    **durable: Any,
) -> None:
    """Register a function under a name; ``durable`` holds options for a durable handler."""
    match registered:
        case DurableHandler():
            functions.add_durable(name, _wrapped_bind(registered.bind, wrap), **durable)
        case Returns():
            functions.add_plain(name, _returning(name, registered))
        case Raises(error) if isinstance(cast("object", error), Exception):
            functions.add_plain(name, _raising(registered))
        case Raises(error):
            raise ConfigError(
                f"functions={{{name!r}: Raises(...)}} takes an exception, not {error!r}"
            )
        case _ if callable(registered) and not inspect.iscoroutinefunction(registered):
            functions.add_plain(name, wrap(registered))
        case _:
            raise ConfigError(
                f"functions={{{name!r}: ...}} takes a @durable_execution handler, a function"
                f" (event, context), Returns(value) or Raises(error), not {registered!r}"
            )


def _wrapped_bind(bind: Bind, wrap: Callable[[Handler], Handler]) -> Bind:
    return lambda plane: wrap(bind(plane))


def _returning(name: str, answer: Returns) -> Handler:
    context = ValueContext(operation_id=name, subject=f"the Returns(...) of {name}")
    written = JsonSerDes[object]().serialize(answer.value, context)
    return lambda _event, _context: msgspec.json.decode(written)


def _raising(answer: Raises) -> Handler:
    def fail(_event: object, _context: object) -> None:
        raise answer.error

    return fail
