"""Lists and histories are read no faster than the service allows, and slower while it refuses calls."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace
from tests.rig import Rig

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.call_timing import Timing
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.control_plane import (
    HistoryPage,
    HistoryRequest,
    ListPage,
    ListRequest,
)
from durable_execution_sdk.protocol.error_codes import TOO_MANY_REQUESTS
from durable_execution_sdk.protocol.limits import MAX_HISTORIES_PER_SECOND


class Clock:
    """A clock that stands still unless a reader sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)

    @property
    def timing(self) -> Timing:
        return Timing(elapsed=lambda: self.now, sleep=self.sleep, jitter=lambda: 1.0)


class Throttling(EmulatorControlPlane):
    """The emulator, which refuses some of the calls, and notes their times."""

    def __init__(self, rig: Rig, clock: Clock, refused: int = 0) -> None:
        super().__init__(rig.driver)
        self.clock = clock
        self.refused = refused
        self.times: list[float] = []

    def note(self) -> None:
        self.times.append(self.clock.now)
        if self.refused:
            self.refused -= 1
            raise ServiceError("Rate exceeded", code=TOO_MANY_REQUESTS, status=429)

    async def history(self, request: HistoryRequest) -> HistoryPage:
        self.note()
        return await super().history(request)

    async def list_executions(self, request: ListRequest) -> ListPage:
        self.note()
        return await super().list_executions(request)


@pytest.fixture
def rig() -> Rig:
    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(lambda: 1, name="one")

    return Rig(workflow)


def test_calls_are_made_at_the_rate_of_the_service(rig: Rig) -> None:
    arn, clock = rig.run().arn, Clock()
    plane = Throttling(rig, clock)
    reading = PacedReading(plane, clock.timing)

    async def read() -> list[HistoryPage]:
        request = HistoryRequest(durable_execution_arn=arn)
        return await asyncio.gather(*(reading.history(request) for _ in range(30)))

    pages = asyncio.run(read())
    assert {len(page.events) for page in pages} == {len(rig.events(arn))}
    distances = [b - a for a, b in pairwise(plane.times)]
    assert min(distances) == pytest.approx(1 / MAX_HISTORIES_PER_SECOND)


def test_refused_calls_are_made_again_after_growing_pauses(rig: Rig) -> None:
    arn, clock = rig.run().arn, Clock()
    plane = Throttling(rig, clock, refused=4)
    reading = PacedReading(plane, clock.timing)
    page = asyncio.run(reading.history(HistoryRequest(durable_execution_arn=arn)))
    assert page.events
    pauses = [b - a for a, b in pairwise(plane.times)]
    assert pauses == [1, 2, 4, 8]


def test_an_endpoint_that_goes_on_refusing_is_given_up(rig: Rig) -> None:
    arn, clock = rig.run().arn, Clock()
    plane = Throttling(rig, clock, refused=1_000)
    reading = PacedReading(plane, clock.timing)
    with pytest.raises(ServiceError, match="Rate exceeded"):
        asyncio.run(reading.history(HistoryRequest(durable_execution_arn=arn)))
    assert clock.now <= 300


@pytest.mark.parametrize("most", [None, 1, 2, 3, 9])
def test_lists_are_read_page_by_page(rig: Rig, most: int | None) -> None:
    arns = [rig.run().arn for _ in range(5)][::-1]
    clock = Clock()
    reading = PacedReading(OneByOne(rig, clock, refused=1), clock.timing)

    async def read() -> list[str]:
        request = ListRequest(function_name="workflow")
        return [each.durable_execution_arn async for each in reading.executions(request, most)]

    assert asyncio.run(read()) == arns[:most]


class OneByOne(Throttling):
    """Pages of one execution."""

    async def list_executions(self, request: ListRequest) -> ListPage:
        return await super().list_executions(replace(request, max_items=1))
