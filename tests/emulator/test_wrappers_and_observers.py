"""Wrappers around the data plane, and observers of events."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import pytest
from tests.emulator.emulator_rig import (
    EmulatorRig,
    Invoked,
    succeeded,
    update,
    waits,
)

from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.data_plane import SlowDataPlane
from durable_execution_sdk.emulator.driver import Driver, Ending
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.ports import DataPlane
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    Outcome,
    StateRequest,
)
from durable_execution_sdk.protocol.operations import OperationType
from durable_execution_sdk.protocol.updates import OperationAction


class CrashingPlane:
    """Loses the response to the n-th checkpoint."""

    def __init__(self, plane: DataPlane, lost: int) -> None:
        self._plane = plane
        self._lost = lost

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        response = await self._plane.checkpoint(request)
        self._lost -= 1
        if self._lost == 0:
            raise ServiceError("the connection was reset")
        return response

    async def get_state(self, request: StateRequest) -> Any:
        return await self._plane.get_state(request)

    def now(self) -> int:
        return self._plane.now()


def test_a_wrapper_in_front_of_the_service_can_lose_a_response() -> None:
    wrappers = Wrappers(data_plane=lambda plane: CrashingPlane(plane, 2))
    rig = EmulatorRig(MemoryStore(), wrappers=wrappers)
    bodies: list[str] = []

    async def workflow(run: Invoked) -> Outcome:
        for name in ("a", "b", "c"):
            await run.step(name, partial(bodies.append, name))
        return succeeded(None)

    rig.add("f", workflow)
    arn = rig.start()
    assert rig.run(arn) is Ending.DONE
    assert bodies == ["a", "b", "c"]
    assert rig.history(arn).count("InvocationCompleted") == 2


def test_a_slow_service_takes_virtual_time() -> None:
    clock: list[VirtualClock] = []
    wrappers = Wrappers(data_plane=lambda plane: SlowDataPlane(plane, clock[0], 40))

    class LateWorld(EmulatorRig):
        def __init__(self) -> None:
            self.clock = VirtualClock()
            clock.append(self.clock)
            self.functions = Functions()
            self.emulator = Emulator(MemoryStore(), self.clock, self.functions)
            self.driver = Driver(self.emulator, wrappers=wrappers)

    rig = LateWorld()

    async def workflow(run: Invoked) -> Outcome:
        before = run.plane.now()
        await run.step("a", lambda: 1)
        await run.plane.get_state(
            StateRequest(durable_execution_arn=run.arn, checkpoint_token=run.token or "")
        )
        return succeeded(run.plane.now() - before)

    rig.add("f", workflow)
    arn = rig.start()
    assert rig.run(arn) is Ending.DONE
    assert rig.result(arn) == 80


def test_observers_hear_of_events_in_order_once_they_are_stored(rig: EmulatorRig) -> None:
    rig.add("f", waits)
    event_names: list[str] = []
    were_stored: list[bool] = []

    def observe(arn: str, events: Any) -> None:
        event_names.extend(type(event).__name__ for event in events)
        were_stored.append(rig.emulator.store.find(arn) is not None)
        rig.emulator.describe(arn)

    unsubscribe = rig.emulator.subscribe(observe)
    arn = rig.start()
    rig.run(arn)
    events = [type(event).__name__ for event in rig.emulator.coordinator.events(arn)]
    assert event_names == events
    assert all(were_stored)
    unsubscribe()
    unsubscribe()
    rig.start(payload=2)
    assert event_names == events


def test_an_observer_that_raises_changes_nothing(
    memory: EmulatorRig, caplog: pytest.LogCaptureFixture
) -> None:
    memory.add("f", waits)

    def observe(_: str, __: Any) -> None:
        raise RuntimeError("broken pipe")

    memory.emulator.subscribe(observe)
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    assert memory.result(arn) == "waited"
    assert "broken pipe" in caplog.text


def test_a_request_that_does_not_fit_the_wire_is_refused_as_the_service_does() -> None:
    rig = EmulatorRig(MemoryStore())
    refused: list[str | None] = []

    async def workflow(run: Invoked) -> Outcome:
        odd = update("s", cast("OperationType", "STEPS"), OperationAction.START)
        try:
            await run.send(odd)
        except ServiceError as error:
            refused.append(error.code)
        return succeeded(None)

    rig.add("f", workflow)
    arn = rig.start()
    assert rig.run(arn) is Ending.DONE
    assert refused == ["InvalidParameterValueException"]
