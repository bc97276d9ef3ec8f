"""An emulator that only reads shows what is recorded, and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.rig import Rig, rig_of

from durable_execution_sdk import DurableContext, Duration
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.stores.schema import EXECUTIONS, Format
from durable_execution_sdk.emulator.stores.sqlite_file import SqliteFile
from durable_execution_sdk.errors import ServiceError, StoreError
from durable_execution_sdk.protocol.control_plane import (
    InvokeRequest,
    PauseRequest,
    ResumeRequest,
)


async def workflow(event: Any, ctx: DurableContext) -> Any:
    await ctx.wait(Duration.from_days(1))
    return await ctx.invoke("workflow:$LATEST", {}, name="again")


@pytest.fixture
def rig() -> Rig:
    return rig_of(workflow)


@pytest.fixture
def arn(rig: Rig) -> str:
    """An execution that waits for a day."""
    started = rig.start()
    rig.driver.run_until(lambda: False, wait=False)
    return started


def reading(rig: Rig) -> Emulator:
    """Look at the store of a rig ten days later."""
    clock = VirtualClock(rig.clock.now() + 10 * 86_400_000)
    return Emulator(rig.store, clock, rig.emulator.functions, reads_only=True)


def test_no_timer_fires_and_nothing_is_started(rig: Rig, arn: str) -> None:
    before = rig.store.events(arn)
    emulator = reading(rig)
    for _ in range(2):
        emulator.coordinator.refresh()
        [wait] = emulator.progress(arn).operations
        assert wait.operation.status == "STARTED"
        assert emulator.describe(arn).status == "RUNNING"
    assert rig.store.events(arn) == before
    assert list(rig.store.open_heads()) == [arn]


def test_commands_are_refused(rig: Rig, arn: str) -> None:
    emulator = reading(rig)
    for command in (
        lambda: emulator.stop(arn),
        lambda: emulator.pause(arn, PauseRequest()),
        lambda: emulator.resume(arn, ResumeRequest()),
        lambda: emulator.delete(arn),
        lambda: emulator.fork(arn),
        lambda: emulator.rerun(arn),
        lambda: emulator.advance(arn),
        lambda: emulator.accept_code(arn, "x"),
        lambda: emulator.start(InvokeRequest(function_name="workflow:$LATEST", payload=b"{}")),
    ):
        with pytest.raises(ServiceError, match="only read here"):
            command()
    assert list(rig.store.open_heads()) == [arn]


def test_events_that_another_emulator_records_are_announced(rig: Rig, arn: str) -> None:
    emulator = reading(rig)
    emulator.coordinator.refresh()
    seen: list[str] = []
    emulator.subscribe(lambda _, events: seen.extend(type(each).__name__ for each in events))
    rig.emulator.stop(arn)
    emulator.coordinator.refresh()
    assert seen == ["ExecutionStopped"]
    assert emulator.describe(arn).status == "STOPPED"


def test_a_file_that_is_only_read_takes_no_write(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with pytest.raises(StoreError, match="unable to open"):
        SqliteFile(path, EXECUTIONS, reads_only=True)
    assert not path.exists()
    SqliteFile(path, EXECUTIONS).close()
    file = SqliteFile(path, EXECUTIONS, reads_only=True)
    with pytest.raises(StoreError, match="readonly"), file.writing() as db:
        db.execute("DELETE FROM executions")
    assert file.read("SELECT count(*) FROM executions") == [(0,)]
    file.close()


def test_a_file_of_an_older_format_is_brought_up_to_date_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    old = Format(application_id=7, version=1, tables=["CREATE TABLE a (x)"])
    new = replace(old, version=2, migrations={1: ["CREATE TABLE b (x)"]})
    SqliteFile(path, old).close()
    file = SqliteFile(path, new, reads_only=True)
    assert file.read("SELECT count(*) FROM b") == [(0,)]
    file.close()
