"""Run a durable handler as Lambda does: with decorators of Powertools around it."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.rig import Ran, Rig

from durable_execution_sdk.emulator.functions.invokers import Handler, InProcess
from durable_execution_sdk.emulator.functions.registry import Function

DAY = 86_400

Wrap = Callable[[Any], Handler]


def unwrapped(handler: Handler) -> Handler:
    return handler


def as_function(handler: Handler) -> Handler:
    """Hide a durable handler behind a function, as user code may do."""

    def call(event: Any, context: Any) -> object:
        return handler(event, context)

    return call


def rig_of(handler: Any, wrap: Wrap = unwrapped) -> Rig:
    """Return an engine in which Lambda calls ``wrap(handler)``."""
    rig = Rig(handler)
    rig.emulator.functions.add_function(
        Function(
            name="workflow",
            durable=True,
            connect=lambda plane: InProcess(wrap(handler.bind(plane))),
            execution_timeout=DAY,
        )
    )
    return rig


def run(handler: Any, event: Any = None, *, wrap: Wrap = unwrapped) -> Ran:
    """Run an execution to its end, or for a simulated day."""
    rig = rig_of(handler, wrap)
    return rig.drive(rig.start(event), until=rig.clock.now() + 1000 * DAY)


@contextmanager
def never_awaited() -> Iterator[None]:
    """Expect coroutines that nothing awaits: Python warns of one when it is deleted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
        gc.collect()
