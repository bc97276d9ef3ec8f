"""A minimal driver of the engine: a log, its folded state, and a clock that tests set."""

from __future__ import annotations

from typing import Any, cast

from durable_execution_sdk.engine.commands import (
    Checkpoint,
    Command,
    FinishInvocation,
    FunctionTarget,
    StartExecution,
    StartInvocation,
    Tick,
)
from durable_execution_sdk.engine.effects import Effect
from durable_execution_sdk.engine.events import Event
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.engine.machine import decide, effects, evolve
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.engine.views.handler_view import checkpoint_response, invocation_event
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.protocol.data_plane import (
    CheckpointResponse,
    Invocation,
    Outcome,
    OutcomeStatus,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.operations import Operation, OperationTypeName
from durable_execution_sdk.protocol.updates import (
    CallbackOptions,
    ChainedInvokeOptions,
    ContextOptions,
    OperationActionName,
    OperationUpdate,
    StepOptions,
    WaitOptions,
)

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:orders:$LATEST"
ARN = f"{FUNCTION}/durable-execution/order-7/run-1"
DURABLE = FunctionTarget(
    function_arn="arn:aws:lambda:us-east-1:123456789012:function:child:3",
    version="3",
    durable=True,
    execution_timeout=60,
)
PLAIN = FunctionTarget(
    function_arn="arn:aws:lambda:us-east-1:123456789012:function:plain:$LATEST",
    version="$LATEST",
    durable=False,
)
FUNCTIONS = {"child:3": DURABLE, "plain:$LATEST": PLAIN}
BOOM = ErrorObject(error_type="Boom", error_message="it broke")
CRASH = ErrorObject(error_type="Runtime.ExitError", error_message="exit status 1")


class Execution:
    """One execution, driven by commands."""

    def __init__(
        self, limits: Limits = DEFAULT_LIMITS, now: int = 1_000_000, *, stands_still: bool = False
    ) -> None:
        """``stands_still``: the clock does not move with each command, and the log runs ahead."""
        self.stands_still = stands_still
        self.limits = limits
        self.now = now
        self.log: list[Event] = []
        self.found: ExecutionState | None = None
        self.acts: list[Effect] = []

    @property
    def state(self) -> ExecutionState:
        assert self.found is not None
        return self.found

    def send(self, command: Command) -> list[Event]:
        """Decide and fold a command; keep its effects in ``acts``."""
        if self.found is not None and not self.stands_still:
            self.now = max(self.now, self.found.last_at + 1)
        events = decide(self.found, command, self.now, self.limits)
        if events and self.log:
            assert events[0].at > self.log[-1].at, "two commands at one time have no order"
        for event in events:
            self.found = evolve(self.found, event)
        self.log += events
        self.acts = effects(self.state, events)
        return events

    def start(self, **fields: Any) -> Execution:
        defaults: dict[str, Any] = {"arn": ARN, "input": '{"n":1}', "execution_timeout": 86_400}
        self.send(StartExecution(**(defaults | fields)))
        return self

    def invoke(self) -> Invocation:
        self.send(StartInvocation(request_id=f"request-{self.state.invocation_count + 1}"))
        return invocation_event(self.state, self.limits)

    def checkpoint(
        self,
        *updates: OperationUpdate,
        token: str | None = None,
        client_token: str | None = None,
    ) -> CheckpointResponse:
        token = self.token if token is None else token
        self.send(
            Checkpoint(
                token=token, updates=list(updates), client_token=client_token, functions=FUNCTIONS
            )
        )
        return checkpoint_response(self.state, token, client_token, self.limits)

    def finish(
        self,
        outcome: Outcome | None = None,
        error: ErrorObject | None = None,
        *,
        fatal: bool = False,
    ) -> list[Event]:
        assert self.state.invocation is not None
        return self.send(
            FinishInvocation(
                request_id=self.state.invocation.request_id,
                outcome=outcome,
                error=error,
                fatal=fatal,
            )
        )

    def suspend(self) -> list[Event]:
        return self.finish(Outcome(status=OutcomeStatus.PENDING))

    def succeed(self, result: str | None = '"done"') -> list[Event]:
        return self.finish(Outcome(status=OutcomeStatus.SUCCEEDED, result=result))

    def fail(self, error: ErrorObject | None = BOOM) -> list[Event]:
        return self.finish(Outcome(status=OutcomeStatus.FAILED, error=error))

    def crash(self) -> list[Event]:
        return self.finish(error=CRASH)

    def interrupt(self) -> list[Event]:
        """End the invocation as a clean Ctrl-C does."""
        assert self.state.invocation is not None
        request_id = self.state.invocation.request_id
        return self.send(FinishInvocation(request_id=request_id, interrupted=True))

    def tick(self, seconds: float = 0) -> list[Event]:
        """Advance the clock and fire the due timers."""
        if not self.stands_still:
            self.now = max(self.now, self.state.last_at)
        self.now += round(seconds * 1_000)
        return self.send(Tick())

    @property
    def token(self) -> str:
        """Return the newest checkpoint token."""
        assert self.state.invocation is not None
        assert self.state.invocation.token is not None
        return self.state.invocation.token

    def operation(self, operation_id: str) -> Operation:
        return self.state.operations[operation_id]

    def status(self, operation_id: str) -> str:
        return self.operation(operation_id).status

    def history(self) -> list[HistoryEvent]:
        return history(self.log)

    def story(self) -> list[str]:
        """Return the history as event types with operation ids."""
        return [
            f"{entry.event_type} {entry.id}" if is_about_operation(entry) else entry.event_type
            for entry in self.history()
        ]


def is_about_operation(entry: HistoryEvent) -> bool:
    return not entry.event_type.startswith(("Execution", "Invocation"))


def update(kind: str, action: str, operation_id: str, **fields: Any) -> OperationUpdate:
    return OperationUpdate(
        id=operation_id,
        type=cast("OperationTypeName", kind),
        action=cast("OperationActionName", action),
        **fields,
    )


def step(action: str, operation_id: str = "s", **fields: Any) -> OperationUpdate:
    return update("STEP", action, operation_id, **fields)


def retry(operation_id: str = "s", delay: int = 5, **fields: Any) -> OperationUpdate:
    options = StepOptions(next_attempt_delay_seconds=delay)
    return step("RETRY", operation_id, step_options=options, **fields)


def context(action: str, operation_id: str = "c", **fields: Any) -> OperationUpdate:
    return update("CONTEXT", action, operation_id, **fields)


def replayed_context(operation_id: str = "c", **fields: Any) -> OperationUpdate:
    options = ContextOptions(replay_children=True)
    return context("SUCCEED", operation_id, context_options=options, **fields)


def wait(operation_id: str = "w", seconds: int = 10, **fields: Any) -> OperationUpdate:
    options = WaitOptions(wait_seconds=seconds)
    return update("WAIT", "START", operation_id, wait_options=options, **fields)


def callback(
    operation_id: str = "cb",
    timeout: int | None = None,
    heartbeat: int | None = None,
    **fields: Any,
) -> OperationUpdate:
    options = CallbackOptions(timeout_seconds=timeout, heartbeat_timeout_seconds=heartbeat)
    return update("CALLBACK", "START", operation_id, callback_options=options, **fields)


def invoke(
    function_name: str = "child:3",
    operation_id: str = "i",
    payload: str | None = '{"x":1}',
    **fields: Any,
) -> OperationUpdate:
    options = ChainedInvokeOptions(function_name=function_name)
    return update(
        "CHAINED_INVOKE",
        "START",
        operation_id,
        chained_invoke_options=options,
        payload=payload,
        **fields,
    )
