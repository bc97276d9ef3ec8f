"""The rules of the service as three functions.

``decide`` turns a command into events and changes nothing. ``evolve`` folds one event into the state.
``effects`` lists the actions that the caller performs once the events are stored.
"""

from __future__ import annotations

from durable_execution_sdk.engine.commands import (
    AcceptCode,
    AdvanceTime,
    Checkpoint,
    Command,
    CompleteCallback,
    DeleteExecution,
    FailCallback,
    FinishChainedInvoke,
    FinishInvocation,
    HeartbeatCallback,
    MoveTime,
    PauseExecution,
    ResumeExecution,
    SetTimeMode,
    StartExecution,
    StartInvocation,
    StopExecution,
    Tick,
)
from durable_execution_sdk.engine.decide.checkpoint import decide_checkpoint
from durable_execution_sdk.engine.decide.execution import (
    decide_delete,
    decide_start,
    decide_stop,
    may_reuse_name,
    require_same_input,
)
from durable_execution_sdk.engine.decide.execution_time import decide_time, go_on_after_end
from durable_execution_sdk.engine.decide.external_result import (
    decide_callback_answer,
    decide_finish_chained_invoke,
)
from durable_execution_sdk.engine.decide.invocation import (
    decide_accept_code,
    decide_finish_invocation,
    decide_start_invocation,
)
from durable_execution_sdk.engine.decide.pause import decide_pause, decide_resume
from durable_execution_sdk.engine.decide.timers import decide_tick
from durable_execution_sdk.engine.effects import effects, outstanding_effects
from durable_execution_sdk.engine.events import Event
from durable_execution_sdk.engine.evolution import evolve
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.engine.rejections import not_found
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.protocol.control_plane import ExecutionStatus

__all__ = ["decide", "effects", "evolve", "may_reuse_name", "outstanding_effects"]


_CommandForExisting = (
    StartInvocation
    | Checkpoint
    | FinishInvocation
    | Tick
    | CompleteCallback
    | FailCallback
    | HeartbeatCallback
    | FinishChainedInvoke
    | StopExecution
    | PauseExecution
    | ResumeExecution
    | DeleteExecution
    | SetTimeMode
    | AdvanceTime
    | MoveTime
    | AcceptCode
)


def decide(
    state: ExecutionState | None, command: Command, now: int, limits: Limits = DEFAULT_LIMITS
) -> list[Event]:
    """Return the events that a command causes; an empty list when it changes nothing.

    ``now`` is the clock's time in milliseconds. Raises ``Rejected`` for a command that the rules
    forbid. Send ``Tick`` first when a deadline has passed: other commands do not fire timers.
    """
    if isinstance(command, StartExecution):
        if state is None:
            return decide_start(command, command.time.now(now), limits)
        require_same_input(state, command.input)
        return []
    if state is None:
        raise not_found("There is no such execution.")
    if state.status == ExecutionStatus.DELETING and not isinstance(
        command, Checkpoint | FinishInvocation | FinishChainedInvoke | Tick | DeleteExecution
    ):
        raise not_found(f"The execution {state.arn} was deleted.")
    events = _decide(state, command, now, limits)
    if state.time.stands_at is not None:
        events += go_on_after_end(state, events, now)
    return events


def _decide(
    state: ExecutionState, command: _CommandForExisting, clock: int, limits: Limits
) -> list[Event]:
    now = state.time.now(clock)
    # Each command gets a later time than all events before it, because completions are ordered by
    # time. After many quick commands the log's time is ahead of the execution's. Timers are due by the
    # latter; their events are recorded in the log's time, so a wait of 1 s also takes 1 s in the log.
    at = max(now, state.last_at + 1)
    match command:
        case Checkpoint():
            return decide_checkpoint(state, command, at, now, limits)
        case StartInvocation():
            return decide_start_invocation(state, command, at)
        case FinishInvocation():
            return decide_finish_invocation(state, command, at, now, limits)
        case Tick():
            return decide_tick(state, at, now)
        case CompleteCallback() | FailCallback() | HeartbeatCallback():
            return decide_callback_answer(state, command, at, now, limits)
        case FinishChainedInvoke():
            return decide_finish_chained_invoke(state, command, at, limits)
        case StopExecution():
            return decide_stop(state, command, at, limits)
        case PauseExecution():
            return decide_pause(state, command, at, limits)
        case ResumeExecution():
            return decide_resume(state, command, at, limits)
        case DeleteExecution():
            return decide_delete(state, at)
        case SetTimeMode() | AdvanceTime() | MoveTime():
            return decide_time(state, command, at, clock)
        case AcceptCode():
            return decide_accept_code(state, command, at)
