from __future__ import annotations

import copy
from typing import Any, TypeVar

import msgspec
import pytest
from tests.engine.engine_driver import (
    BOOM,
    FUNCTIONS,
    Execution,
    callback,
    context,
    invoke,
    retry,
    step,
    update,
    wait,
)

from durable_execution_sdk.engine.commands import (
    Checkpoint,
    Command,
    CompleteCallback,
    DeleteExecution,
    FailCallback,
    FinishChainedInvoke,
    FinishInvocation,
    HeartbeatCallback,
    PauseExecution,
    ResumeExecution,
    StartInvocation,
    StopExecution,
    Tick,
)
from durable_execution_sdk.engine.events import decode_event, encode_event
from durable_execution_sdk.engine.machine import decide, effects, evolve
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.engine.views.description import describe
from durable_execution_sdk.engine.views.handler_view import invocation_event, state_page
from durable_execution_sdk.protocol.data_plane import Outcome, OutcomeStatus
from durable_execution_sdk.protocol.operations import OperationStatus

K = TypeVar("K")
V = TypeVar("V")


@pytest.fixture
def busy(running: Execution) -> Execution:
    """An execution with operations of all types, in its second invocation."""
    running.checkpoint(
        context("START"),
        step("START", "s", parent_id="c"),
        wait("w", seconds=5),
        wait("soon", seconds=1),
        retry("r", delay=2, error=BOOM),
        callback("cb", timeout=60, heartbeat=20),
        callback("other"),
        invoke(),
        invoke("missing", "j"),
        client_token="k",
    )
    running.suspend()
    running.tick(2)
    running.invoke()
    return running


def commands(busy: Execution) -> list[Command]:
    finish = FinishInvocation(request_id="request-2", outcome=Outcome(status=OutcomeStatus.PENDING))
    return [
        Checkpoint(
            token=busy.token,
            updates=[step("SUCCEED", "s", parent_id="c"), wait("x"), invoke(operation_id="k")],
            functions=FUNCTIONS,
        ),
        Checkpoint(token=busy.token, updates=[update("EXECUTION", "SUCCEED", "e")]),
        Checkpoint(token="stale", updates=[]),
        StartInvocation(request_id="another"),
        finish,
        FinishInvocation(request_id="request-2", error=BOOM),
        FinishInvocation(request_id="request-2", interrupted=True),
        Tick(),
        CompleteCallback(operation_id="cb", result="1"),
        FailCallback(operation_id="cb"),
        HeartbeatCallback(operation_id="cb"),
        FinishChainedInvoke(operation_id="i", status=OperationStatus.SUCCEEDED),
        StopExecution(),
        PauseExecution(client_token="p"),
        ResumeExecution(),
        DeleteExecution(),
    ]


def answer(state: ExecutionState, command: Command, now: int) -> object:
    try:
        return decide(state, command, now)
    except Rejected as refused:
        return str(refused)


def test_deciding_twice_gives_the_same_and_leaves_the_state_alone(busy: Execution) -> None:
    for now in (busy.now, busy.now + 3_600_000):
        for command in commands(busy):
            before = copy.deepcopy(busy.state)
            first = answer(busy.state, command, now)
            assert answer(busy.state, command, now) == first
            assert answer(copy.deepcopy(busy.state), command, now) == first
            assert busy.state == before


def test_views_and_effects_leave_the_state_alone(busy: Execution) -> None:
    before = copy.deepcopy(busy.state)
    for _ in range(2):
        invocation_event(busy.state)
        state_page(busy.state, busy.token, None, 3)
        describe(busy.state)
        effects(busy.state, busy.log)
    assert busy.state == before


def test_the_log_as_json_folds_to_the_same_state(busy: Execution) -> None:
    for command in commands(busy):
        other = Execution()
        other.found = copy.deepcopy(busy.state)
        other.log = list(busy.log)
        other.now = busy.now + 3_600_000
        try:
            other.send(command)
        except Rejected:
            continue
        folded: ExecutionState | None = None
        for event in other.log:
            folded = evolve(folded, decode_event(encode_event(event)))
        assert folded == other.state


def test_an_event_of_a_newer_version_can_be_read(busy: Execution) -> None:
    for event in busy.log:
        members: dict[str, Any] = msgspec.json.decode(encode_event(event))
        members["added_later"] = {"by": "a newer version"}
        assert decode_event(msgspec.json.encode(members)) == event


def test_two_executions_do_not_know_of_one_another(busy: Execution) -> None:
    alone = Execution().start()
    alone.invoke()
    alone.checkpoint(wait())
    first, second = Execution().start(), Execution().start()
    for execution in (first, second):
        execution.invoke()
    for execution in (second, first):
        execution.checkpoint(wait())
    assert first.state == second.state == alone.state


class Unlistable(dict[K, V]):
    """A mapping that allows access by key and refuses iteration."""

    def _refuse(self, *_: object) -> Any:
        raise AssertionError("this command looked at all operations")

    __iter__ = keys = values = items = copy = _refuse


def test_no_command_looks_at_all_operations(busy: Execution) -> None:
    for command in commands(busy):
        other = Execution()
        other.found = copy.deepcopy(busy.state)
        other.now = busy.now + 3_600_000
        other.state.operations = Unlistable(other.state.operations)
        other.state.positions = Unlistable(other.state.positions)
        other.state.timers = Unlistable(other.state.timers)
        try:
            other.send(command)
        except Rejected:
            continue
