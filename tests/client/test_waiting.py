"""The wait for a result: its pace, throttled and lost answers, time limits, and pages of lists and histories."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace
from tests.client.shop import Order, order
from tests.rig import Rig

from durable_execution_sdk import ConfigError, ServiceError
from durable_execution_sdk.call_timing import Timing
from durable_execution_sdk.client import DurableClient, ResultTimeoutError
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.client.service import Polling
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    HistoryPage,
    HistoryRequest,
    ListPage,
    ListRequest,
)

THROTTLED = ServiceError("slow down", code="TooManyRequestsException", status=429)
LOST = ServiceError("no answer")
GONE = ServiceError("no such execution", code="ResourceNotFoundException", status=404)


class Unsteady(EmulatorControlPlane):
    """The control plane of a rig that fails as it is told to, and cuts lists and histories into pages of one."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.driver)
        self.failures: list[ServiceError | None] = []
        self.asked: list[bool] = []
        self.pages = 0
        self.filters = True

    async def describe(
        self, arn: str, *, include_execution_data: bool = True
    ) -> ExecutionDescription:
        self.asked.append(include_execution_data)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return await super().describe(arn, include_execution_data=include_execution_data)

    async def history(self, request: HistoryRequest) -> HistoryPage:
        self.pages += 1
        return await super().history(replace(request, max_items=1))

    async def list_executions(self, request: ListRequest) -> ListPage:
        self.pages += 1
        if not self.filters:
            request = replace(request, statuses=[], durable_execution_name=None)
        return await super().list_executions(replace(request, max_items=1))


@dataclass
class Bench:
    """An execution of a rig, and a wait for it in a time that passes when it sleeps."""

    event: Order
    now: float = 0.0
    sleeps: list[float] = field(default_factory=list)
    ends_after: int | None = None

    def __post_init__(self) -> None:
        self.rig = Rig(order)
        self.control = Unsteady(self.rig)
        self.arn = self.rig.start({"id": self.event.id, "amount": self.event.amount})
        timing = Timing(elapsed=lambda: self.now, sleep=self.sleep, jitter=lambda: 1.0)
        self.reading = PacedReading(self.control, timing)
        self.polling = Polling(self.reading, 5.0, timing)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps.append(round(seconds, 3))
        if self.ends_after is not None and len(self.sleeps) == self.ends_after:
            self.rig.drive(self.arn)
        assert len(self.sleeps) < 10_000

    def wait(self, timeout: float | None = None) -> ExecutionDescription:
        return asyncio.run(self.polling(self.arn, timeout))


def test_looks_become_rarer_and_the_result_is_read_once() -> None:
    bench = Bench(Order("A", 1), ends_after=12)
    assert bench.wait().status == "SUCCEEDED"
    assert bench.sleeps[:4] == [0.1, 0.15, 0.225, 0.338]
    assert max(bench.sleeps) == 5.0
    assert bench.control.asked == [False] * 13 + [True]


def test_a_time_limit_ends_the_wait_and_nothing_else() -> None:
    bench = Bench(Order("A", 1))
    with pytest.raises(ResultTimeoutError, match="was to end within 30 s, and is RUNNING"):
        bench.wait(30)
    assert bench.now == pytest.approx(30)
    bench.rig.drive(bench.arn)
    assert bench.wait(30).status == "SUCCEEDED"


def test_an_end_at_the_last_moment_is_no_timeout() -> None:
    bench = Bench(Order("A", 1), ends_after=1)
    assert bench.wait(0.05).status == "SUCCEEDED"


def test_the_last_look_has_time_for_its_answer() -> None:
    bench = Bench(Order("A", 1))
    with pytest.raises(ResultTimeoutError):
        bench.wait(20)
    assert 19.5 in [round(sum(bench.sleeps[:number]), 1) for number in range(len(bench.sleeps))]
    assert bench.now == pytest.approx(20)


class Silent(Unsteady):
    """A control plane that answers ``answers`` questions, and no more."""

    answers = 0

    async def describe(
        self, arn: str, *, include_execution_data: bool = True
    ) -> ExecutionDescription:
        if len(self.asked) == self.answers:
            loop = asyncio.get_running_loop()
            later = loop.time() + 60
            loop.time = lambda: later  # type: ignore[method-assign]
            await asyncio.Event().wait()
        return await super().describe(arn, include_execution_data=include_execution_data)


@pytest.mark.parametrize(
    ("answers", "seen"), [(0, "the service has not told its status"), (1, "is SUCCEEDED, but")]
)
def test_a_service_that_does_not_answer_ends_with_the_time_limit(answers: int, seen: str) -> None:
    bench = Bench(Order("A", 1))
    bench.rig.drive(bench.arn)
    control = Silent(bench.rig)
    control.answers = answers
    polling = Polling(PacedReading(control, is_limited=False), 5.0)
    with pytest.raises(ResultTimeoutError, match=f"was to end within 30 s, and {seen}"):
        asyncio.run(polling(bench.arn, 30))


def test_the_time_limit_of_the_caller_is_not_that_of_the_result() -> None:
    bench = Bench(Order("A", 1))
    polling = Polling(PacedReading(Silent(bench.rig)), 5.0)

    async def wait(timeout: float | None) -> None:
        with pytest.raises(TimeoutError) as raised:
            async with asyncio.timeout(0):
                await polling(bench.arn, timeout)
        assert type(raised.value) is TimeoutError
        task = asyncio.create_task(polling(bench.arn, timeout))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    for timeout in (None, 1_000.0, math.inf):
        asyncio.run(wait(timeout))


@pytest.mark.parametrize("failure", [THROTTLED, LOST])
def test_a_wait_outlives_failures_of_the_service(failure: ServiceError) -> None:
    bench = Bench(Order("A", 1), ends_after=25)
    bench.control.failures = [None, *[failure] * 8]
    assert bench.wait().status == "SUCCEEDED"


def test_throttled_looks_are_asked_for_again_even_the_first() -> None:
    bench = Bench(Order("A", 1), ends_after=4)
    bench.control.failures = [THROTTLED, THROTTLED]
    assert bench.wait().status == "SUCCEEDED"


@pytest.mark.parametrize(
    "failures", [[LOST], [GONE], [None, GONE]], ids=["first look", "not there", "deleted"]
)
def test_other_failures_are_raised(failures: Sequence[ServiceError | None]) -> None:
    bench = Bench(Order("A", 1))
    bench.control.failures = [*failures]
    with pytest.raises(ServiceError) as raised:
        bench.wait()
    assert raised.value is failures[-1]


def test_a_service_that_stays_away_is_given_up() -> None:
    bench = Bench(Order("A", 1))
    bench.control.failures = [None, *[LOST] * 1_000]
    with pytest.raises(ServiceError, match="no answer"):
        bench.wait()
    assert 300 < bench.now < 310


def test_the_answer_with_the_result_may_be_lost_too() -> None:
    bench = Bench(Order("A", 1))
    bench.rig.drive(bench.arn)
    bench.control.failures = [None, LOST]
    assert bench.wait().status == "SUCCEEDED"
    bench = Bench(Order("A", 1), ends_after=1)
    bench.control.failures = [None, None, LOST]
    assert bench.wait().status == "SUCCEEDED"


def test_lists_and_histories_of_many_pages_are_read_whole() -> None:
    rig = Rig(order)
    arns = [rig.start({"id": "A", "amount": number}, f"n-{number}") for number in range(5)]
    rig.drive(arns[0])
    control = Unsteady(rig)
    client = DurableClient(control_plane=control)

    async def read() -> None:
        listed = [each.arn async for each in client.list("workflow")]
        assert listed == arns[::-1]
        assert control.pages == 5
        assert [each.arn async for each in client.list("workflow", most=2)] == arns[:2:-1]
        assert control.pages == 7
        handle = await client.execution(arns[0])
        events = await handle.history()
        assert len(events) == control.pages - 7 > 3
        assert [each.name for each in await handle.operations()] == ["charge"]

    asyncio.run(read())


def test_a_list_whose_marker_comes_again_is_refused() -> None:
    rig = Rig(order)
    arns = [rig.start({"id": "A", "amount": number}, f"n-{number}") for number in range(3)]

    class Circular(Unsteady):
        async def list_executions(self, request: ListRequest) -> ListPage:
            return await super().list_executions(replace(request, marker=None))

    client = DurableClient(control_plane=Circular(rig))

    async def read() -> None:
        listing = client.list("workflow")
        assert (await anext(listing)).arn == arns[2]
        with pytest.raises(ConfigError, match="has no end: a marker came twice"):
            _ = [each async for each in listing]

    asyncio.run(read())


def test_an_endpoint_that_does_not_filter_gives_no_other_executions() -> None:
    rig = Rig(order)
    arns = [rig.start({"id": "A", "amount": number}, f"n-{number}") for number in range(5)]
    rig.drive(arns[0])
    rig.drive(arns[2])
    control = Unsteady(rig)
    control.filters = False
    client = DurableClient(control_plane=control)

    async def read() -> None:
        assert (await client.execution("n-1", "workflow")).arn == arns[1]
        with pytest.raises(ServiceError, match="has no execution 'n-9'"):
            await client.execution("n-9", "workflow")
        with pytest.raises(ConfigError, match="not an empty text"):
            await client.execution("", "workflow")
        assert [each.arn async for each in client.list("workflow", name="n-3")] == [arns[3]]
        assert [each.arn async for each in client.list("workflow", name="")] == []
        ended = client.list("workflow", statuses=["SUCCEEDED"], most=2)
        assert [each.arn async for each in ended] == [arns[2], arns[0]]
        with pytest.raises(
            ConfigError, match="'RUNING' is none of the statuses, which are RUNNING, "
        ):
            _ = [each async for each in client.list("workflow", statuses=["RUNNING", "RUNING"])]

    asyncio.run(read())


def test_calls_keep_to_the_quotas_of_the_service() -> None:
    bench = Bench(Order("A", 1))

    async def look() -> None:
        for _ in range(31):
            await bench.reading.describe(bench.arn)

    asyncio.run(look())
    assert bench.now == pytest.approx(1.0)
