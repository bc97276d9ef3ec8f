"""Which handler stands for which requirement, and the functions beside them."""

from __future__ import annotations

from typing import Any

from tests.conformance.handlers import (
    callback,
    child,
    invoke,
    map,
    parallel,
    plugin,
    step,
    wait,
    wait_for_callback,
    wait_for_condition,
)
from tests.conformance.service import World

from durable_execution_sdk import DurableHandler

HANDLERS: dict[str, DurableHandler[Any, Any]] = {
    **step.HANDLERS,
    **wait.HANDLERS,
    **child.HANDLERS,
    **callback.HANDLERS,
    **invoke.HANDLERS,
    **wait_for_condition.HANDLERS,
    **wait_for_callback.HANDLERS,
    **parallel.HANDLERS,
    **map.HANDLERS,
    **plugin.HANDLERS,
}

TARGETS = invoke.TARGETS

CRASHING = {"1-17"}
"""Whose handlers end the process that they run in."""


def function_of(requirement_id: str) -> str:
    """The name of the function that a requirement's handler is deployed as."""
    return f"requirement-{requirement_id}"


def deploy(world: World) -> World:
    """Deploy every handler, and the functions that they may invoke."""
    for requirement_id, handler in HANDLERS.items():
        world.functions.add_durable(function_of(requirement_id), handler.bind)
    for name, target in TARGETS.items():
        world.functions.add_durable(name, target.bind)
    return world
