"""The inputs with which a function was started last, for a form that starts it."""

from __future__ import annotations

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.stores.store import Search
from durable_execution_sdk.engine.events import ExecutionStarted, decode_event

__all__ = ["recent_inputs"]

_MOST_INPUTS = 10
_LOOKED_AT = 100
_LONGEST = 64 * 1024
"""Characters of an input that a form can show."""


def recent_inputs(emulator: Emulator, function: str) -> list[str]:
    """Return the inputs of a function's last executions, each once, the newest first."""
    inputs: dict[str, None] = {}
    with emulator.coordinator.holding():
        records = emulator.store.search(Search(function=function, limit=_LOOKED_AT))
        for record in records:
            encoded = emulator.store.event(record.arn, 1)
            event = None if encoded is None else decode_event(encoded)
            if isinstance(event, ExecutionStarted) and len(event.input) <= _LONGEST:
                inputs[event.input] = None
            if len(inputs) == _MOST_INPUTS:
                break
    return list(inputs)
