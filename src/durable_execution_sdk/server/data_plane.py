"""Endpoints that a running handler calls."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.data_plane import StateRequest
from durable_execution_sdk.server.request import Incoming
from durable_execution_sdk.server.responses import json_answer


def checkpoint(emulator: Emulator, incoming: Incoming) -> Response:
    """Serve ``CheckpointDurableExecution``."""
    request = incoming.read(partial(codec.decode_checkpoint, incoming.arn))
    return json_answer(codec.encode_checkpoint_response(emulator.checkpoint(request)))


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
    return json_answer(codec.encode_state_page(page))
