"""Running one execution of a store does not touch the others."""

from __future__ import annotations

from pathlib import Path

from tests.emulator.emulator_rig import PENDING, EmulatorRig, Invoked, succeeded, waits

from durable_execution_sdk.emulator.driver import Ending
from durable_execution_sdk.emulator.stores.single_execution import SingleExecutionStore
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.protocol.data_plane import Outcome


async def invokes(run: Invoked) -> Outcome:
    operation = await run.invoke("i", "child:$LATEST")
    return succeeded("invoked") if operation.status == "SUCCEEDED" else PENDING


def test_skipping_time_for_one_execution_does_not_end_the_waits_of_another(tmp_path: Path) -> None:
    first = EmulatorRig(SqliteStore(tmp_path / "x.db"))
    first.add("f", waits)
    other = first.start(durable_execution_name="other")
    assert first.driver.run_until(lambda: False, until=first.clock.now() + 1) is Ending.LATE
    second = EmulatorRig(SingleExecutionStore(tmp_path / "x.db"))
    second.add("f", waits)
    mine = second.start(durable_execution_name="mine")
    assert second.run(mine) is Ending.DONE
    assert second.result(mine) == "waited"
    assert first.emulator.operations(other)[-1].status == "STARTED"
    first.emulator.close()
    second.emulator.close()


def test_executions_invoked_earlier_belong_to_the_family(tmp_path: Path) -> None:
    first = EmulatorRig(SqliteStore(tmp_path / "x.db"))
    first.add("f", invokes)
    first.add("child", waits)
    arn = first.start(durable_execution_name="mine")
    assert first.driver.run_until(lambda: False, until=first.clock.now() + 1) is Ending.LATE
    first.emulator.close()
    second = EmulatorRig(SingleExecutionStore(tmp_path / "x.db"))
    second.add("f", invokes)
    second.add("child", waits)
    assert second.start(durable_execution_name="mine") == arn
    assert second.run(arn) is Ending.DONE
    assert second.result(arn) == "invoked"
    second.emulator.close()


def test_an_emulator_tells_the_progress_and_the_tally_of_an_execution(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    arn = memory.start()
    memory.run(arn)
    assert [operation.operation.id for operation in memory.emulator.progress(arn).operations] == [
        "w"
    ]
    assert memory.emulator.tally(arn).invocations == 2
