"""A rig with the calls of a client, for tests of single forks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.rig import Ran, Rig, rig_of

from durable_execution_sdk.client.fork import fork
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest
from durable_execution_sdk.protocol.history import HistoryEvent

__all__ = ["ForkRig", "named", "of", "rig", "text"]


class ForkRig:
    """The emulator with the function ``workflow``, and a client of it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.emulator = rig.emulator
        self.control = EmulatorControlPlane(rig.driver)

    def run(self, event: Any = None) -> Ran:
        return self.rig.run(event)

    def start_fork(self, origin: str, **options: Any) -> str:
        return asyncio.run(fork(self.control, origin, **options))

    def fork(self, origin: Ran, before: str | None = None, **options: Any) -> Ran:
        """Fork an execution before an operation, by its name, and run the fork to its end."""
        cut = None if before is None else named(origin, before)
        return self.rig.drive(self.start_fork(origin.arn, before=cut, **options))

    def start(self, payload: str, name: str) -> Ran:
        """Start an execution with this input and name, and run it to its end."""
        return self.rig.drive(
            self.emulator.start(
                InvokeRequest(
                    function_name="workflow:$LATEST",
                    payload=payload.encode(),
                    invocation_type=InvocationType.EVENT,
                    durable_execution_name=name,
                )
            )
        )


def named(origin: Ran, name: str) -> str:
    """Return the id of the operation with this name."""
    return next(event.id for event in origin.events if event.name == name and event.id is not None)


def of(ran: Ran, name: str) -> list[HistoryEvent]:
    """Return the events of the operation with this name."""
    return [event for event in ran.events if event.name == name]


def rig(workflow: Any, **options: Any) -> ForkRig:
    return ForkRig(rig_of(workflow, **options))


def text(value: object) -> str:
    return json.dumps(value)
