"""The data plane in process, through the same JSON bytes that would travel to AWS and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.rejections import invalid
from durable_execution_sdk.model import wire
from durable_execution_sdk.model.api import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.service import DataPlane

Seam = Callable[[DataPlane], DataPlane]
"""Puts something in front of the service: latency, a lost response, a crash."""


class EmulatorDataPlane:
    """What a running handler needs of the service, served by an emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates, all or none; the token is used up and the next one comes back."""
        body = wire.encode_checkpoint(request)
        await _travel()
        try:
            received = wire.decode_checkpoint(request.durable_execution_arn, body)
        except msgspec.ValidationError as error:
            raise invalid(str(error)) from error
        answer = wire.encode_checkpoint_response(self._emulator.checkpoint(received))
        return wire.decode_checkpoint_response(answer)

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of operations, in the order in which they started."""
        await _travel()
        return wire.decode_state_page(wire.encode_state_page(self._emulator.get_state(request)))

    def now(self) -> int:
        """The emulator's time, virtual or not."""
        return self._emulator.clock.now()


class SlowDataPlane:
    """Lets virtual time pass with each call, as a network would."""

    def __init__(self, plane: DataPlane, clock: VirtualClock, milliseconds: int) -> None:
        self._plane = plane
        self._clock = clock
        self._milliseconds = milliseconds

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates, a little later."""
        self._clock.advance(self._milliseconds)
        return await self._plane.checkpoint(request)

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of operations, a little later."""
        self._clock.advance(self._milliseconds)
        return await self._plane.get_state(request)

    def now(self) -> int:
        """The service's time."""
        return self._plane.now()


async def _travel() -> None:
    # A call to a real service lets other tasks run before it returns; so does this one.
    await asyncio.sleep(0)
