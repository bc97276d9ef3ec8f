"""The time of single executions: skipped, paused and advanced, over both stores."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from tests.emulator.emulator_rig import (
    DAY,
    PENDING,
    EmulatorRig,
    Invoked,
    calls_back,
    succeeded,
    waits,
)

from durable_execution_sdk import DurableContext, Duration, durable_execution
from durable_execution_sdk.emulator.driver import Driver, Ending
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.control_plane import (
    HistoryRequest,
    PauseRequest,
    ResumeRequest,
)
from durable_execution_sdk.protocol.data_plane import Outcome

HOUR = 3_600_000


def drive(rig: EmulatorRig, arn: str | None = None) -> Ending:
    """Do all that can be done while the clock stands still."""
    return rig.driver.run_until(
        lambda: arn is not None and rig.emulator.is_closed(arn), family=arn, wait=False
    )


async def waits_long(run: Invoked) -> Outcome:
    for number in range(3):
        if not await run.wait(f"w{number}", 10 * DAY):
            return PENDING
    return succeeded("waited")


async def reminds(run: Invoked) -> Outcome:
    """Wait for a callback, and remind every hour."""
    callback = await run.callback("cb", timeout_seconds=100 * 3_600)
    if callback.status != "STARTED":
        return succeeded(callback.status)
    number = 0
    while await run.wait(f"w{number}", 3_600):
        await run.step(f"s{number}", lambda: "reminded")
        number += 1
    return PENDING


async def invokes_waits(run: Invoked) -> Outcome:
    invoked = await run.invoke("i", "child:$LATEST")
    if invoked.status == "STARTED":
        return PENDING
    return succeeded(invoked.status)


def times(rig: EmulatorRig, arn: str, event_type: str) -> list[int]:
    page = rig.emulator.history(HistoryRequest(durable_execution_arn=arn, max_items=1_000))
    return [round(event.event_timestamp) for event in page.events if event.event_type == event_type]


def test_one_execution_skips_thirty_days_while_another_waits(rig: EmulatorRig) -> None:
    rig.add("f", waits_long)
    hasty, patient = rig.start(), rig.start()
    rig.emulator.set_time_mode(hasty, TimeMode.SKIP)
    began = rig.clock.now()
    drive(rig)
    assert rig.clock.now() == began
    assert rig.result(hasty) == "waited"
    assert rig.status(patient) == "RUNNING"
    first, *_, last = times(rig, hasty, "WaitSucceeded")
    assert last - first >= 20 * DAY * 1_000
    assert rig.emulator.time(hasty).offset >= 30 * DAY * 1_000
    assert rig.emulator.time(patient) == (TimeMode.REAL, 0, began)


def test_executions_start_in_the_mode_of_the_emulator(memory: EmulatorRig) -> None:
    memory.emulator.time_mode = TimeMode.SKIP
    memory.add("f", waits)
    arn = memory.start()
    assert memory.emulator.time(arn).mode is TimeMode.SKIP
    drive(memory)
    assert memory.result(arn) == "waited"


def test_real_time_is_skipped_when_the_emulator_is_told_so_but_not_paused_time(
    memory: EmulatorRig,
) -> None:
    memory.add("f", waits)
    one, other = memory.start(), memory.start()
    memory.emulator.set_time_mode(other, TimeMode.PAUSED)
    drive(memory)
    assert memory.status(one) == "RUNNING"
    memory.emulator.skip_real_time()
    drive(memory)
    assert memory.result(one) == "waited"
    assert memory.emulator.time(one).mode is TimeMode.REAL
    assert memory.status(other) == "RUNNING"


def test_time_is_not_skipped_while_a_callback_waits_for_its_answer(rig: EmulatorRig) -> None:
    rig.add("f", calls_back)
    arn = rig.start()
    rig.emulator.set_time_mode(arn, TimeMode.SKIP)
    drive(rig)
    assert rig.emulator.time(arn).offset == 0
    rig.emulator.callback_success(rig.callback_id(arn), b"1")
    drive(rig)
    assert rig.result(arn) == "1"


def test_time_is_not_skipped_while_an_execution_is_paused(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    arn = memory.start()
    memory.emulator.set_time_mode(arn, TimeMode.SKIP)
    memory.emulator.pause(arn, PauseRequest())
    drive(memory)
    assert memory.emulator.time(arn).offset == 0
    memory.emulator.resume(arn, ResumeRequest())
    drive(memory)
    assert memory.result(arn) == "waited"


def test_a_paused_time_stands_still_whatever_the_clock_does(rig: EmulatorRig) -> None:
    rig.add("f", waits)
    arn = rig.start()
    drive(rig)
    rig.emulator.set_time_mode(arn, TimeMode.PAUSED)
    stood = rig.emulator.time(arn).now
    rig.clock.advance(30 * DAY * 1_000)
    drive(rig)
    assert rig.emulator.time(arn) == (TimeMode.PAUSED, -30 * DAY * 1_000, stood)
    assert rig.status(arn) == "RUNNING"
    rig.emulator.set_time_mode(arn, TimeMode.REAL)
    drive(rig)
    assert rig.status(arn) == "RUNNING"
    rig.clock.advance(60_000)
    drive(rig)
    assert rig.result(arn) == "waited"
    (ended,) = times(rig, arn, "WaitSucceeded")
    assert ended < stood + 61_000


@pytest.mark.parametrize("mode", TimeMode)
def test_an_advance_fires_each_deadline_at_its_time_though_a_callback_is_open(
    rig: EmulatorRig, mode: TimeMode
) -> None:
    rig.add("f", reminds)
    arn = rig.start()
    drive(rig)
    rig.emulator.set_time_mode(arn, mode)
    began = rig.emulator.time(arn).now
    assert rig.emulator.advance(arn, 3 * HOUR + HOUR // 2) == began + 3 * HOUR + HOUR // 2
    drive(rig)
    reminded = times(rig, arn, "StepSucceeded")
    assert [round((at - began) / HOUR) for at in reminded] == [1, 2, 3]
    assert rig.emulator.time(arn) == (mode, 3 * HOUR + HOUR // 2, began + 3 * HOUR + HOUR // 2)
    rig.emulator.advance(arn)
    drive(rig)
    assert len(times(rig, arn, "StepSucceeded")) == 4
    rig.emulator.advance(arn, 100 * HOUR)
    drive(rig)
    assert rig.result(arn) == "TIMED_OUT"


def test_an_advance_fires_a_timeout_without_a_driver(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    arn = memory.start()
    drive(memory)
    memory.emulator.advance(arn)
    assert "WaitSucceeded" in memory.history(arn)


def test_an_advance_without_a_deadline_is_refused(memory: EmulatorRig) -> None:
    memory.add("f", calls_back)
    arn = memory.start()
    drive(memory)
    with pytest.raises(ServiceError, match="no timer"):
        memory.emulator.advance(arn)
    with pytest.raises(ServiceError, match="1 millisecond or more"):
        memory.emulator.advance(arn, 0)
    assert memory.emulator.advance(arn, 5) == memory.emulator.time(arn).now


def test_an_invoked_execution_skips_with_its_parent_which_takes_as_long(rig: EmulatorRig) -> None:
    rig.add("f", invokes_waits)
    rig.add("child", waits_long)
    arn = rig.start()
    rig.emulator.set_time_mode(arn, TimeMode.SKIP)
    drive(rig)
    assert rig.result(arn) == "SUCCEEDED"
    description = rig.emulator.describe(arn)
    assert description.end_timestamp is not None
    assert description.end_timestamp - description.start_timestamp >= 30 * DAY * 1_000


def test_the_mode_of_a_parent_is_set_for_those_that_it_invoked_as_well(memory: EmulatorRig) -> None:
    memory.add("f", invokes_waits)
    memory.add("child", waits_long)
    arn = memory.start()
    drive(memory)
    (child,) = memory.emulator.coordinator.schedule.arns - {arn}
    memory.emulator.set_time_mode(arn, TimeMode.PAUSED)
    assert memory.emulator.time(child).mode is TimeMode.PAUSED
    memory.emulator.advance(arn, 30 * DAY * 1_000)
    drive(memory)
    assert memory.result(arn) == "SUCCEEDED"


def test_a_skip_waits_for_a_family_member_that_is_due_earlier_in_real_time(
    memory: EmulatorRig,
) -> None:
    memory.add("f", invokes_waits, execution_timeout=3_600)
    memory.add("child", waits)
    arn = memory.start()
    drive(memory)
    (child,) = memory.emulator.coordinator.schedule.arns - {arn}
    memory.emulator.set_time_mode(arn, TimeMode.SKIP)
    memory.emulator.set_time_mode(child, TimeMode.REAL)
    drive(memory)
    assert memory.status(arn) == "RUNNING"
    memory.clock.advance(60_000)
    drive(memory)
    assert memory.result(arn) == "SUCCEEDED"


def test_nothing_is_skipped_while_an_invocation_runs(memory: EmulatorRig) -> None:
    """Hold an invocation open while another driver looks for work."""
    entered, released = threading.Event(), threading.Event()

    async def blocks(run: Invoked) -> Outcome:
        if run.status("w") == "SUCCEEDED":
            return succeeded("waited")
        await run.wait("w", 60)
        entered.set()
        assert released.wait(60)
        return PENDING

    memory.add("f", blocks)
    memory.emulator.time_mode = TimeMode.SKIP
    arn = memory.start()
    first = threading.Thread(target=drive, args=(memory, arn))
    first.start()
    try:
        assert entered.wait(60)
        Driver(memory.emulator).run_until(lambda: False, wait=False)
        assert memory.emulator.time(arn).offset == 0
    finally:
        released.set()
        first.join(60)
    drive(memory)
    assert memory.result(arn) == "waited"


def test_the_offset_is_kept_by_the_store(rig: EmulatorRig) -> None:
    rig.add("f", waits_long)
    arn = rig.start()
    drive(rig)
    rig.emulator.advance(arn, 15 * DAY * 1_000)
    drive(rig)
    rig.emulator.set_time_mode(arn, TimeMode.SKIP)
    before = rig.emulator.time(arn)
    again = Emulator(rig.emulator.store, rig.clock, rig.functions)
    assert again.time(arn) == before
    Driver(again).run_until(lambda: again.is_closed(arn), wait=False)
    assert again.describe(arn).status == "SUCCEEDED"


def test_a_time_behind_its_log_catches_up(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    memory.clock.advance(30 * DAY * 1_000)
    arn = memory.start()
    drive(memory)
    earlier = EmulatorRig(memory.emulator.store)
    earlier.add("f", waits)
    assert earlier.clock.now() < memory.clock.now()
    earlier.emulator.catch_up(arn)
    assert earlier.emulator.time(arn).now >= memory.clock.now()
    assert earlier.run(arn) is Ending.DONE
    assert earlier.clock.now() < memory.clock.now()


def test_a_handler_sees_the_time_of_its_execution(memory: EmulatorRig) -> None:
    """A moment that workflow code computes from its time is waited for as long as it says."""

    @durable_execution
    async def main(event: Any, ctx: DurableContext) -> None:
        await ctx.wait(Duration.from_days(30))
        await ctx.wait_until(ctx.now() + timedelta(hours=1))

    for mode in (TimeMode.SKIP, TimeMode.PAUSED):
        memory.functions.add_durable("f", main.bind)
        memory.emulator.time_mode = mode
        arn = memory.start()
        if mode is TimeMode.PAUSED:
            memory.clock.advance(10 * DAY * 1_000)
            drive(memory)
            memory.emulator.advance(arn, 31 * DAY * 1_000)
        drive(memory)
        assert memory.status(arn) == "SUCCEEDED"
        first, second = times(memory, arn, "WaitSucceeded")
        assert abs(second - first - HOUR) <= 2_000
