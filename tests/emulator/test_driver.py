"""Executions from start to end, with handlers that speak wire JSON and need no SDK.

A handler here is a coroutine function of an ``Invoked``, which knows the operations so far and
sends updates. Time is virtual: nothing here waits.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from durable_execution_sdk.emulator.caller import RESPONSE_BYTES, Seams
from durable_execution_sdk.emulator.clock import RealClock, VirtualClock
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane, invoke
from durable_execution_sdk.emulator.data_plane import SlowDataPlane
from durable_execution_sdk.emulator.driver import Driver, Ending
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions import Bind, Functions
from durable_execution_sdk.emulator.invokers import Handler
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.emulator.stores.store import Store
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.model import wire
from durable_execution_sdk.model.api import (
    CheckpointRequest,
    CheckpointResponse,
    HistoryRequest,
    InvocationType,
    InvokeRequest,
    ListRequest,
    PauseRequest,
    ResumeRequest,
    StateRequest,
)
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.invocation import Outcome, OutcomeStatus
from durable_execution_sdk.model.operation import Operation, OperationType
from durable_execution_sdk.model.update import (
    CallbackOptions,
    ChainedInvokeOptions,
    OperationAction,
    OperationUpdate,
    StepOptions,
    WaitOptions,
)
from durable_execution_sdk.service import DataPlane

DAY = 86_400
PENDING = Outcome(status=OutcomeStatus.PENDING)


def succeeded(result: object) -> Outcome:
    return Outcome(status=OutcomeStatus.SUCCEEDED, result=json.dumps(result))


class Invoked:
    """One invocation of a handler, by hand."""

    def __init__(self, plane: DataPlane, event: Any, context: Any) -> None:
        invocation = wire.decode_invocation(event)
        self.plane = plane
        self.context = context
        self.arn = invocation.durable_execution_arn
        self.token: str | None = invocation.checkpoint_token
        self.marker = invocation.initial_execution_state.next_marker
        self.updated = invocation.updated_operation_ids or []
        self.operations: dict[str, Operation] = {}
        self.merge(invocation.initial_execution_state.operations)

    def merge(self, operations: list[Operation]) -> None:
        self.operations.update({operation.id: operation for operation in operations})

    @property
    def input(self) -> Any:
        details = self.operations[self.arn.rpartition("/")[2]].execution_details
        assert details is not None and details.input_payload is not None
        return json.loads(details.input_payload)

    def status(self, operation_id: str) -> str | None:
        operation = self.operations.get(operation_id)
        return None if operation is None else operation.status

    async def read_all_pages(self) -> int:
        pages = 1
        while self.marker:
            assert self.token is not None
            page = await self.plane.get_state(
                StateRequest(
                    durable_execution_arn=self.arn,
                    checkpoint_token=self.token,
                    marker=self.marker,
                    max_items=3,
                )
            )
            pages += 1
            self.merge(page.operations)
            self.marker = page.next_marker
        return pages

    async def send(self, *updates: OperationUpdate) -> None:
        assert self.token is not None
        response = await self.plane.checkpoint(
            CheckpointRequest(
                durable_execution_arn=self.arn,
                checkpoint_token=self.token,
                updates=list(updates),
            )
        )
        self.token = response.checkpoint_token
        self.merge(response.operations)

    async def step(self, operation_id: str, body: Callable[[], object]) -> Any:
        """A step, as an SDK would run it."""
        operation = self.operations.get(operation_id)
        if operation is not None and operation.status == "SUCCEEDED":
            details = operation.step_details
            assert details is not None and details.result is not None
            return json.loads(details.result)
        value = json.dumps(body())
        await self.send(
            update(operation_id, OperationType.STEP, OperationAction.START),
            update(operation_id, OperationType.STEP, OperationAction.SUCCEED, payload=value),
        )
        return json.loads(value)

    async def wait(self, operation_id: str, seconds: int) -> bool:
        """Whether a wait is over; starts it if need be."""
        if operation_id not in self.operations:
            await self.send(
                update(
                    operation_id,
                    OperationType.WAIT,
                    OperationAction.START,
                    wait_options=WaitOptions(wait_seconds=seconds),
                )
            )
        return self.status(operation_id) == "SUCCEEDED"

    async def callback(self, operation_id: str, **options: int) -> Operation:
        """A callback as of now; starts it if need be."""
        if operation_id not in self.operations:
            await self.send(
                update(
                    operation_id,
                    OperationType.CALLBACK,
                    OperationAction.START,
                    callback_options=CallbackOptions(**options),
                )
            )
        return self.operations[operation_id]

    async def invoke(self, operation_id: str, function: str, payload: object = None) -> Operation:
        """A chained invoke as of now; starts it if need be."""
        if operation_id not in self.operations:
            await self.send(
                update(
                    operation_id,
                    OperationType.CHAINED_INVOKE,
                    OperationAction.START,
                    payload=json.dumps(payload),
                    chained_invoke_options=ChainedInvokeOptions(function_name=function),
                )
            )
        return self.operations[operation_id]


def update(
    operation_id: str, type_: OperationType, action: OperationAction, **members: Any
) -> OperationUpdate:
    return OperationUpdate(id=operation_id, type=type_, action=action, **members)


Workflow = Callable[[Invoked], Awaitable[Outcome]]


def bound(workflow: Workflow) -> Bind:
    def bind(plane: DataPlane) -> Handler:
        def handler(event: Any, context: Any) -> Any:
            async def main() -> Outcome:
                return await workflow(Invoked(plane, event, context))

            return wire.encode_outcome(asyncio.run(main()))

        return handler

    return bind


class World:
    """An emulator on a virtual clock, and a driver for it."""

    def __init__(self, store: Store, limits: Limits = DEFAULT_LIMITS, seams: Seams | None = None):
        self.clock = VirtualClock()
        self.functions = Functions()
        self.emulator = Emulator(store, self.clock, self.functions, limits=limits)
        self.driver = Driver(self.emulator, seams=seams)

    def add(self, name: str, workflow: Workflow, **options: Any) -> None:
        self.functions.add_durable(name, bound(workflow), **options)

    def start(self, name: str = "f", payload: object = None, **members: Any) -> str:
        return self.emulator.start(
            InvokeRequest(
                function_name=f"{name}:$LATEST",
                payload=json.dumps(payload).encode(),
                invocation_type=InvocationType.EVENT,
                **members,
            )
        )

    def run(self, arn: str) -> Ending:
        return self.driver.run_until_closed(arn)

    def status(self, arn: str) -> str:
        return self.emulator.describe(arn).status

    def result(self, arn: str) -> Any:
        description = self.emulator.describe(arn)
        assert description.status == "SUCCEEDED", description
        return json.loads(description.result or "null")

    def history(self, arn: str) -> list[str]:
        page = self.emulator.history(HistoryRequest(durable_execution_arn=arn, max_items=1_000))
        return [event.event_type for event in page.events]

    def callback_id(self, arn: str, operation_id: str = "cb") -> str:
        found = {each.id: each for each in self.emulator.operations(arn)}[operation_id]
        assert found.callback_details is not None
        assert found.callback_details.callback_id is not None
        return found.callback_details.callback_id


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    store: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "x.db")
    made = World(store)
    yield made
    made.emulator.close()


@pytest.fixture
def memory() -> World:
    return World(MemoryStore())


async def waits(run: Invoked) -> Outcome:
    if not await run.wait("w", 60):
        return PENDING
    return succeeded("waited")


async def calls_back(run: Invoked) -> Outcome:
    callback = await run.callback("cb")
    if callback.status == "STARTED":
        return PENDING
    details = callback.callback_details
    assert details is not None
    if details.error is not None:
        return Outcome(status=OutcomeStatus.FAILED, error=details.error)
    return succeeded(details.result)


# Steps and waits


def test_steps_run_in_one_invocation(world: World) -> None:
    async def workflow(run: Invoked) -> Outcome:
        total = 0
        for number in range(5):
            total += await run.step(f"s{number}", lambda number=number: number * run.input)
        return succeeded(total)

    world.add("f", workflow)
    arn = world.start(payload=10)
    assert world.run(arn) is Ending.DONE
    assert world.result(arn) == 100
    assert world.history(arn) == [
        "ExecutionStarted",
        *["StepStarted", "StepSucceeded"] * 5,
        "InvocationCompleted",
        "ExecutionSucceeded",
    ]


def test_a_wait_suspends_and_the_clock_jumps_to_its_end(world: World) -> None:
    seen: list[list[str]] = []

    async def workflow(run: Invoked) -> Outcome:
        seen.append(run.updated)
        if not await run.wait("w", 300 * DAY):
            return PENDING
        return succeeded(await run.step("s", lambda: "done"))

    world.add("f", workflow)
    began = world.clock.now()
    arn = world.start()
    assert world.run(arn) is Ending.DONE
    assert world.result(arn) == "done"
    assert 300 * DAY * 1_000 <= world.clock.now() - began < 300 * DAY * 1_000 + 100
    assert len(seen) == 2
    assert seen[1] == ["w"]
    assert world.history(arn) == [
        "ExecutionStarted",
        "WaitStarted",
        "InvocationCompleted",
        "WaitSucceeded",
        "StepStarted",
        "StepSucceeded",
        "InvocationCompleted",
        "ExecutionSucceeded",
    ]


def test_nothing_is_waited_for_when_only_what_is_due_is_asked_for(memory: World) -> None:
    memory.add("f", waits)
    arn = memory.start()
    began = memory.clock.now()
    assert memory.driver.run_until(lambda: False, wait=False) is Ending.IDLE
    assert memory.status(arn) == "RUNNING"
    memory.clock.advance(60_100)
    assert memory.driver.run_until(lambda: False, wait=False) is Ending.IDLE
    assert memory.result(arn) == "waited"
    assert memory.clock.now() == began + 60_100


def test_a_run_ends_at_the_time_it_may_take(memory: World) -> None:
    memory.add("f", waits)
    arn = memory.start()
    until = memory.clock.now() + 30_000
    assert memory.driver.run_until_closed(arn, until=until) is Ending.LATE
    assert memory.clock.now() == until
    assert memory.run(arn) is Ending.DONE


def test_a_run_ends_when_it_is_told_to(memory: World) -> None:
    memory.add("f", waits)
    arn = memory.start()
    stop = threading.Event()
    stop.set()
    assert memory.driver.run_until_closed(arn, stop=stop) is Ending.STOPPED
    assert memory.history(arn) == ["ExecutionStarted"]


def test_a_failed_step_is_due_again_after_its_delay(world: World) -> None:
    attempts: list[int] = []

    async def workflow(run: Invoked) -> Outcome:
        operation = run.operations.get("s")
        ended = operation.step_details.attempt if operation and operation.step_details else 0
        attempts.append(ended or 0)
        start = update("s", OperationType.STEP, OperationAction.START)
        if len(attempts) < 3:
            await run.send(
                start,
                update(
                    "s",
                    OperationType.STEP,
                    OperationAction.RETRY,
                    error=ErrorObject(error_type="Flaky"),
                    step_options=StepOptions(next_attempt_delay_seconds=7),
                ),
            )
            return PENDING
        assert run.status("s") == "READY"
        await run.send(
            start, update("s", OperationType.STEP, OperationAction.SUCCEED, payload='"ok"')
        )
        return succeeded("ok")

    world.add("f", workflow)
    began = world.clock.now()
    arn = world.start()
    assert world.run(arn) is Ending.DONE
    assert attempts == [0, 1, 2]
    assert 14_000 <= world.clock.now() - began < 14_100
    assert world.history(arn).count("StepFailed") == 2


def test_unrelated_executions_are_left_alone_when_one_is_driven(memory: World) -> None:
    memory.add("f", waits)
    memory.add("g", waits)
    other = memory.start("g")
    arn = memory.start("f")
    assert memory.run(arn) is Ending.DONE
    assert memory.history(other) == ["ExecutionStarted"]
    assert memory.driver.run_until(lambda: memory.status(other) == "SUCCEEDED") is Ending.DONE


# Callbacks


def test_a_callback_without_a_timeout_leaves_nothing_to_do_until_it_is_answered(
    world: World,
) -> None:
    world.add("f", calls_back)
    arn = world.start()
    assert world.run(arn) is Ending.IDLE
    world.emulator.callback_success(world.callback_id(arn), b'"yes"')
    assert world.run(arn) is Ending.DONE
    assert world.result(arn) == '"yes"'


def test_a_callback_that_fails_carries_the_senders_error(memory: World) -> None:
    memory.add("f", calls_back)
    arn = memory.start()
    memory.run(arn)
    error = ErrorObject(error_type="Declined", error_message="no", error_data="42")
    memory.emulator.callback_failure(memory.callback_id(arn), error)
    assert memory.run(arn) is Ending.DONE
    assert memory.emulator.describe(arn).error == error


@pytest.mark.parametrize(
    ("options", "error_type", "seconds"),
    [
        ({"timeout_seconds": 90}, "Callback.Timeout", 90),
        ({"timeout_seconds": 90, "heartbeat_timeout_seconds": 20}, "Callback.Heartbeat", 20),
    ],
)
def test_a_callback_that_nobody_answers_times_out(
    world: World, options: dict[str, int], error_type: str, seconds: int
) -> None:
    async def workflow(run: Invoked) -> Outcome:
        callback = await run.callback("cb", **options)
        if callback.status == "STARTED":
            return PENDING
        assert callback.callback_details is not None
        assert callback.callback_details.error is not None
        return succeeded([callback.status, callback.callback_details.error.error_type])

    world.add("f", workflow)
    began = world.clock.now()
    arn = world.start()
    assert world.run(arn) is Ending.DONE
    assert world.result(arn) == ["TIMED_OUT", error_type]
    assert seconds * 1_000 <= world.clock.now() - began < seconds * 1_000 + 100
    with pytest.raises(ServiceError) as refused:
        world.emulator.callback_success(world.callback_id(arn))
    assert refused.value.code == "CallbackTimeoutException"


def test_heartbeats_keep_a_callback_alive(memory: World) -> None:
    async def workflow(run: Invoked) -> Outcome:
        callback = await run.callback("cb", timeout_seconds=100, heartbeat_timeout_seconds=20)
        if callback.status == "STARTED":
            return PENDING
        return succeeded(callback.status)

    memory.add("f", workflow)
    arn = memory.start()
    memory.driver.run_until(lambda: False, wait=False)
    for _ in range(4):
        memory.clock.advance(15_000)
        memory.emulator.callback_heartbeat(memory.callback_id(arn))
    memory.emulator.callback_success(memory.callback_id(arn), b"1")
    assert memory.run(arn) is Ending.DONE
    assert memory.result(arn) == "SUCCEEDED"


def test_a_callback_answered_while_the_handler_runs_is_seen_in_its_next_checkpoint(
    memory: World,
) -> None:
    async def workflow(run: Invoked) -> Outcome:
        callback = await run.callback("cb")
        assert callback.callback_details is not None
        assert callback.callback_details.callback_id is not None
        memory.emulator.callback_success(callback.callback_details.callback_id, b'"fast"')
        await run.send()
        return succeeded(run.status("cb"))

    memory.add("f", workflow)
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    assert memory.result(arn) == "SUCCEEDED"
    assert memory.history(arn).count("InvocationCompleted") == 1


def test_what_is_due_happens_before_a_late_answer(memory: World) -> None:
    async def workflow(run: Invoked) -> Outcome:
        await run.callback("cb", timeout_seconds=10)
        return PENDING

    memory.add("f", workflow)
    arn = memory.start()
    memory.driver.run_until(lambda: False, wait=False)
    memory.clock.advance(11_000)
    with pytest.raises(ServiceError) as refused:
        memory.emulator.callback_success(memory.callback_id(arn), b"1")
    assert refused.value.code == "CallbackTimeoutException"
    assert "CallbackTimedOut" in memory.history(arn)


@pytest.mark.parametrize("callback_id", ["nonsense", "WyJhIiwiYiJd"])
def test_an_unknown_callback_is_not_found(memory: World, callback_id: str) -> None:
    with pytest.raises(ServiceError) as refused:
        memory.emulator.callback_heartbeat(callback_id)
    assert refused.value.status == 404


def test_an_answer_that_is_not_text_is_refused(memory: World) -> None:
    with pytest.raises(ServiceError, match="UTF-8"):
        memory.emulator.callback_success("WyJhIiwiYiJd", b"\xff")


# Chained invokes


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


def test_a_durable_target_runs_as_an_execution_of_its_own(world: World) -> None:
    async def child(run: Invoked) -> Outcome:
        if not await run.wait("w", 30):
            return PENDING
        return succeeded({"got": run.input})

    world.add("parent", invoking("child:$LATEST", [1, 2]))
    world.add("child", child)
    arn = world.start("parent")
    assert world.run(arn) is Ending.DONE
    assert world.result(arn) == ["SUCCEEDED", {"got": [1, 2]}]
    assert world.history(arn) == [
        "ExecutionStarted",
        "ChainedInvokeStarted",
        "InvocationCompleted",
        "ChainedInvokeSucceeded",
        "InvocationCompleted",
        "ExecutionSucceeded",
    ]
    page = world.emulator.history(HistoryRequest(durable_execution_arn=arn))
    details = page.events[1].chained_invoke_started_details
    assert details is not None and details.durable_execution_arn is not None
    assert world.status(details.durable_execution_arn) == "SUCCEEDED"


def test_children_of_children_are_driven_too(memory: World) -> None:
    memory.add("a", invoking("b:$LATEST"))
    memory.add("b", invoking("c:$LATEST"))
    memory.add("c", waits)
    arn = memory.start("a")
    assert memory.run(arn) is Ending.DONE
    assert memory.result(arn) == ["SUCCEEDED", ["SUCCEEDED", "waited"]]


def test_a_plain_target_is_called_once_and_its_answer_is_the_result(world: World) -> None:
    calls: list[Any] = []

    def plain(event: Any, context: Any) -> Any:
        calls.append((event, context.function_name))
        return {"doubled": event * 2}

    world.functions.add_plain("plain", plain)
    world.add("f", invoking("plain", 21))
    arn = world.start()
    assert world.run(arn) is Ending.DONE
    assert world.result(arn) == ["SUCCEEDED", {"doubled": 42}]
    assert calls == [(21, "plain")]


def test_a_plain_target_that_raises_fails_the_invoke_with_its_class(memory: World) -> None:
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


def test_a_plain_target_that_takes_too_long_fails_the_invoke(memory: World) -> None:
    memory.functions.add_plain("slow", lambda *_: memory.clock.advance(3_001), timeout=3)
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
    memory: World, function: str, error_type: str
) -> None:
    memory.add("parent", invoking(function))
    arn = memory.start("parent")
    assert memory.run(arn) is Ending.DONE
    error = memory.emulator.describe(arn).error
    assert error is not None and error.error_type == error_type
    assert memory.history(arn).count("InvocationCompleted") == 1


def test_a_child_that_times_out_times_the_invoke_out(memory: World) -> None:
    memory.add("parent", invoking("child:$LATEST"))
    memory.add("child", calls_back, execution_timeout=40)
    arn = memory.start("parent")
    assert memory.run(arn) is Ending.DONE
    assert "ChainedInvokeTimedOut" in memory.history(arn)
    error = memory.emulator.describe(arn).error
    assert error is not None and error.error_type == "ChainedInvoke.Timeout"


def test_a_child_that_is_stopped_stops_the_invoke(memory: World) -> None:
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


# How executions end


def test_an_execution_times_out(world: World) -> None:
    world.add("f", calls_back, execution_timeout=100)
    began = world.clock.now()
    arn = world.start()
    assert world.run(arn) is Ending.DONE
    assert world.status(arn) == "TIMED_OUT"
    assert 100_000 <= world.clock.now() - began < 100_100


def test_a_stopped_execution_is_not_invoked_again(world: World) -> None:
    world.add("f", waits)
    arn = world.start()
    world.driver.run_until(lambda: False, wait=False)
    ended_at = world.emulator.stop(arn, ErrorObject(error_type="Enough"))
    assert world.emulator.describe(arn).end_timestamp == ended_at
    assert world.emulator.stop(arn) == ended_at
    world.driver.run_until(lambda: False)
    assert world.history(arn)[-1] == "ExecutionStopped"


def test_a_handler_that_is_running_when_it_is_stopped_may_not_checkpoint(memory: World) -> None:
    codes: list[str | None] = []

    async def workflow(run: Invoked) -> Outcome:
        memory.emulator.stop(run.arn)
        try:
            await run.step("s", lambda: 1)
        except ServiceError as error:
            assert error.is_stale_token
            codes.append(error.code)
        return PENDING

    memory.add("f", workflow)
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    assert memory.status(arn) == "STOPPED"
    assert codes == ["InvalidParameterValueException"]


def test_a_paused_execution_waits_on_but_is_not_invoked_until_it_is_resumed(world: World) -> None:
    world.add("f", waits)
    arn = world.start()
    world.driver.run_until(lambda: False, wait=False)
    world.emulator.pause(arn, PauseRequest(reason="lunch"))
    assert world.status(arn) == "PAUSED"
    assert world.run(arn) is Ending.IDLE
    assert "WaitSucceeded" in world.history(arn)
    assert world.history(arn).count("InvocationCompleted") == 1
    world.emulator.resume(arn, ResumeRequest())
    assert world.run(arn) is Ending.DONE
    assert world.result(arn) == "waited"


def test_a_deleted_execution_is_gone_and_its_name_is_free(world: World) -> None:
    world.add("f", waits)
    arn = world.start(durable_execution_name="once")
    with pytest.raises(ServiceError) as refused:
        world.emulator.delete(arn)
    assert refused.value.code == "ResourceConflictException"
    world.run(arn)
    assert world.emulator.delete(arn) > 0
    with pytest.raises(ServiceError) as missing:
        world.emulator.describe(arn)
    assert missing.value.status == 404
    assert world.emulator.find_name("once") is None
    assert world.emulator.is_closed(arn)
    again = world.start(durable_execution_name="once", payload="other")
    assert again != arn
    assert world.emulator.find_name("once") == again


# Invocations that fail


def test_an_invocation_that_raises_is_tried_again_after_a_delay(world: World) -> None:
    tried: list[int] = []

    async def workflow(run: Invoked) -> Outcome:
        tried.append(world.clock.now())
        if len(tried) < 3:
            raise ConnectionError("no network")
        return succeeded("at last")

    world.add("f", workflow)
    arn = world.start()
    assert world.run(arn) is Ending.DONE
    assert world.result(arn) == "at last"
    assert tried[2] - tried[1] > tried[1] - tried[0] > 0
    page = world.emulator.history(HistoryRequest(durable_execution_arn=arn))
    details = page.events[1].invocation_completed_details
    assert details is not None and details.error is not None and details.error.payload is not None
    assert details.error.payload.error_type == "ConnectionError"


@pytest.mark.parametrize("answer", ["junk", {"Status": "MAYBE"}, None, {"Status": 7}, [1]])
def test_an_answer_that_is_no_outcome_fails_the_execution(memory: World, answer: object) -> None:
    memory.functions.add_durable("f", lambda _: lambda *_: answer)
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    assert memory.status(arn) == "FAILED"
    error = memory.emulator.describe(arn).error
    assert error is not None and error.error_type == "InvalidParameterValueException"


def test_an_invocation_that_takes_too_long_is_cut_off_and_tried_again(memory: World) -> None:
    remaining: list[int] = []

    async def workflow(run: Invoked) -> Outcome:
        remaining.append(run.context.get_remaining_time_in_millis())
        if len(remaining) == 1:
            memory.clock.advance(3_001)
        return succeeded("in time")

    memory.add("f", workflow, timeout=3)
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    assert memory.result(arn) == "in time"
    assert remaining == [3_000, 3_000]
    page = memory.emulator.history(HistoryRequest(durable_execution_arn=arn))
    details = page.events[1].invocation_completed_details
    assert details is not None and details.error is not None and details.error.payload is not None
    assert details.error.payload.error_type == "Sandbox.Timedout"


def test_an_answer_that_is_larger_than_lambda_takes_is_a_failed_invocation(memory: World) -> None:
    answers = ["x" * RESPONSE_BYTES, "small"]

    async def workflow(run: Invoked) -> Outcome:
        return succeeded(answers.pop(0))

    memory.add("f", workflow)
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    assert memory.result(arn) == "small"


def test_an_interrupted_invocation_is_seen_as_failed_and_made_again(world: World) -> None:
    interrupts = [KeyboardInterrupt()]

    async def workflow(run: Invoked) -> Outcome:
        await run.step("before", lambda: 1)
        return succeeded("resumed")

    def bind(plane: DataPlane) -> Handler:
        handler = bound(workflow)(plane)

        def interrupted(event: Any, context: Any) -> Any:
            answer = handler(event, context)
            if interrupts:
                raise interrupts.pop()
            return answer

        return interrupted

    world.functions.add_durable("f", bind)
    arn = world.start()
    with pytest.raises(KeyboardInterrupt):
        world.run(arn)
    assert world.status(arn) == "RUNNING"
    assert world.run(arn) is Ending.DONE
    assert world.result(arn) == "resumed"
    page = world.emulator.history(HistoryRequest(durable_execution_arn=arn))
    errors = [
        event.invocation_completed_details.error
        for event in page.events
        if event.invocation_completed_details is not None
    ]
    assert errors[0] is not None and errors[0].payload is not None
    assert errors[0].payload.error_type == "Runtime.ExitError"
    assert errors[1] is None


# Pages


def test_a_handler_reads_all_pages_of_a_long_state(tmp_path: Path) -> None:
    world = World(SqliteStore(tmp_path / "x.db"), limits=Limits(first_page_items=4))
    pages: list[tuple[int, int]] = []

    async def workflow(run: Invoked) -> Outcome:
        pages.append((await run.read_all_pages(), len(run.operations)))
        for number in range(10):
            await run.step(f"s{number}", lambda: None)
        if not await run.wait("w", 1):
            return PENDING
        return succeeded(sorted(run.operations)[:3])

    world.add("f", workflow)
    arn = world.start()
    assert world.run(arn) is Ending.DONE
    assert pages == [(1, 1), (4, 12)]
    world.emulator.close()


def test_a_list_pages_through_a_functions_executions(world: World) -> None:
    world.add("f", waits)
    arns = []
    for number in range(5):
        arns.append(world.start(payload=number))
        world.clock.advance(10)
    seen: list[str] = []
    marker: str | None = None
    while True:
        page = world.emulator.list_executions(
            ListRequest(function_name="f", max_items=2, marker=marker, reverse_order=True)
        )
        seen += [each.durable_execution_arn for each in page.durable_executions]
        marker = page.next_marker
        if marker is None:
            break
    assert seen == arns
    newest = world.emulator.list_executions(ListRequest(function_name="f", max_items=1))
    assert newest.durable_executions[0].durable_execution_arn == arns[-1]
    with pytest.raises(ServiceError, match="marker"):
        world.emulator.list_executions(ListRequest(function_name="f", marker="?"))


def test_a_list_shows_what_time_has_done(memory: World) -> None:
    memory.add("f", calls_back, execution_timeout=5)
    memory.start()
    memory.clock.advance(6_000)
    page = memory.emulator.list_executions(
        ListRequest(function_name="f:$LATEST", statuses=["TIMED_OUT"])
    )
    assert len(page.durable_executions) == 1


def test_a_list_of_an_unknown_function_is_not_found(memory: World) -> None:
    with pytest.raises(ServiceError) as refused:
        memory.emulator.list_executions(ListRequest(function_name="missing"))
    assert refused.value.code == "ResourceNotFoundException"


# Names


def test_a_name_with_the_same_input_is_the_same_execution(world: World) -> None:
    world.add("f", waits)
    arn = world.start(durable_execution_name="order-1", payload={"id": 1})
    assert world.start(durable_execution_name="order-1", payload={"id": 1}) == arn
    world.run(arn)
    assert world.start(durable_execution_name="order-1", payload={"id": 1}) == arn
    assert world.result(arn) == "waited"


def test_a_name_with_another_input_or_function_is_refused(world: World) -> None:
    world.add("f", waits)
    world.add("g", waits)
    world.start(durable_execution_name="order-1", payload={"id": 1})
    for name, payload in (("f", {"id": 2}), ("g", {"id": 1})):
        with pytest.raises(ServiceError) as refused:
            world.start(name, payload, durable_execution_name="order-1")
        assert refused.value.code == "DurableExecutionAlreadyStartedException"
        assert refused.value.status == 409


@pytest.mark.parametrize("name", ["with space", "x" * 65, "ü"])
def test_a_name_that_the_service_would_not_take_is_refused(memory: World, name: str) -> None:
    memory.add("f", waits)
    with pytest.raises(ServiceError, match="1 to 64"):
        memory.start(durable_execution_name=name)


def test_a_durable_function_needs_a_qualifier(memory: World) -> None:
    memory.add("f", waits)
    with pytest.raises(ServiceError, match="unqualified ARN"):
        memory.emulator.start(InvokeRequest(function_name="f"))
    memory.functions.add_plain("plain", lambda *_: None)
    with pytest.raises(ServiceError, match="not a durable function"):
        memory.emulator.start(InvokeRequest(function_name="plain:$LATEST"))


def test_an_input_that_is_not_json_is_refused(memory: World) -> None:
    memory.add("f", waits)
    with pytest.raises(ServiceError) as refused:
        memory.emulator.start(InvokeRequest(function_name="f:$LATEST", payload=b"{oops"))
    assert refused.value.code == "InvalidRequestContentException"


@pytest.mark.parametrize("arn", ["nonsense", "arn:aws:lambda:x:1:function:f"])
def test_what_is_no_arn_is_an_invalid_parameter(memory: World, arn: str) -> None:
    with pytest.raises(ServiceError) as refused:
        memory.emulator.describe(arn)
    assert refused.value.code == "InvalidParameterValueException"


def test_the_data_plane_knows_no_not_found(memory: World) -> None:
    arn = f"{memory.functions.arn('f', '1')}/durable-execution/a/b"
    with pytest.raises(ServiceError) as refused:
        memory.emulator.get_state(StateRequest(durable_execution_arn=arn, checkpoint_token="t"))
    assert refused.value.code == "InvalidParameterValueException"


# Several drivers, several emulators


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

    worlds = [World(SqliteStore(path)) for _ in range(2)]
    for each in worlds:
        each.add("f", workflow)
    arns = [worlds[0].start(payload=number) for number in range(6)]

    def drive(world: World) -> None:
        world.driver.run_until(lambda: all(world.emulator.is_closed(arn) for arn in arns))

    threads = [threading.Thread(target=drive, args=(each,)) for each in worlds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clashes == []
    for arn in arns:
        assert worlds[0].result(arn) == 2
        assert worlds[1].history(arn).count("InvocationCompleted") == 2
        assert worlds[0].history(arn) == worlds[1].history(arn)
    for each in worlds:
        each.emulator.close()


def test_an_answer_from_another_process_is_noticed_while_waiting(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    functions = Functions()
    functions.add_durable("f", bound(calls_back))
    emulator = Emulator(SqliteStore(path), RealClock(), functions)
    other = Emulator(SqliteStore(path), RealClock(), Functions())
    arn = emulator.start(InvokeRequest(function_name="f:$LATEST"))
    answered: list[int] = []

    def answer(_: str, events: Any) -> None:
        if any(type(event).__name__ == "InvocationCompleted" for event in events) and not answered:
            answered.append(1)
            operation = other.operations(arn)[-1]
            assert operation.callback_details is not None
            assert operation.callback_details.callback_id is not None
            other.callback_success(operation.callback_details.callback_id, b'"hello"')

    emulator.subscribe(answer)
    assert Driver(emulator).run_until_closed(arn, patient=True) is Ending.DONE
    assert json.loads(other.describe(arn).result or "") == '"hello"'
    emulator.close()
    other.close()


def test_what_another_process_ended_and_deleted_is_no_longer_driven(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    world, other = World(SqliteStore(path)), World(SqliteStore(path))
    for each in (world, other):
        each.add("f", waits)
    stopped, deleted = world.start(payload=1), world.start(payload=2)
    world.driver.run_until(lambda: False, wait=False)
    for arn in (stopped, deleted):
        other.emulator.stop(arn)
    other.emulator.delete(deleted)
    assert world.driver.run_until(lambda: False) is Ending.IDLE
    assert world.status(stopped) == "STOPPED"
    assert world.emulator.is_closed(deleted)
    for each in (world, other):
        each.emulator.close()


def test_two_emulators_that_write_at_once_agree(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    world, other = World(SqliteStore(path)), World(SqliteStore(path))
    world.add("f", calls_back)
    arn = world.start()
    seen: list[str] = []
    world.emulator.subscribe(lambda _, events: seen.extend(type(e).__name__ for e in events))
    world.run(arn)
    other.emulator.pause(arn, PauseRequest())
    world.emulator.resume(arn, ResumeRequest())
    other.emulator.stop(arn)
    assert world.status(arn) == other.status(arn) == "STOPPED"
    assert world.history(arn) == other.history(arn)
    assert "ExecutionPaused" in seen and "ExecutionStopped" in seen
    for each in (world, other):
        each.emulator.close()


# Crashes


class Killed(BaseException):
    """Stands for the end of the process."""


class DyingStore:
    """Dies before or after its n-th write, as a process may."""

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


def complete(world: World) -> str:
    world.add("f", everything)
    world.add("child", child_of_everything)
    world.functions.add_plain("plain", lambda event, _: event + 100)
    arn = world.start(durable_execution_name="all")
    assert world.run(arn) is Ending.DONE
    return arn


def test_a_crash_at_any_write_loses_nothing_that_was_stored(tmp_path: Path) -> None:
    whole = World(MemoryStore())
    expected = whole.result(complete(whole))
    assert expected == [1, "11", "101", 2]
    died = 0
    for after in (False, True):
        for write in range(1, 100):
            path = tmp_path / f"{after}-{write}.db"
            dying = World(DyingStore(SqliteStore(path), write, after))
            try:
                complete(dying)
            except Killed:
                died += 1
            else:
                break
            finally:
                dying.emulator.close()
            resumed = World(SqliteStore(path))
            try:
                arn = complete(resumed)
                assert resumed.result(arn) == expected
                facts = resumed.history(arn)
                assert sorted(fact for fact in facts if fact != "InvocationCompleted") == [
                    *["ChainedInvokeStarted"] * 2,
                    *["ChainedInvokeSucceeded"] * 2,
                    "ExecutionStarted",
                    "ExecutionSucceeded",
                    *["StepStarted"] * 2,
                    *["StepSucceeded"] * 2,
                    "WaitStarted",
                    "WaitSucceeded",
                ]
            finally:
                resumed.emulator.close()
    assert died > 40


def test_timers_are_armed_again_when_a_store_is_reopened(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    world = World(SqliteStore(path))
    world.add("f", waits)
    arn = world.start()
    world.driver.run_until(lambda: False, wait=False)
    world.emulator.close()
    reopened = World(SqliteStore(path))
    reopened.add("f", waits)
    began = reopened.clock.now()
    assert reopened.driver.run_until(lambda: reopened.status(arn) == "SUCCEEDED") is Ending.DONE
    assert 60_000 <= reopened.clock.now() - began < 60_100
    reopened.emulator.close()


def test_an_interrupted_deletion_is_finished_when_the_store_is_reopened(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    world = World(SqliteStore(path))
    world.add("f", waits)
    arn = world.start(durable_execution_name="x")
    world.run(arn)
    store = world.emulator.store
    store.delete = lambda arn: (_ for _ in ()).throw(Killed)  # type: ignore[method-assign]
    with pytest.raises(Killed):
        world.emulator.delete(arn)
    world.emulator.close()
    reopened = World(SqliteStore(path))
    assert reopened.driver.run_until(lambda: False) is Ending.IDLE
    assert reopened.emulator.find_name("x") is None
    reopened.emulator.close()


# Seams


class CrashingPlane:
    """Loses the answer to the n-th checkpoint."""

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


def test_a_seam_in_front_of_the_service_can_lose_a_response() -> None:
    seams = Seams(data_plane=lambda plane: CrashingPlane(plane, 2))
    world = World(MemoryStore(), seams=seams)
    bodies: list[str] = []

    async def workflow(run: Invoked) -> Outcome:
        for name in ("a", "b", "c"):
            await run.step(name, lambda name=name: bodies.append(name))
        return succeeded(None)

    world.add("f", workflow)
    arn = world.start()
    assert world.run(arn) is Ending.DONE
    assert bodies == ["a", "b", "c"]
    assert world.history(arn).count("InvocationCompleted") == 2


def test_a_slow_service_takes_virtual_time() -> None:
    clock: list[VirtualClock] = []
    seams = Seams(data_plane=lambda plane: SlowDataPlane(plane, clock[0], 40))

    class LateWorld(World):
        def __init__(self) -> None:
            self.clock = VirtualClock()
            clock.append(self.clock)
            self.functions = Functions()
            self.emulator = Emulator(MemoryStore(), self.clock, self.functions)
            self.driver = Driver(self.emulator, seams=seams)

    world = LateWorld()

    async def workflow(run: Invoked) -> Outcome:
        before = run.plane.now()
        await run.step("a", lambda: 1)
        await run.plane.get_state(
            StateRequest(durable_execution_arn=run.arn, checkpoint_token=run.token or "")
        )
        return succeeded(run.plane.now() - before)

    world.add("f", workflow)
    arn = world.start()
    assert world.run(arn) is Ending.DONE
    assert world.result(arn) == 80


# Observers


def test_observers_hear_of_events_in_order_once_they_are_stored(world: World) -> None:
    world.add("f", waits)
    heard: list[str] = []
    stored: list[bool] = []

    def observe(arn: str, events: Any) -> None:
        heard.extend(type(event).__name__ for event in events)
        stored.append(world.emulator.store.find(arn) is not None)
        world.emulator.describe(arn)

    unsubscribe = world.emulator.subscribe(observe)
    arn = world.start()
    world.run(arn)
    events = [type(event).__name__ for event in world.emulator.conductor.events(arn)]
    assert heard == events
    assert all(stored)
    unsubscribe()
    unsubscribe()
    world.start(payload=2)
    assert heard == events


def test_an_observer_that_raises_changes_nothing(
    memory: World, caplog: pytest.LogCaptureFixture
) -> None:
    memory.add("f", waits)

    def observe(_: str, __: Any) -> None:
        raise RuntimeError("broken pipe")

    memory.emulator.subscribe(observe)
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    assert memory.result(arn) == "waited"
    assert "broken pipe" in caplog.text


# Invoke


def request(name: str, payload: object = None, **members: Any) -> InvokeRequest:
    return InvokeRequest(function_name=name, payload=json.dumps(payload).encode(), **members)


def test_a_synchronous_invoke_waits_for_the_result(memory: World) -> None:
    memory.add("f", waits)
    response = invoke(memory.driver, request("f:$LATEST"))
    assert (response.status_code, response.payload) == (200, b'"waited"')
    assert (response.function_error, response.executed_version) == (None, "$LATEST")
    assert response.durable_execution_arn is not None
    assert memory.status(response.durable_execution_arn) == "SUCCEEDED"


def test_a_synchronous_invoke_of_what_fails_brings_the_error(memory: World) -> None:
    async def fails(_: Invoked) -> Outcome:
        error = ErrorObject(error_type="Declined", error_message="no", error_data="d")
        return Outcome(status=OutcomeStatus.FAILED, error=error)

    memory.add("f", fails)
    response = invoke(memory.driver, request("f:$LATEST"))
    assert (response.status_code, response.function_error) == (200, "Unhandled")
    assert json.loads(response.payload) == {
        "errorType": "Declined",
        "errorMessage": "no",
        "errorData": "d",
    }


def test_a_synchronous_invoke_gives_up_after_a_quarter_of_an_hour(memory: World) -> None:
    memory.add("f", calls_back)
    response = invoke(memory.driver, request("f:$LATEST"))
    assert response.function_error == "Unhandled"
    assert json.loads(response.payload)["errorType"] == "Sandbox.Timedout"
    assert response.durable_execution_arn is not None
    assert memory.status(response.durable_execution_arn) == "RUNNING"


def test_an_event_invoke_returns_at_once(memory: World) -> None:
    memory.add("f", waits)
    response = invoke(memory.driver, request("f:$LATEST", invocation_type=InvocationType.EVENT))
    assert (response.status_code, response.payload) == (202, b"")
    assert response.durable_execution_arn is not None
    assert memory.history(response.durable_execution_arn) == ["ExecutionStarted"]


def test_a_dry_run_only_checks_that_the_function_is_there(memory: World) -> None:
    memory.add("f", waits)
    dry = request("f:$LATEST", invocation_type=InvocationType.DRY_RUN)
    assert invoke(memory.driver, dry).status_code == 204
    with pytest.raises(ServiceError):
        invoke(memory.driver, request("g", invocation_type=InvocationType.DRY_RUN))


def test_a_plain_function_is_simply_called(memory: World) -> None:
    calls: list[Any] = []
    memory.functions.add_plain("plain", lambda event, _: calls.append(event) or event["n"])
    response = invoke(memory.driver, request("plain", {"n": 1}))
    assert (response.status_code, response.payload) == (200, b"1")
    assert response.durable_execution_arn is None
    failed = invoke(memory.driver, request("plain", {}))
    assert failed.function_error == "Unhandled"
    assert json.loads(failed.payload)["errorType"] == "KeyError"
    event = request("plain", {"n": 3}, invocation_type=InvocationType.EVENT)
    assert invoke(memory.driver, event).status_code == 202
    assert calls == [{"n": 1}, {}]
    memory.driver.run_until(lambda: False)
    assert calls == [{"n": 1}, {}, {"n": 3}]
    with pytest.raises(ServiceError, match="takes no"):
        invoke(memory.driver, request("plain", durable_execution_name="x"))


# The control plane, as others use it


def test_the_control_plane_speaks_wire_json(memory: World) -> None:
    memory.add("f", calls_back)
    control = EmulatorControlPlane(memory.driver)

    async def use() -> None:
        started = await control.invoke(
            request("f:$LATEST", {"a": 1}, invocation_type=InvocationType.EVENT)
        )
        arn = started.durable_execution_arn
        assert arn is not None
        await asyncio.to_thread(memory.driver.run_until, lambda: False)
        await control.callback_heartbeat(memory.callback_id(arn))
        await control.pause(arn, PauseRequest(reason="r"))
        assert (await control.describe(arn)).status == "PAUSED"
        await control.resume(arn, ResumeRequest())
        await control.callback_success(memory.callback_id(arn), b"x")
        done = await control.invoke(
            request("f:$LATEST", {"a": 1}, durable_execution_name=arn.split("/")[-2])
        )
        assert (done.payload, done.durable_execution_arn) == (b'"x"', arn)
        description = await control.describe(arn)
        assert isinstance(description.start_timestamp, int)
        assert description.input_payload == '{"a": 1}'
        page = await control.history(HistoryRequest(durable_execution_arn=arn))
        assert page.events[0].event_timestamp == description.start_timestamp
        listed = await control.list_executions(ListRequest(function_name="f"))
        assert [each.durable_execution_arn for each in listed.durable_executions] == [arn]
        assert await control.stop(arn, ErrorObject(error_type="x")) == description.end_timestamp
        assert await control.delete(arn) > 0
        other = await control.invoke(
            request("f:$LATEST", {"a": 2}, invocation_type=InvocationType.EVENT)
        )
        assert other.durable_execution_arn is not None
        await asyncio.to_thread(memory.driver.run_until, lambda: False)
        await control.callback_failure(memory.callback_id(other.durable_execution_arn))
        await asyncio.to_thread(memory.driver.run_until, lambda: False)
        failed = await control.describe(other.durable_execution_arn)
        assert failed.status == "FAILED"

    asyncio.run(use())
