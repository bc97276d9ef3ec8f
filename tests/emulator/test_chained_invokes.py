"""Chained invokes of durable, plain and missing functions."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.emulator.emulator_rig import (
    PENDING,
    EmulatorRig,
    Invoked,
    Workflow,
    calls_back,
    succeeded,
    waits,
)

from durable_execution_sdk.emulator.driver import Driver, Ending
from durable_execution_sdk.emulator.schedule.schedule import DISPATCH_MILLISECONDS
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.protocol.control_plane import HistoryRequest, ListRequest
from durable_execution_sdk.protocol.data_plane import Outcome, OutcomeStatus
from durable_execution_sdk.protocol.error_object import ErrorObject


def invoking(function: str, payload: object = None) -> Workflow:
    async def workflow(run: Invoked) -> Outcome:
        operation = await run.invoke("i", function, payload)
        if operation.status == "STARTED":
            return PENDING
        details = operation.chained_invoke_details
        assert details is not None
        if details.error is not None:
            return Outcome(status=OutcomeStatus.FAILED, error=details.error)
        return succeeded([operation.status, json.loads(details.result or "null")])

    return workflow


def test_a_durable_target_runs_as_an_execution_of_its_own(rig: EmulatorRig) -> None:
    async def child(run: Invoked) -> Outcome:
        if not await run.wait("w", 30):
            return PENDING
        return succeeded({"got": run.input})

    rig.add("parent", invoking("child:$LATEST", [1, 2]))
    rig.add("child", child)
    arn = rig.start("parent")
    assert rig.run(arn) is Ending.DONE
    assert rig.result(arn) == ["SUCCEEDED", {"got": [1, 2]}]
    assert rig.history(arn) == [
        "ExecutionStarted",
        "ChainedInvokeStarted",
        "InvocationCompleted",
        "ChainedInvokeSucceeded",
        "InvocationCompleted",
        "ExecutionSucceeded",
    ]
    page = rig.emulator.history(HistoryRequest(durable_execution_arn=arn))
    details = page.events[1].chained_invoke_started_details
    assert details is not None and details.durable_execution_arn is not None
    assert rig.status(details.durable_execution_arn) == "SUCCEEDED"


@pytest.mark.parametrize("target", ["child:$LATEST", "plain"])
def test_a_target_starts_after_its_caller_has_suspended(memory: EmulatorRig, target: str) -> None:
    runs: list[str] = []
    runs_while_parent_ran: list[int] = []

    async def child(run: Invoked) -> Outcome:
        runs.append("child")
        return succeeded(1)

    def plain(event: Any, context: Any) -> int:
        runs.append("plain")
        return 1

    async def parent(run: Invoked) -> Outcome:
        operation = await run.invoke("i", target)
        if operation.status == "STARTED":
            # Another thread drives the emulator while this invocation still runs.
            other = Driver(memory.emulator)
            for milliseconds in (0, DISPATCH_MILLISECONDS - 20, 40):
                memory.clock.advance(milliseconds)
                await asyncio.to_thread(other.run_until, lambda: False, wait=False)
                runs_while_parent_ran.append(len(runs))
            return PENDING
        return succeeded("done")

    memory.add("parent", parent)
    memory.add("child", child)
    memory.functions.add_plain("plain", plain)
    arn = memory.start("parent")
    assert memory.run(arn) is Ending.DONE
    # The target starts once the start delay has passed, although its caller still runs.
    assert runs_while_parent_ran == [0, 0, 1]
    assert len(runs) == 1


def test_driving_only_a_target_waits_for_its_start_delay(memory: EmulatorRig) -> None:
    endings: list[Ending] = []

    async def child(run: Invoked) -> Outcome:
        return succeeded(1)

    async def parent(run: Invoked) -> Outcome:
        operation = await run.invoke("i", "child:$LATEST")
        if operation.status == "STARTED":
            [summary] = memory.emulator.list_executions(
                ListRequest(function_name="child")
            ).durable_executions
            arn = summary.durable_execution_arn
            endings.append(await asyncio.to_thread(Driver(memory.emulator).run_until_closed, arn))
            return PENDING
        return succeeded("done")

    memory.add("parent", parent)
    memory.add("child", child)
    assert memory.run(memory.start("parent")) is Ending.DONE
    assert endings == [Ending.DONE]


def test_a_caller_can_wait_for_its_target_while_virtual_time_stands_still(
    memory: EmulatorRig,
) -> None:
    runs: list[str] = []

    async def child(run: Invoked) -> Outcome:
        runs.append("child")
        return succeeded(1)

    async def parent(run: Invoked) -> Outcome:
        operation = await run.invoke("i", "child:$LATEST")
        if operation.status == "STARTED":
            # A step of the caller waits for an effect of the target, while virtual time stands still.
            other = Driver(memory.emulator)
            await asyncio.to_thread(other.run_until, lambda: bool(runs), patient=True)
            return PENDING
        return succeeded("done")

    memory.add("parent", parent)
    memory.add("child", child)
    arn = memory.start("parent")
    assert memory.run(arn) is Ending.DONE
    assert runs == ["child"]


def test_children_of_children_are_driven_too(memory: EmulatorRig) -> None:
    memory.add("a", invoking("b:$LATEST"))
    memory.add("b", invoking("c:$LATEST"))
    memory.add("c", waits)
    arn = memory.start("a")
    assert memory.run(arn) is Ending.DONE
    assert memory.result(arn) == ["SUCCEEDED", ["SUCCEEDED", "waited"]]


def test_a_plain_target_is_called_once_and_its_answer_is_the_result(rig: EmulatorRig) -> None:
    calls: list[Any] = []

    def plain(event: Any, context: Any) -> Any:
        calls.append((event, context.function_name))
        return {"doubled": event * 2}

    rig.functions.add_plain("plain", plain)
    rig.add("f", invoking("plain", 21))
    arn = rig.start()
    assert rig.run(arn) is Ending.DONE
    assert rig.result(arn) == ["SUCCEEDED", {"doubled": 42}]
    assert calls == [(21, "plain")]


def test_a_plain_target_that_raises_fails_the_invoke_with_its_class(memory: EmulatorRig) -> None:
    class OutOfStock(Exception):
        pass

    def plain(_: Any, __: Any) -> Any:
        raise OutOfStock("tea")

    memory.functions.add_plain("plain", plain)
    memory.add("f", invoking("plain"))
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    error = memory.emulator.describe(arn).error
    assert error is not None
    assert (error.error_type, error.error_message) == ("OutOfStock", "tea")


def test_a_plain_target_that_takes_too_long_fails_the_invoke(memory: EmulatorRig) -> None:
    memory.functions.add_plain("slow", lambda _, __: memory.clock.advance(3_001), timeout=3)
    memory.add("f", invoking("slow"))
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    error = memory.emulator.describe(arn).error
    assert error is not None and error.error_type == "Sandbox.Timedout"


@pytest.mark.parametrize(
    ("function", "error_type"),
    [
        ("missing:$LATEST", "ResourceNotFoundException"),
        ("parent", "InvalidParameterValueException"),
    ],
)
def test_a_target_that_cannot_be_started_fails_in_the_same_response(
    memory: EmulatorRig, function: str, error_type: str
) -> None:
    memory.add("parent", invoking(function))
    arn = memory.start("parent")
    assert memory.run(arn) is Ending.DONE
    error = memory.emulator.describe(arn).error
    assert error is not None and error.error_type == error_type
    assert memory.history(arn).count("InvocationCompleted") == 1


def test_a_child_that_times_out_times_the_invoke_out(memory: EmulatorRig) -> None:
    memory.add("parent", invoking("child:$LATEST"))
    memory.add("child", calls_back, execution_timeout=40)
    arn = memory.start("parent")
    assert memory.run(arn) is Ending.DONE
    assert "ChainedInvokeTimedOut" in memory.history(arn)
    error = memory.emulator.describe(arn).error
    assert error is not None and error.error_type == "ChainedInvoke.Timeout"


def test_a_child_that_is_stopped_stops_the_invoke(memory: EmulatorRig) -> None:
    memory.add("parent", invoking("child:$LATEST"))
    memory.add("child", calls_back)
    arn = memory.start("parent")
    assert memory.run(arn) is Ending.IDLE
    page = memory.emulator.list_executions(ListRequest(function_name="child"))
    child = page.durable_executions[0].durable_execution_arn
    memory.emulator.stop(child, ErrorObject(error_type="Enough"))
    assert memory.run(arn) is Ending.DONE
    assert "ChainedInvokeStopped" in memory.history(arn)
    error = memory.emulator.describe(arn).error
    assert error is not None and error.error_type == "Enough"


def test_a_child_that_may_not_be_started_fails_the_invoke_with_the_services_error() -> None:
    rig = EmulatorRig(MemoryStore(), limits=Limits(execution_timeout_seconds=20))
    rig.add("parent", invoking("child:$LATEST"), execution_timeout=10)
    rig.add("child", waits, execution_timeout=30)
    arn = rig.start("parent")
    assert rig.run(arn) is Ending.DONE
    error = rig.emulator.describe(arn).error
    assert error is not None and error.error_type is not None
    assert error.error_type.endswith("Exception")
    assert rig.emulator.list_executions(ListRequest(function_name="child")).durable_executions == []


def test_a_function_that_this_process_does_not_have_is_left_to_others(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    asking, answering = EmulatorRig(SqliteStore(path)), EmulatorRig(SqliteStore(path))
    asking.add("parent", invoking("plain", 1))
    asking.functions.add_plain("plain", lambda event, _: event + 1)
    arn = asking.start("parent")
    asking.emulator.coordinator.refresh()
    assert answering.run(arn) is Ending.IDLE
    answering.add("parent", invoking("plain", 1))
    answering.functions.add_plain("plain", lambda event, _: event + 2)
    assert answering.run(arn) is Ending.DONE
    assert asking.run(arn) is Ending.DONE
    assert asking.result(arn) == ["SUCCEEDED", 3]
    for rig in (asking, answering):
        rig.emulator.close()
