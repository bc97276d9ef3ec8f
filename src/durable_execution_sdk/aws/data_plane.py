"""What a running handler calls: checkpoint, and read the state."""

from __future__ import annotations

import functools
import os
import time

from msgspec.structs import replace

from durable_execution_sdk.aws.client import Call, LambdaClient
from durable_execution_sdk.aws.faults import read_answer
from durable_execution_sdk.aws.percent import segment
from durable_execution_sdk.model import wire
from durable_execution_sdk.model.api import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)

__all__ = ["LambdaDataPlane", "client_token", "default_data_plane", "execution_path"]

JSON = {"content-type": "application/json"}


class LambdaDataPlane:
    """The ``DataPlane`` port over Lambda's API."""

    def __init__(self, client: LambdaClient) -> None:
        self._client = client

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates, all or none; the token is used up and the next one comes back.

        A lost answer is asked for again under the same client token, and the service repeats it.
        """
        if request.client_token is None:
            request = replace(request, client_token=client_token())
        operation = "CheckpointDurableExecution"
        response = await self._client.call(
            Call(
                operation=operation,
                method="POST",
                path=f"{execution_path(request.durable_execution_arn)}/checkpoint",
                headers=JSON,
                body=wire.encode_checkpoint(request),
            )
        )
        return read_answer(operation, wire.decode_checkpoint_response, response)

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of operations, in the order in which they started."""
        operation = "GetDurableExecutionState"
        query = [("CheckpointToken", request.checkpoint_token)]
        if request.marker is not None:
            query.append(("Marker", request.marker))
        if request.max_items:
            query.append(("MaxItems", str(request.max_items)))
        response = await self._client.call(
            Call(
                operation=operation,
                method="GET",
                path=f"{execution_path(request.durable_execution_arn)}/state",
                query=tuple(query),
            )
        )
        return read_answer(operation, wire.decode_state_page, response)

    def now(self) -> int:
        """The time, which the service has too: milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    async def aclose(self) -> None:
        """Close the connections; the next call makes new ones."""
        await self._client.aclose()


@functools.cache
def default_data_plane() -> LambdaDataPlane:
    """The data plane that the environment points to: made on first use, kept for warm starts."""
    return LambdaDataPlane(LambdaClient())


def execution_path(arn: str) -> str:
    """The path of an execution: its ARN is one segment."""
    return f"/2025-12-01/durable-executions/{segment(arn)}"


def client_token() -> str:
    """A token that makes a request one of a kind."""
    return os.urandom(16).hex()
