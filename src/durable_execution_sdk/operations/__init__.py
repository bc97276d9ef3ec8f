"""A module for each operation, loaded when somebody first asks for it.

A cold start pays for every module that it loads, and most workflows use few of these. So whoever must
know all of them, as ``context`` does, asks this package: ``operations.map.map_items(...)``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from durable_execution_sdk.operations import (
        batch,
        callback,
        child,
        combinators,
        execution,
        invoke,
        map,  # noqa: A004 - it is called what the operation is called
        parallel,
        saga,
        wait,
        wait_for_callback,
        wait_for_condition,
        with_retry,
    )

__all__ = [
    "batch",
    "callback",
    "child",
    "combinators",
    "execution",
    "invoke",
    "map",
    "parallel",
    "saga",
    "wait",
    "wait_for_callback",
    "wait_for_condition",
    "with_retry",
]

# Type checkers see the imports above, and would take any name at all from a __getattr__.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> "ModuleType":
        """Load a module; from then on it is an attribute like any other."""
        if name in __all__:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
