"""A process dies before or after a write, and the next one resumes its executions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from tests.emulator.emulator_rig import (
    PENDING,
    EmulatorRig,
    Invoked,
    succeeded,
    waits,
)

from durable_execution_sdk.emulator.driver import Ending
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.emulator.stores.store import Store
from durable_execution_sdk.protocol.data_plane import Outcome


class Killed(BaseException):
    """Simulates the death of the process."""


class DyingStore:
    """Raises ``Killed`` before or after its n-th write."""

    def __init__(self, store: Store, writes: int, after: bool) -> None:
        self._store = store
        self._left = writes
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def create(self, *args: Any) -> None:
        self._write(self._store.create, args)

    def append(self, *args: Any) -> None:
        self._write(self._store.append, args)

    def _write(self, write: Callable[..., None], args: tuple[Any, ...]) -> None:
        self._left -= 1
        if self._left < 0 or (self._left == 0 and not self._after):
            raise Killed
        write(*args)
        if self._left == 0:
            raise Killed


async def everything(run: Invoked) -> Outcome:
    first = await run.step("s1", lambda: 1)
    if not await run.wait("w", 60):
        return PENDING
    child = await run.invoke("i", "child:$LATEST", first)
    plain = await run.invoke("p", "plain", first)
    if "STARTED" in (child.status, plain.status):
        return PENDING
    assert child.chained_invoke_details is not None and plain.chained_invoke_details is not None
    results = [child.chained_invoke_details.result, plain.chained_invoke_details.result]
    return succeeded([first, *results, await run.step("s2", lambda: 2)])


async def child_of_everything(run: Invoked) -> Outcome:
    if not await run.wait("w", 5):
        return PENDING
    return succeeded(run.input + 10)


def complete(rig: EmulatorRig) -> str:
    rig.add("f", everything)
    rig.add("child", child_of_everything)
    rig.functions.add_plain("plain", lambda event, _: event + 100)
    arn = rig.start(durable_execution_name="all")
    assert rig.run(arn) is Ending.DONE
    return arn


def crash_and_resume(open_store: Callable[[], Store], write: int, *, after: bool) -> bool:
    """Die at a write, resume and compare; return False when there was no such write."""
    dying = EmulatorRig(cast("Store", DyingStore(open_store(), write, after)))
    try:
        complete(dying)
    except Killed:
        pass
    else:
        return False
    finally:
        dying.emulator.close()
    resumed = EmulatorRig(open_store())
    arn = complete(resumed)
    assert resumed.result(arn) == [1, "11", "101", 2]
    facts = [fact for fact in resumed.history(arn) if fact != "InvocationCompleted"]
    assert sorted(facts) == [
        *["ChainedInvokeStarted"] * 2,
        *["ChainedInvokeSucceeded"] * 2,
        "ExecutionStarted",
        "ExecutionSucceeded",
        *["StepStarted"] * 2,
        *["StepSucceeded"] * 2,
        "WaitStarted",
        "WaitSucceeded",
    ]
    resumed.emulator.close()
    return True


def _same(store: Store) -> Store:
    return store


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_write_loses_nothing_that_was_stored(after: bool) -> None:
    write = 1
    while True:
        store = MemoryStore()
        if not crash_and_resume(partial(_same, store), write, after=after):
            break
        write += 1
    assert write > 20


@pytest.mark.parametrize("write", [1, 4, 9, 16, 21])
def test_a_crash_loses_nothing_that_was_in_the_file(tmp_path: Path, write: int) -> None:
    path = tmp_path / "x.db"
    assert crash_and_resume(lambda: SqliteStore(path), write, after=write % 2 == 0)


def test_timers_are_armed_again_when_a_store_is_reopened(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    rig = EmulatorRig(SqliteStore(path))
    rig.add("f", waits)
    arn = rig.start()
    rig.driver.run_until(lambda: False, wait=False)
    rig.emulator.close()
    reopened = EmulatorRig(SqliteStore(path))
    reopened.add("f", waits)
    began = reopened.clock.now()
    assert reopened.driver.run_until(lambda: reopened.status(arn) == "SUCCEEDED") is Ending.DONE
    assert 60_000 <= reopened.clock.now() - began < 60_100
    reopened.emulator.close()


def test_an_interrupted_deletion_is_finished_when_the_store_is_reopened(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    rig = EmulatorRig(SqliteStore(path))
    rig.add("f", waits)
    arn = rig.start(durable_execution_name="x")
    rig.run(arn)
    store = rig.emulator.store
    store.delete = lambda arn: (_ for _ in ()).throw(Killed)  # type: ignore[method-assign]
    with pytest.raises(Killed):
        rig.emulator.delete(arn)
    rig.emulator.close()
    reopened = EmulatorRig(SqliteStore(path))
    assert reopened.driver.run_until(lambda: False) is Ending.IDLE
    assert reopened.emulator.find_name("x") is None
    reopened.emulator.close()
