"""Several drivers and several emulators share one store."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.emulator.emulator_rig import (
    PENDING,
    EmulatorRig,
    Invoked,
    bound,
    calls_back,
    succeeded,
    waits,
)

from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.driver import Driver, Ending
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.protocol.control_plane import InvokeRequest, PauseRequest, ResumeRequest
from durable_execution_sdk.protocol.data_plane import Outcome
from durable_execution_sdk.protocol.limits import LONGEST_INVOCATION_SECONDS


class LateStore(SqliteStore):
    """A store to which another process writes first, once: between the decision of a command and its events."""

    before: Callable[[], None] | None = None

    def append(self, *arguments: Any, **options: Any) -> None:
        before, self.before = self.before, None
        if before is not None:
            before()
        super().append(*arguments, **options)


def test_two_drivers_never_run_the_same_invocation(tmp_path: Path) -> None:
    running: list[str] = []
    clashes: list[str] = []
    path = tmp_path / "x.db"

    async def workflow(run: Invoked) -> Outcome:
        if run.arn in running:
            clashes.append(run.arn)
        running.append(run.arn)
        try:
            await run.step("a", lambda: 1)
            if not await run.wait("w", 1):
                return PENDING
            return succeeded(await run.step("b", lambda: 2))
        finally:
            running.remove(run.arn)

    worlds = [EmulatorRig(SqliteStore(path)) for _ in range(2)]
    for each_world in worlds:
        each_world.add("f", workflow)
    arns = [worlds[0].start(payload=number) for number in range(6)]

    def drive(rig: EmulatorRig) -> None:
        rig.driver.run_until(lambda: all(rig.emulator.is_closed(arn) for arn in arns))

    threads = [threading.Thread(target=drive, args=(each_world,)) for each_world in worlds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clashes == []
    for arn in arns:
        assert worlds[0].result(arn) == 2
        assert worlds[1].history(arn).count("InvocationCompleted") == 2
        assert worlds[0].history(arn) == worlds[1].history(arn)
    for each_world in worlds:
        each_world.emulator.close()


def test_an_answer_from_another_process_is_noticed_while_waiting(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    functions = Functions()
    functions.add_durable("f", bound(calls_back))
    emulator = Emulator(SqliteStore(path), RealClock(), functions)
    other = Emulator(SqliteStore(path), RealClock(), Functions())
    arn = emulator.start(InvokeRequest(function_name="f:$LATEST"))
    answer_times: list[int] = []

    def answer(_: str, events: Any) -> None:
        if (
            any(type(event).__name__ == "InvocationCompleted" for event in events)
            and not answer_times
        ):
            answer_times.append(1)
            operation = other.operations(arn)[-1]
            assert operation.callback_details is not None
            assert operation.callback_details.callback_id is not None
            other.callback_success(operation.callback_details.callback_id, b'"hello"')

    emulator.subscribe(answer)
    assert Driver(emulator).run_until_closed(arn, patient=True) is Ending.DONE
    assert json.loads(other.describe(arn).result or "") == '"hello"'
    emulator.close()
    other.close()


def test_an_execution_that_another_process_deleted_is_no_longer_driven(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    rig, other = EmulatorRig(SqliteStore(path)), EmulatorRig(SqliteStore(path))
    for each_world in (rig, other):
        each_world.add("f", waits)
    stopped, deleted = rig.start(payload=1), rig.start(payload=2)
    rig.driver.run_until(lambda: False, wait=False)
    for arn in (stopped, deleted):
        other.emulator.stop(arn)
    other.emulator.delete(deleted)
    assert rig.driver.run_until(lambda: False) is Ending.IDLE
    assert rig.status(stopped) == "STOPPED"
    assert rig.emulator.is_closed(deleted)
    for each_world in (rig, other):
        each_world.emulator.close()


@pytest.mark.parametrize("change", ["stopped", "paused", "deleted"])
def test_what_another_process_changes_as_an_invocation_begins_ends_no_driver(
    tmp_path: Path, change: str
) -> None:
    path = tmp_path / "x.db"
    store = LateStore(path)
    rig, other = EmulatorRig(store), EmulatorRig(SqliteStore(path))
    invoked: list[str] = []

    async def workflow(run: Invoked) -> Outcome:
        invoked.append(run.arn)
        return succeeded(1)

    for each_world in (rig, other):
        each_world.add("f", workflow)
    changed = rig.start(payload=1)

    def change_it() -> None:
        if change == "paused":
            other.emulator.pause(changed, PauseRequest())
            return
        other.emulator.stop(changed)
        if change == "deleted":
            other.emulator.delete(changed)

    store.before = change_it
    rig.driver.run_until(lambda: False, wait=False)
    assert invoked == []
    neighbour = rig.start(payload=2)
    assert rig.run(neighbour) is Ending.DONE
    assert invoked == [neighbour]
    for each_world in (rig, other):
        each_world.emulator.close()


def test_two_emulators_that_write_at_once_agree(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    rig, other = EmulatorRig(SqliteStore(path)), EmulatorRig(SqliteStore(path))
    rig.add("f", calls_back)
    arn = rig.start()
    steps: list[str] = []
    rig.emulator.subscribe(lambda _, events: steps.extend(type(e).__name__ for e in events))
    rig.run(arn)
    other.emulator.pause(arn, PauseRequest())
    rig.emulator.resume(arn, ResumeRequest())
    other.emulator.stop(arn)
    assert rig.status(arn) == other.status(arn) == "STOPPED"
    assert rig.history(arn) == other.history(arn)
    assert "ExecutionPaused" in steps and "ExecutionStopped" in steps
    for each_world in (rig, other):
        each_world.emulator.close()


def test_a_lease_that_another_worker_has_keeps_an_invocation_from_being_buried(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.db"
    rig, other = EmulatorRig(SqliteStore(path)), EmulatorRig(SqliteStore(path))
    endings: list[Ending] = []

    async def workflow(run: Invoked) -> Outcome:
        endings.append(
            other.driver.run_until_closed(run.arn, until=other.clock.now(), patient=True)
        )
        endings.append(other.driver.run_until(lambda: False, wait=False))
        return succeeded(await run.step("s", lambda: 1))

    for each_world in (rig, other):
        each_world.add("f", workflow)
    arn = rig.start()
    assert rig.run(arn) is Ending.DONE
    assert endings == [Ending.LATE, Ending.IDLE]
    assert rig.history(arn).count("InvocationCompleted") == 1
    for each_world in (rig, other):
        each_world.emulator.close()


def test_closed_executions_are_read_again_on_request(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    arns = [memory.start(payload=number) for number in range(80)]
    for arn in arns:
        memory.emulator.stop(arn)
    assert {memory.status(arn) for arn in arns} == {"STOPPED"}


def test_time_is_not_skipped_while_a_function_runs_in_another_thread(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    arn = memory.start()
    checks = threading.Semaphore(0)
    ends: list[int] = []

    def plain(_: Any, context: Any) -> int:
        # The other thread, which waits for the timer, checks its condition twice while this one runs.
        for _check in range(2):
            assert checks.acquire(timeout=60)
            memory.emulator.coordinator.wake()
        ends.append(memory.clock.now())
        return context.get_remaining_time_in_millis()

    def is_closed() -> bool:
        checks.release()
        return memory.emulator.is_closed(arn)

    began = memory.clock.now()
    memory.driver.run_until(lambda: False, wait=False)
    driving = threading.Thread(target=lambda: memory.driver.run_until(is_closed))

    def start_driving(_: Any, context: Any) -> Any:
        driving.start()
        return plain(_, context)

    memory.functions.add_plain("p", start_driving)
    answer = memory.driver.call(
        memory.functions.resolve("p"), b"{}", InvokeRequest(function_name="p")
    )
    driving.join()
    assert json.loads(answer.payload) == LONGEST_INVOCATION_SECONDS * 1_000
    assert ends == [began]
    assert memory.result(arn) == "waited"
