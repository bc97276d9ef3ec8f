"""The service as the validator sees it: it invokes, reads, and answers callbacks, and time passes."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Protocol

import msgspec

from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.protocol.control_plane import (
    HistoryRequest,
    InvocationType,
    InvokeRequest,
)
from durable_execution_sdk.protocol.error_object import ErrorObject

LATEST = "$LATEST"


class Service(Protocol):
    """The calls that a validator makes to a service."""

    def invoke(self, function: str, event: Any, *, asynchronous: bool) -> str:
        """Start an execution; a synchronous call returns when it has ended."""
        ...

    def history(self, arn: str) -> list[dict[str, Any]]:
        """The first page of an execution's events, as the wire has them."""
        ...

    def outcome(self, arn: str) -> tuple[str, str | None]:
        """Status and result of an execution."""
        ...

    def succeed(self, callback_id: str, result: bytes | None) -> None:
        """Answer a callback."""
        ...

    def fail(self, callback_id: str, error: dict[str, Any]) -> None:
        """Answer a callback with a failure."""
        ...

    def beat(self, callback_id: str) -> None:
        """Say that a callback is being worked on."""
        ...

    def pass_time(self, arn: str, seconds: float) -> None:
        """Let everything happen that happens to an execution in so many seconds."""
        ...


class EmulatedService:
    """An emulator on a virtual clock."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.functions = Functions()
        self.emulator = Emulator(MemoryStore(), self.clock, self.functions)
        self.driver = Driver(self.emulator)

    def pass_time(self, arn: str, seconds: float) -> None:
        """Drive an execution for so many seconds of virtual time."""
        until = self.clock.now() + round(seconds * 1000)
        # What is due now is done even when no time passes.
        self.driver.run_until(lambda: False, family=arn, wait=False)
        self.driver.run_until_closed(arn, until=until)
        self.clock.jump_to(until)


class InProcess:
    """The control plane in this process."""

    def __init__(self, emulated: EmulatedService) -> None:
        self._emulated = emulated
        self._plane = EmulatorControlPlane(emulated.driver)

    def invoke(self, function: str, event: Any, *, asynchronous: bool) -> str:
        kind = InvocationType.EVENT if asynchronous else InvocationType.REQUEST_RESPONSE
        answer = asyncio.run(
            self._plane.invoke(
                InvokeRequest(
                    function_name=function,
                    qualifier=LATEST,
                    payload=json.dumps(event).encode(),
                    invocation_type=kind,
                )
            )
        )
        assert answer.durable_execution_arn is not None
        return answer.durable_execution_arn

    def history(self, arn: str) -> list[dict[str, Any]]:
        request = HistoryRequest(durable_execution_arn=arn, include_execution_data=True)
        page = asyncio.run(self._plane.history(request))
        events: list[dict[str, Any]] = msgspec.to_builtins(page.events)
        return events

    def outcome(self, arn: str) -> tuple[str, str | None]:
        found = asyncio.run(self._plane.describe(arn))
        return found.status, found.result

    def succeed(self, callback_id: str, result: bytes | None) -> None:
        asyncio.run(self._plane.callback_success(callback_id, result))

    def fail(self, callback_id: str, error: dict[str, Any]) -> None:
        failure = msgspec.convert(error, ErrorObject)
        asyncio.run(self._plane.callback_failure(callback_id, failure))

    def beat(self, callback_id: str) -> None:
        asyncio.run(self._plane.callback_heartbeat(callback_id))

    def pass_time(self, arn: str, seconds: float) -> None:
        self._emulated.pass_time(arn, seconds)
