"""The data plane over Lambda's API: checkpoints and pages of the state."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from durable_execution_sdk.aws import Call, LambdaClient
from durable_execution_sdk.aws.connection import Asked
from durable_execution_sdk.aws.error_mapping import read_answer
from durable_execution_sdk.aws.framing import HttpResponse
from durable_execution_sdk.aws.signer import segment
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)

if TYPE_CHECKING:
    from durable_execution_sdk.protocol.control_plane import (
        HistoryPage,
        HistoryRequest,
        InvokeRequest,
        InvokeResponse,
    )

__all__ = ["LambdaDataPlane", "client_token", "default_data_plane", "execution_path"]

JSON = {"content-type": "application/json"}

_CHECKPOINT = "CheckpointDurableExecution"
_GET_STATE = "GetDurableExecutionState"


class _Ahead(threading.local):
    """The page that the running thread has requested before it was asked for."""

    prefetch: tuple[StateRequest, asyncio.Task[HttpResponse]] | None = None


class LambdaDataPlane:
    """The ``DataPlane`` port over Lambda's API."""

    def __init__(self, client: LambdaClient) -> None:
        self._client = client
        self._ahead = _Ahead()
        # A subclass that overrides one of these wants to see each call.
        is_plain = type(self).checkpoint is LambdaDataPlane.checkpoint
        self._is_direct = is_plain and type(client).call is LambdaClient.call

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates, all or none; the token is valid once, the response has the next one.

        When the response is lost, the request is sent again with the same client token, and the
        service repeats its response.
        """
        return _read(await self._client.call(_checkpoint_call(request)))

    def send_checkpoint(
        self, request: CheckpointRequest, sender: asyncio.Task[None], answered: Callable[[], object]
    ) -> _SentCheckpoint | None:
        """Send a checkpoint at once, over a connection that an earlier one of the sender's has left."""
        if not self._is_direct:
            return None
        call = _checkpoint_call(request)
        asked = self._client.ask(call, sender, answered)
        return None if asked is None else _SentCheckpoint(self._client, call, asked)

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of operations, in the order in which they started.

        The next page is requested before this one is decoded, because the SDK reads all pages.
        """
        response = await self._page(request)
        marker = read_answer(_GET_STATE, codec.next_marker, response)
        if marker is not None:
            next_request = replace(request, marker=marker)
            self._ahead.prefetch = next_request, asyncio.create_task(self._get_state(next_request))
            await asyncio.sleep(0)  # so that the task sends the request before decoding begins
        try:
            return read_answer(_GET_STATE, codec.decode_state_page, response)
        except ServiceError:
            await self._cancel_prefetch()
            raise

    async def _page(self, request: StateRequest) -> HttpResponse:
        prefetch = self._ahead.prefetch
        if prefetch is not None and prefetch[0] == request:
            task = prefetch[1]
            if task.get_loop() is asyncio.get_running_loop() and not task.cancelled():
                self._ahead.prefetch = None
                return await task
        await self._cancel_prefetch()
        return await self._get_state(request)

    async def _cancel_prefetch(self) -> None:
        prefetch, self._ahead.prefetch = self._ahead.prefetch, None
        if prefetch is not None and prefetch[1].get_loop() is asyncio.get_running_loop():
            prefetch[1].cancel()
            await asyncio.gather(prefetch[1], return_exceptions=True)

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

    async def history(self, request: HistoryRequest) -> HistoryPage:
        """Read a page of another execution's history, which a fork begins with."""
        from durable_execution_sdk.aws.shared_calls import history_page  # noqa: PLC0415 - for forks only

        path = execution_path(request.durable_execution_arn)
        return await history_page(self._client, path, request)

    async def start_execution(self, request: InvokeRequest) -> InvokeResponse:
        """Start another execution, as which this one goes on."""
        from durable_execution_sdk.aws.shared_calls import invoke  # noqa: PLC0415 - for few executions

        return await invoke(self._client, request)

    def now(self) -> int:
        """Return this computer's time, in milliseconds since the epoch; the service's differs little."""
        return time.time_ns() // 1_000_000

    async def aclose(self) -> None:
        """Close the connections; the next call opens new ones."""
        await self._cancel_prefetch()
        await self._client.aclose()


class _SentCheckpoint:
    """A checkpoint that was sent at once."""

    __slots__ = ("_asked", "_call", "_client", "_response")

    def __init__(self, client: LambdaClient, call: Call, asked: Asked) -> None:
        self._client = client
        self._call = call
        self._asked = asked
        self._response: HttpResponse | None = None

    def answer(self) -> CheckpointResponse | None:
        """Return the answer if it is a success; ``None`` if ``finish`` has to follow."""
        self._response = response = self._client.success(self._asked)
        try:
            return None if response is None else _read(response)
        except ServiceError:
            return None  # ``finish`` raises it again

    async def finish(self) -> CheckpointResponse:
        """Wait for the answer, and go on as ``checkpoint`` does."""
        if self._response is None:
            self._response = await self._client.call(self._call, self._asked)
        return _read(self._response)

    def close(self) -> None:
        """Wait for no answer."""
        self._asked.connection.close()


def _checkpoint_call(request: CheckpointRequest) -> Call:
    if request.client_token is None:
        request = replace(request, client_token=client_token())
    return Call(
        operation=_CHECKPOINT,
        method="POST",
        path=_checkpoint_path(request.durable_execution_arn),
        headers=JSON,
        body=codec.encode_checkpoint(request),
        in_series=True,
    )


def _read(response: HttpResponse) -> CheckpointResponse:
    return read_answer(_CHECKPOINT, codec.decode_checkpoint_response, response)


@functools.cache
def default_data_plane() -> LambdaDataPlane:
    """Return the data plane of the environment's endpoint; created on first use, kept while warm."""
    return LambdaDataPlane(LambdaClient())


@functools.lru_cache(maxsize=16)  # all calls of an invocation have the same ARN
def execution_path(arn: str) -> str:
    """Return the URL path of an execution, in which its ARN is one segment."""
    return f"/2025-12-01/durable-executions/{segment(arn)}"


@functools.lru_cache(maxsize=16)
def _checkpoint_path(arn: str) -> str:
    return f"{execution_path(arn)}/checkpoint"


def client_token() -> str:
    """Return a random token that identifies a request when it is sent again."""
    return os.urandom(16).hex()
