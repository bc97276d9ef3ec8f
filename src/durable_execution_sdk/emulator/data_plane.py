"""The data plane in process; requests and responses pass through the JSON of AWS's API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.rejections import invalid
from durable_execution_sdk.ports import DataPlane, ForwardingDataPlane
from durable_execution_sdk.protocol import codec, control_plane_codec
from durable_execution_sdk.protocol.control_plane import (
    HistoryPage,
    HistoryRequest,
    InvokeRequest,
    InvokeResponse,
)
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.protocol.ids import ExecutionArn

DataPlaneWrapper = Callable[[DataPlane], DataPlane]
"""Wraps a data plane, to add latency, lost responses or crashes."""


class EmulatorDataPlane:
    """``DataPlane`` over an emulator in this process."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates, all or none; the token is valid once, the response has the next one."""
        body = codec.encode_checkpoint(request)
        await _yield_to_loop()
        try:
            received = codec.decode_checkpoint(request.durable_execution_arn, body)
        except msgspec.ValidationError as error:
            raise invalid(str(error)) from error
        response = codec.encode_checkpoint_response(self._emulator.checkpoint(received))
        return codec.decode_checkpoint_response(response)

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of operations, in the order in which they started."""
        await _yield_to_loop()
        return codec.decode_state_page(codec.encode_state_page(self._emulator.get_state(request)))

    async def history(self, request: HistoryRequest) -> HistoryPage:
        """Read a page of an execution's history."""
        await _yield_to_loop()
        page = control_plane_codec.encode_history_page(self._emulator.history(request))
        return control_plane_codec.decode_history_page(page)

    async def start_execution(self, request: InvokeRequest) -> InvokeResponse:
        """Start an execution; a driver of the emulator runs it."""
        await _yield_to_loop()
        arn = self._emulator.start(request)
        version = ExecutionArn.parse(arn).version
        return InvokeResponse(status_code=202, executed_version=version, durable_execution_arn=arn)

    def now(self) -> int:
        """Return the emulator's time, which may be virtual."""
        return self._emulator.clock.now()


class SlowDataPlane(ForwardingDataPlane):
    """Advances the virtual clock with each call, like the latency of a network."""

    def __init__(self, plane: DataPlane, clock: VirtualClock, milliseconds: int) -> None:
        super().__init__(plane)
        self._clock = clock
        self._milliseconds = milliseconds

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Advance the clock, then record the updates."""
        self._clock.advance(self._milliseconds)
        return await self._plane.checkpoint(request)

    async def get_state(self, request: StateRequest) -> StatePage:
        """Advance the clock, then read the page of operations."""
        self._clock.advance(self._milliseconds)
        return await self._plane.get_state(request)


async def _yield_to_loop() -> None:
    # A call over a network lets other tasks run before it returns; so must this one.
    await asyncio.sleep(0)
