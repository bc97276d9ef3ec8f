"""What a running handler calls: checkpoint, and read the state."""

from __future__ import annotations

import asyncio
import functools
import os
import time

from msgspec.structs import replace

from durable_execution_sdk.aws.client import Call, LambdaClient
from durable_execution_sdk.aws.faults import read_answer
from durable_execution_sdk.aws.framing import HttpResponse
from durable_execution_sdk.aws.percent import segment
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.model import wire
from durable_execution_sdk.model.api import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)

__all__ = ["LambdaDataPlane", "client_token", "default_data_plane", "execution_path"]

JSON = {"content-type": "application/json"}

_GET_STATE = "GetDurableExecutionState"


class LambdaDataPlane:
    """The ``DataPlane`` port over Lambda's API."""

    def __init__(self, client: LambdaClient) -> None:
        self._client = client
        self._ahead: tuple[StateRequest, asyncio.Task[HttpResponse]] | None = None

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
        """Read a page of operations, in the order in which they started.

        The next one is on its way while this one is decoded: whoever reads a state reads all of it.
        """
        response = await self._page(request)
        marker = read_answer(_GET_STATE, wire.next_marker, response)
        if marker is not None:
            following = replace(request, marker=marker)
            self._ahead = following, asyncio.create_task(self._get_state(following))
            await asyncio.sleep(0)  # so that it is sent
        try:
            return read_answer(_GET_STATE, wire.decode_state_page, response)
        except ServiceError:
            await self._give_up_ahead()
            raise

    async def _page(self, request: StateRequest) -> HttpResponse:
        ahead = self._ahead
        if ahead is not None and ahead[0] == request:
            task = ahead[1]
            if task.get_loop() is asyncio.get_running_loop() and not task.cancelled():
                self._ahead = None
                return await task
        await self._give_up_ahead()
        return await self._get_state(request)

    async def _give_up_ahead(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[1].get_loop() is asyncio.get_running_loop():
            ahead[1].cancel()
            await asyncio.gather(ahead[1], return_exceptions=True)

    async def _get_state(self, request: StateRequest) -> HttpResponse:
        query = [("CheckpointToken", request.checkpoint_token)]
        if request.marker is not None:
            query.append(("Marker", request.marker))
        if request.max_items:
            query.append(("MaxItems", str(request.max_items)))
        return await self._client.call(
            Call(
                operation=_GET_STATE,
                method="GET",
                path=f"{execution_path(request.durable_execution_arn)}/state",
                query=tuple(query),
            )
        )

    def now(self) -> int:
        """The time, which the service has too: milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    async def aclose(self) -> None:
        """Close the connections; the next call makes new ones."""
        await self._give_up_ahead()
        await self._client.aclose()


@functools.cache
def default_data_plane() -> LambdaDataPlane:
    """The data plane that the environment points to: made on first use, kept for warm starts."""
    return LambdaDataPlane(LambdaClient())


@functools.lru_cache(maxsize=16)  # every call of an invocation is about the same execution
def execution_path(arn: str) -> str:
    """The path of an execution: its ARN is one segment."""
    return f"/2025-12-01/durable-executions/{segment(arn)}"


def client_token() -> str:
    """A token that makes a request one of a kind."""
    return os.urandom(16).hex()
