"""The work for one execution, in function calls, does not grow with the number of others."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from durable_execution_sdk import DurableContext, Duration, durable_execution
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.schedule.due_times import DueTimes
from durable_execution_sdk.emulator.schedule.schedule import Schedule
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.emulator.stores.store import Store
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest
from durable_execution_sdk.testing import LocalDurableTestRunner


async def echo(value: int) -> int:
    return value


@durable_execution
async def waits(event: None, ctx: DurableContext) -> int:
    await ctx.step(echo, 1)
    await ctx.wait(Duration.from_hours(1))
    return await ctx.step(echo, 2)


def calls_of(work: Callable[[], object]) -> int:
    """Count calls of the emulator's functions, resumed generators included."""
    count = 0

    def count_call(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        if event == "call" and "/emulator/" in frame.f_code.co_filename:
            count += 1

    sys.setprofile(count_call)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


class Crowd:
    """An emulator with many executions in one store."""

    def __init__(self, store: Store) -> None:
        self.functions = Functions()
        self.functions.add_durable("waits", waits.bind)
        self.clock = VirtualClock()
        self.store = store
        self.emulator = Emulator(store, self.clock, self.functions)
        self.driver = Driver(self.emulator)

    def start(self, count: int) -> list[str]:
        request = InvokeRequest(
            function_name="waits:$LATEST",
            payload=b"null",
            invocation_type=InvocationType.EVENT,
        )
        return [self.emulator.start(request) for _ in range(count)]

    def suspend(self) -> None:
        self.driver.run_until(lambda: False, wait=False)

    def end(self) -> None:
        self.driver.run_until(lambda: False)


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Store]:
    def made(name: str) -> Store:
        return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / name)

    return made


@pytest.fixture
def most(request: pytest.FixtureRequest) -> int:
    # In a file, each event is a write to the disk.
    return 150 if request.node.callspec.params["make"] == "memory" else 50


@pytest.mark.parametrize(
    "mode", [TimeMode.REAL, pytest.param(TimeMode.SKIP, marks=pytest.mark.slow)]
)
def test_an_execution_takes_the_same_beside_a_few_and_beside_many_others(
    make: Callable[[str], Store], most: int, mode: TimeMode
) -> None:
    counts: list[float] = []
    for count in (5, most):
        crowd = Crowd(make(f"{count}.db"))
        crowd.emulator.time_mode = mode
        arns = crowd.start(count)

        def whole(crowd: Crowd = crowd) -> None:
            crowd.suspend()
            crowd.end()

        counts.append(calls_of(whole) / count)
        assert all(crowd.emulator.is_closed(arn) for arn in arns)
        crowd.emulator.close()
    assert counts[1] < counts[0] * 1.15


def test_a_new_process_takes_in_suspended_executions_one_by_one(
    make: Callable[[str], Store], most: int
) -> None:
    counts: list[float] = []
    for count in (20, most):
        crowd = Crowd(make(f"{count}.db"))
        arns = crowd.start(count)
        crowd.suspend()
        again = Emulator(crowd.store, crowd.clock, crowd.functions)
        counts.append(calls_of(again.coordinator.refresh) / count)
        assert again.coordinator.schedule.arns == set(arns)
        again.close()
    assert counts[1] < counts[0] * 1.15


def test_two_emulators_on_one_store_see_each_others_changes() -> None:
    crowd = Crowd(MemoryStore())
    other = Emulator(crowd.store, crowd.clock, crowd.functions)
    other.coordinator.refresh()
    arns = crowd.start(3)
    other.coordinator.refresh()
    assert other.coordinator.schedule.arns == set(arns)
    crowd.end()
    other.coordinator.refresh()
    assert other.coordinator.schedule.arns == set()
    crowd.emulator.delete(arns[0])
    other.coordinator.refresh()
    assert other.coordinator.find(arns[0]) is None


@durable_execution
async def many(event: int, ctx: DurableContext) -> int:
    async def unsteady(item: int) -> int:
        attempts[item] = attempts.get(item, 0) + 1
        if attempts[item] <= 1 + (item % 3 == 0):
            raise ConnectionError("again")
        return item

    async def each(child: DurableContext, item: int, index: int) -> int:
        return await child.step(unsteady, item)

    batch = await ctx.map(range(event), each)
    return len(batch.succeeded())


attempts: dict[int, int] = {}


def test_time_jumps_when_nothing_can_run_so_a_map_with_retries_takes_few_invocations() -> None:
    invocations: list[int] = []
    for count in (100, 500):
        attempts.clear()
        runner = LocalDurableTestRunner(many, limits=Limits(operations=100_000))
        result = runner.run_sync(count)
        assert (result.status, result.result) == ("SUCCEEDED", count)
        invocations.append(len(result.invocations))
    # Retry delays are whole seconds, spread over a few, so each second is one invocation.
    assert invocations[1] <= invocations[0] + 6
    assert invocations[1] < 25


def test_due_times_are_found_in_their_order_and_outdated_ones_are_dropped() -> None:
    times = DueTimes[str]()
    for at in range(1_000):
        times.set("moving", at)
        times.set(f"k{at}", 10_000 + at)
    times.set("gone", 5)
    times.set("gone", None)
    times.set("moving", 999)
    assert times.earliest() == 999
    assert times.due(998) == []
    assert times.due(10_002) == ["moving", "k0", "k1", "k2"]
    assert times.due(10_002) == ["moving", "k0", "k1", "k2"]
    times.set("moving", None)
    times.set("k1", 20_000)
    times.set("k1", 10_001)
    assert times.due(10_002) == ["k0", "k1", "k2"]
    assert (times.earliest(), len(times)) == (10_000, 1_000)


def test_an_empty_agenda_keeps_nothing_of_ended_executions() -> None:
    crowd = Crowd(MemoryStore())
    crowd.start(5)
    crowd.end()
    schedule = crowd.emulator.coordinator.schedule
    assert isinstance(schedule, Schedule)
    assert not any(vars(schedule)[name] for name in ("_families", "_roots", "_dispatched"))
