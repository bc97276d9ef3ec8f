"""The handler of each requirement, and the functions beside the handlers."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
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
from tests.conformance.service import EmulatedService

from durable_execution_sdk import CheckpointingMode, DurableHandler

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
"""Requirements with handlers that end the process that they run in."""


def function_of(requirement_id: str) -> str:
    """The name of the function that a requirement's handler is deployed as."""
    return f"requirement-{requirement_id}"


def deploy(
    emulated: EmulatedService, mode: CheckpointingMode = CheckpointingMode.BATCHED
) -> EmulatedService:
    """Deploy every handler, and the functions that they may invoke."""
    deployed = {function_of(number): handler for number, handler in HANDLERS.items()}
    for name, handler in {**deployed, **TARGETS}.items():
        settings = replace(handler.settings, checkpointing=mode)
        emulated.functions.add_durable(
            name, DurableHandler(handler.__wrapped__, None, settings).bind
        )
    return emulated
