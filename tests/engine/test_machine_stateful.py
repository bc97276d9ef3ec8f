"""Random commands to an execution, compared with a simple model; invariants are checked after each."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.engine.engine_driver import CRASH, Execution, callback, invoke, retry, update, wait
from tests.engine.rebuilt import check_rebuilt

from durable_execution_sdk.engine.commands import (
    CompleteCallback,
    FailCallback,
    FinishChainedInvoke,
    FinishInvocation,
    HeartbeatCallback,
    PauseExecution,
    ResumeExecution,
    StartInvocation,
    StopExecution,
)
from durable_execution_sdk.engine.deadlines import next_deadline
from durable_execution_sdk.engine.events import (
    InvocationCompleted,
    InvocationStarted,
    decode_event,
    encode_event,
)
from durable_execution_sdk.engine.machine import evolve
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.engine.state import ExecutionState, TimerKind
from durable_execution_sdk.protocol.data_plane import Outcome, OutcomeStatus
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    Operation,
    OperationStatusName,
)
from durable_execution_sdk.protocol.updates import OperationUpdate, StepOptions

KINDS = {"S": "STEP", "C": "CONTEXT", "W": "WAIT", "B": "CALLBACK", "I": "CHAINED_INVOKE"}
IDS = [f"{letter}{number}" for letter in KINDS for number in range(3)]
ACTIONS = ["START", "SUCCEED", "FAIL", "RETRY", "CANCEL"]
OPEN = ("ABSENT", "STARTED", "READY")
RESULTING = {
    **{("STEP", "SUCCEED", status): "SUCCEEDED" for status in OPEN},
    **{("STEP", "FAIL", status): "FAILED" for status in OPEN},
    **{("STEP", "RETRY", status): "PENDING" for status in OPEN},
    **{("CONTEXT", "SUCCEED", status): "SUCCEEDED" for status in OPEN[:2]},
    **{("CONTEXT", "FAIL", status): "FAILED" for status in OPEN[:2]},
    **{(kind, "START", "ABSENT"): "STARTED" for kind in KINDS.values()},
    ("STEP", "START", "READY"): "STARTED",
    ("WAIT", "CANCEL", "STARTED"): "CANCELLED",
    ("WAIT", "CANCEL", "SUCCEEDED"): "SUCCEEDED",
}


def kind_of(operation_id: str) -> str:
    return KINDS[operation_id[0]]


def parent_of(operation_id: str) -> str | None:
    return "C0" if operation_id[1] == "1" else None


delays = st.integers(1, 4)
places = st.integers(0, 10_000)
updates = st.lists(
    st.tuples(
        st.sampled_from(IDS),
        st.sampled_from([*ACTIONS, "START", "START", "SUCCEED"]),
        st.integers(1, 4),
    ),
    max_size=4,
)


def made(operation_id: str, action: str, seconds: int) -> OperationUpdate:
    fields: dict[str, Any] = {"parent_id": parent_of(operation_id)}
    match kind_of(operation_id), action:
        case "WAIT", "START":
            return wait(operation_id, seconds, **fields)
        case "CALLBACK", "START":
            return callback(operation_id, timeout=seconds * 2 % 5, heartbeat=seconds % 3, **fields)
        case "CHAINED_INVOKE", "START":
            name = "missing" if seconds == 4 else "child:3"
            return invoke(name, operation_id, **fields)
        case "STEP", "RETRY":
            return retry(operation_id, seconds, **fields)
        case kind, action:
            options = StepOptions(next_attempt_delay_seconds=1) if action == "RETRY" else None
            return update(kind, action, operation_id, step_options=options, **fields)


class Model:
    """Expected effect of batches of updates, read from the documented table only."""

    def __init__(self) -> None:
        self.statuses: dict[str, str] = {}

    def accepts(self, batch: list[OperationUpdate]) -> bool:
        statuses = dict(self.statuses)
        actions: dict[str, list[str]] = {}
        for operation_update in batch:
            before = actions.setdefault(operation_update.id, [])
            if before and (
                operation_update.type not in ("STEP", "CONTEXT")
                or before != ["START"]
                or operation_update.action == "START"
            ):
                return False
            before.append(operation_update.action)
            status = statuses.get(operation_update.id, "ABSENT")
            if (
                status == "ABSENT"
                and operation_update.parent_id
                and operation_update.parent_id not in statuses
            ):
                return False
            result = RESULTING.get((operation_update.type, operation_update.action, status))
            if result is None:
                return False
            if operation_update.chained_invoke_options is not None:
                unknown = operation_update.chained_invoke_options.function_name == "missing"
                result = "FAILED" if unknown else result
            statuses[operation_update.id] = result
        self.statuses = statuses
        return True

    def allowed(self, excluded_ids: set[str]) -> list[tuple[str, str]]:
        """Return the allowed updates of operations that are not in the batch yet."""
        return [
            (name, action)
            for name in IDS
            if name not in excluded_ids
            if parent_of(name) is None or "C0" in self.statuses
            for action in ACTIONS
            if (kind_of(name), action, self.statuses.get(name, "ABSENT")) in RESULTING
        ]


class Life(RuleBasedStateMachine):
    """State machine: an execution, all commands, and a handler with a mirror of its responses."""

    def __init__(self) -> None:
        super().__init__()
        self.execution = Execution()
        self.model = Model()
        self.mirror: dict[str, Operation] = {}
        self.tokens: list[tuple[int, int]] = []
        self.settled: dict[str, Operation] = {}
        self.last: tuple[str, str, object] | None = None

    @property
    def state(self) -> ExecutionState:
        return self.execution.state

    @initialize(timeout=st.sampled_from([20, 86_400, 86_400, 86_400]))
    def start(self, timeout: int) -> None:
        self.execution.start(execution_timeout=timeout)

    @precondition(lambda self: self.state.wants_invocation)
    @rule()
    def invoke(self) -> None:
        invocation = self.execution.invoke()
        assert invocation.initial_execution_state.next_marker == ""
        self.mirror = {
            operation.id: operation for operation in invocation.initial_execution_state.operations
        }
        self.note_token()
        self.compare_with_mirror()

    @precondition(lambda self: self.may_checkpoint)
    @rule(drawn=updates)
    def checkpoint_anything(self, drawn: list[tuple[str, str, int]]) -> None:
        self.checkpoint([made(*item) for item in drawn], named=False)

    @precondition(lambda self: self.may_checkpoint or self.state.wants_invocation)
    @rule(
        picks=st.lists(st.tuples(places, delays), min_size=1, max_size=6),
        named=st.booleans(),
        suspends=st.booleans(),
    )
    def go_on(self, picks: list[tuple[int, int]], named: bool, suspends: bool) -> None:
        if self.state.wants_invocation:
            self.invoke()
        batch: list[OperationUpdate] = []
        for place, seconds in picks:
            allowed = self.model.allowed({operation_update.id for operation_update in batch})
            if allowed:
                batch.append(made(*allowed[place % len(allowed)], seconds))
        self.checkpoint(batch, named)
        if suspends:
            self.suspend()

    def checkpoint(self, batch: list[OperationUpdate], named: bool) -> None:
        token = self.execution.token
        client_token = f"client-{len(self.execution.log)}" if named else None
        recorded = len(self.execution.log)
        if not self.model.accepts(batch):
            with pytest.raises(Rejected):
                self.execution.checkpoint(*batch)
            assert (len(self.execution.log), self.execution.token) == (recorded, token)
            return
        response = self.execution.checkpoint(*batch, client_token=client_token)
        self.mirror |= {operation.id: operation for operation in response.operations}
        changed = {
            operation_update.id for operation_update in batch if operation_update.action != "CANCEL"
        }
        assert changed <= {operation.id for operation in response.operations}
        self.compare_with_mirror()
        if client_token is not None:
            self.last = (client_token, token, response)
        if response.checkpoint_token is not None:
            self.note_token()

    @precondition(lambda self: self.last is not None)
    @rule()
    def ask_again(self) -> None:
        assert self.last is not None
        client_token, token, response = self.last
        recorded = len(self.execution.log)
        given_at = self.state.responses.get((client_token, token))
        if given_at is None or self.execution.now >= given_at.at + 900_000:
            return
        again = self.execution.checkpoint(token=token, client_token=client_token)
        assert (again, len(self.execution.log)) == (response, recorded)

    @precondition(lambda self: self.state.invocation is not None)
    @rule()
    def suspend(self) -> None:
        pending = self.state.pending_count or self.state.unseen
        self.execution.suspend()
        assert not (pending and self.state.refusals)

    @precondition(lambda self: self.state.invocation is not None and len(self.execution.log) > 25)
    @rule(how=st.sampled_from(["crash"] * 5 + ["interrupt"] * 3 + ["succeed", "fail", "junk"]))
    def finish(self, how: str) -> None:
        match how:
            case "crash":
                self.execution.crash()
            case "interrupt":
                self.execution.interrupt()
                assert self.state.retry_at is None
            case "succeed":
                self.execution.succeed()
            case "fail":
                self.execution.fail()
            case _:
                self.execution.finish(Outcome(status=OutcomeStatus.FAILED, result="1"))
        assert self.state.invocation is None

    @rule(seconds=st.sampled_from([0.5, 1, 2, 3, 61]))
    def time_passes(self, seconds: float) -> None:
        self.execution.tick(seconds)
        if not self.state.is_closed:
            for operation_id, status in list(self.model.statuses.items()):
                due_at = self.due_at(operation_id)
                if due_at is not None:
                    assert due_at > self.execution.now
                elif status != self.execution.status(operation_id):
                    self.model.statuses[operation_id] = {
                        "WAIT": "SUCCEEDED",
                        "STEP": "READY",
                        "CALLBACK": "TIMED_OUT",
                    }[kind_of(operation_id)]
        else:
            self.model.statuses |= {
                operation.id: operation.status
                for operation in self.state.operations.values()
                if operation.id in self.model.statuses
            }

    @rule(place=places, how=places)
    def answer_a_callback(self, place: int, how: int) -> None:
        operation_id = self.one_of("B", place)
        command = (
            CompleteCallback(operation_id=operation_id, result=str(how)),
            FailCallback(operation_id=operation_id),
            HeartbeatCallback(operation_id=operation_id),
        )[how % 3]
        is_open = self.model.statuses.get(operation_id) == "STARTED" and not self.state.is_closed
        if not is_open:
            with pytest.raises(Rejected):
                self.execution.send(command)
            return
        self.execution.tick()
        if self.execution.status(operation_id) == "STARTED" and not self.state.is_closed:
            self.execution.send(command)
            self.model.statuses[operation_id] = ("SUCCEEDED", "FAILED", "STARTED")[how % 3]
        else:
            self.time_passes(0)

    @rule(place=places, status=st.sampled_from(["SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED"]))
    def hear_of_an_invoke(self, place: int, status: str) -> None:
        operation_id = self.one_of("I", place)
        command = FinishChainedInvoke(
            operation_id=operation_id, status=cast("OperationStatusName", status)
        )
        if operation_id not in self.model.statuses:
            with pytest.raises(Rejected):
                self.execution.send(command)
            return
        events = self.execution.send(command)
        if self.model.statuses[operation_id] == "STARTED" and not self.state.is_closed:
            self.model.statuses[operation_id] = status
        else:
            assert events == []

    @precondition(lambda self: len(self.execution.log) > 15)
    @rule(timeout_too=st.booleans())
    def pause(self, timeout_too: bool) -> None:
        command = PauseExecution(execution_timeout_paused=timeout_too)
        if self.state.status != "RUNNING":
            with pytest.raises(Rejected):
                self.execution.send(command)
            return
        running = self.state.invocation is not None
        self.execution.send(command)
        assert self.state.status == ("PAUSING" if running else "PAUSED")

    @precondition(lambda self: len(self.execution.log) > 15)
    @rule()
    def resume(self) -> None:
        if self.state.status not in ("PAUSED", "PAUSING"):
            with pytest.raises(Rejected):
                self.execution.send(ResumeExecution())
            return
        self.execution.send(ResumeExecution())
        assert self.state.status == "RUNNING"

    @precondition(lambda self: len(self.execution.log) > 60)
    @rule()
    def stop(self) -> None:
        closed = self.state.status if self.state.is_closed else "STOPPED"
        self.execution.send(StopExecution())
        assert self.state.status == closed

    # The laws

    @invariant()
    def what_makes_no_sense_is_refused(self) -> None:
        for token in ("WyJydW4tMSIsMSw5OV0=", "WyJydW4tMSIsMSwwXQ==", "x"):
            if self.state.invocation is None or self.state.invocation.token != token:
                with pytest.raises(Rejected) as refused:
                    self.execution.checkpoint(token=token)
                assert refused.value.is_stale_token
        if not self.state.wants_invocation:
            with pytest.raises(Rejected):
                self.execution.send(StartInvocation(request_id="again"))
        with pytest.raises(Rejected):
            self.execution.send(FinishInvocation(request_id="missing", error=CRASH))

    @invariant()
    def operations_are_where_the_model_says(self) -> None:
        statuses = {name: self.execution.status(name) for name in self.model.statuses}
        assert statuses == self.model.statuses
        assert set(self.state.operations) == {*self.model.statuses, "run-1"}

    @invariant()
    def a_settled_operation_never_changes(self) -> None:
        for operation in self.state.operations.values():
            if operation.status in TERMINAL_STATUSES:
                assert self.settled.setdefault(operation.id, operation) == operation

    @invariant()
    def everything_that_waits_for_a_time_has_a_deadline(self) -> None:
        if self.state.is_closed:
            assert next_deadline(self.state) is None
            return
        deadline = next_deadline(self.state)
        assert deadline is not None and deadline <= self.state.times_out_at
        for name, status in self.model.statuses.items():
            due_at = self.due_at(name)
            if (kind_of(name), status) in (("WAIT", "STARTED"), ("STEP", "PENDING")):
                assert due_at is not None
            assert due_at is None or deadline <= due_at

    @invariant()
    def there_is_one_invocation_at_a_time(self) -> None:
        running = 0
        for event in self.execution.log:
            running += isinstance(event, InvocationStarted)
            running -= isinstance(event, InvocationCompleted)
            assert running in (0, 1)
        assert running == (self.state.invocation is not None)

    @invariant()
    def what_is_suspended_can_be_woken(self) -> None:
        state = self.state
        at_rest = not state.is_closed and state.invocation is None and not state.wants_invocation
        if at_rest and state.status == "RUNNING":
            assert state.retry_at is not None or (state.pending_count > 0 and not state.unseen)

    @invariant()
    def what_is_pending_is_counted(self) -> None:
        pending = [
            name
            for name, status in self.model.statuses.items()
            if status == ("PENDING" if kind_of(name) == "STEP" else "STARTED")
            and kind_of(name) != "CONTEXT"
        ]
        assert self.state.pending_count == len(pending)

    @invariant()
    def the_log_is_the_state(self) -> None:
        folded: ExecutionState | None = None
        for event in self.execution.log:
            folded = evolve(folded, decode_event(encode_event(event)))
        assert folded == self.state

    @invariant()
    def the_log_is_rebuilt_from_the_history(self) -> None:
        if self.execution.log:
            check_rebuilt(self.execution)

    @invariant()
    def time_rises(self) -> None:
        times = [event.at for event in self.execution.log]
        assert times == sorted(times)

    # What the laws look at

    @property
    def may_checkpoint(self) -> bool:
        return self.state.invocation is not None and self.state.invocation.token is not None

    def one_of(self, letter: str, place: int) -> str:
        """Choose an open operation of a kind, or any of that kind if none is open."""
        names = [name for name in IDS if name[0] == letter]
        is_open = [name for name in names if self.model.statuses.get(name) == "STARTED"]
        return (is_open or names)[place % len(is_open or names)]

    def due_at(self, operation_id: str) -> int | None:
        times = [self.state.timers.get((operation_id, kind)) for kind in TimerKind]
        return min((due_at for due_at in times if due_at is not None), default=None)

    def note_token(self) -> None:
        invocation = self.state.invocation
        assert invocation is not None
        self.tokens.append((invocation.number, invocation.sequence))
        assert self.tokens == sorted(set(self.tokens))

    def compare_with_mirror(self) -> None:
        """Check that the handler's mirror holds every operation that replay needs, with its last state."""
        context = self.state.operations.get("C0")
        hidden = context is not None and context.status in TERMINAL_STATUSES
        for operation in self.state.operations.values():
            if not (hidden and operation.parent_id == "C0"):
                assert self.mirror.get(operation.id) == operation


Life.TestCase.settings = settings(
    max_examples=50,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLife = Life.TestCase
