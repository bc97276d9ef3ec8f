"""The registry of functions of a test: the tested workflow, and the functions that it may invoke."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import cast

from durable_execution_sdk.emulator.clock import Clock
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import AnyHandler, DurableHandler
from durable_execution_sdk.testing.local.functions import add_function
from durable_execution_sdk.testing.local.handler_calls import Calls
from durable_execution_sdk.testing.local.options import RunnerOptions
from durable_execution_sdk.testing.local.slow_bodies import FlowingRun

__all__ = ["functions_of"]


def functions_of(
    options: RunnerOptions, handler: AnyHandler, calls: Calls, clock: Clock
) -> Functions:
    """Register all functions of a test under their names."""
    functions = Functions()
    for name, registered in options.functions.items():
        add_function(functions, name, _flowing(registered, clock, calls), calls.with_captured_logs)
    if functions.get(options.function_name) is not None:
        raise ConfigError(
            f"functions={{{options.function_name!r}: ...}} has the name of the workflow that is tested;"
            " give that another one with function_name="
        )
    add_function(
        functions,
        options.function_name,
        handler,
        calls.with_captured_logs,
        execution_timeout=-(-options.execution_timeout // timedelta(seconds=1)),
        timeout=options.invocation_timeout.total_seconds(),
    )
    return functions


def _flowing(registered: object, clock: Clock, calls: Calls) -> object:
    """Return the function; for a durable handler, one whose slow step bodies take virtual time."""
    if isinstance(registered, DurableHandler):
        return cast("DurableHandler[object, object]", registered).made_by(
            partial(FlowingRun, clock, calls.function_left)
        )
    return registered


class CountedIds:
    """A generator of ids that are the same in each run of a test."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self) -> str:
        self._count += 1
        return f"00000000-0000-4000-8000-{self._count:012}"
