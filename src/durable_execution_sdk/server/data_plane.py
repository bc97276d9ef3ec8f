"""Endpoints that a running handler calls."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.model import wire
from durable_execution_sdk.model.api import StateRequest
from durable_execution_sdk.server.answers import json_answer
from durable_execution_sdk.server.incoming import Incoming


def checkpoint(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``CheckpointDurableExecution``."""
    request = incoming.read(partial(wire.decode_checkpoint, incoming.arn))
    return json_answer(wire.encode_checkpoint_response(emulator.checkpoint(request)))


def get_state(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``GetDurableExecutionState``."""
    page = emulator.get_state(
        StateRequest(
            durable_execution_arn=incoming.arn,
            checkpoint_token=incoming.required("CheckpointToken"),
            marker=incoming.text("Marker"),
            max_items=incoming.number("MaxItems"),
        )
    )
    return json_answer(wire.encode_state_page(page))
