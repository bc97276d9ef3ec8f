"""The functions that run in contexts: their checks and defaults, once for each function and invocation."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from msgspec import Struct

from durable_execution_sdk.operations.lifecycle.argument_checks import (
    check_context_function,
    named_after,
)
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.settings import MOST_CACHED_FUNCTIONS
from durable_execution_sdk.serdes import SerDes

__all__ = ["ContextDefaults", "defaults_of"]


class ContextDefaults(Struct, frozen=True):
    """The defaults that a function gives to its contexts. ``count`` is the number of arguments in the check."""

    count: int
    name: str | None
    serdes: SerDes[Any]


def defaults_of(
    operation: str, function: Callable[..., Any], args: tuple[Any, ...], run: InvocationRun
) -> ContextDefaults:
    """Check the function of a context, and return its defaults; those of a plain function are cached.

    Raises ``ConfigError`` for a function that does not take a context and ``args``.
    """
    is_plain = type(function) is FunctionType
    cached: ContextDefaults | None = run.said_by_contexts.get(function) if is_plain else None
    if cached is not None and cached.count == len(args):
        return cached
    check_context_function(operation, function, 1, "its context", args)
    serdes = run.settings.serdes_for(function)
    defaults = ContextDefaults(len(args), named_after(function), serdes)
    if is_plain:
        if len(run.said_by_contexts) >= MOST_CACHED_FUNCTIONS:
            run.said_by_contexts.clear()
        run.said_by_contexts[function] = defaults
    return defaults
