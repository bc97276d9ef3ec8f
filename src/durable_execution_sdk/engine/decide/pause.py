"""Decide pause and resume: a paused execution is not invoked; timers and callbacks go on."""

from __future__ import annotations

from durable_execution_sdk.engine.commands import PauseExecution, ResumeExecution
from durable_execution_sdk.engine.events import (
    Event,
    ExecutionPaused,
    ExecutionResumed,
    PauseCancelled,
    PauseRequested,
)
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.rejections import conflict, invalid
from durable_execution_sdk.engine.state import CLIENT_TOKEN_WINDOW, ExecutionState, Pause
from durable_execution_sdk.protocol.control_plane import ExecutionStatus


def decide_pause(
    state: ExecutionState, command: PauseExecution, at: int, limits: Limits
) -> list[Event]:
    """Pause at once, or at the running invocation's next checkpoint."""
    _check_reason(command.reason, limits)
    if _is_repeated(state, "pause", command.client_token, at):
        return []
    if state.status != ExecutionStatus.RUNNING:
        raise conflict(f"Cannot pause {state.arn}: it is {state.status}, not RUNNING.")
    request = PauseRequested(
        at=at,
        execution_timeout_paused=command.execution_timeout_paused,
        reason=command.reason,
        client_token=command.client_token,
    )
    if state.invocation is not None:
        return [request]
    pause = Pause(
        requested_at=at,
        execution_timeout_paused=command.execution_timeout_paused,
        reason=command.reason,
    )
    return [request, begin_pause(state, pause, at, limits)]


def begin_pause(state: ExecutionState, pause: Pause, at: int, limits: Limits) -> ExecutionPaused:
    """Return the event with which a pause begins, and the execution timeout during it."""
    cap = state.started_at + limits.paused_execution_seconds * 1_000
    return ExecutionPaused(
        at=at,
        requested_at=pause.requested_at,
        times_out_at=cap if pause.execution_timeout_paused else state.times_out_at,
        execution_timeout_paused=pause.execution_timeout_paused,
        reason=pause.reason,
    )


def decide_resume(
    state: ExecutionState, command: ResumeExecution, at: int, limits: Limits
) -> list[Event]:
    """End a pause, or cancel a requested pause that has not begun."""
    _check_reason(command.reason, limits)
    if _is_repeated(state, "resume", command.client_token, at):
        return []
    pause = state.pause
    if pause is None:
        raise conflict(f"Cannot resume {state.arn}: it is {state.status}, not PAUSED or PAUSING.")
    if pause.began_at is None:
        return [PauseCancelled(at=at, reason=command.reason, client_token=command.client_token)]
    return [_resumed(state, pause, pause.began_at, at, command)]


def end_pause(state: ExecutionState, at: int) -> list[Event]:
    """Return the event that ends a pause, requested or begun; none if there is no pause."""
    pause = state.pause
    if pause is None:
        return []
    if pause.began_at is None:
        return [PauseCancelled(at=at)]
    return [_resumed(state, pause, pause.began_at, at, ResumeExecution())]


def _resumed(
    state: ExecutionState, pause: Pause, began_at: int, at: int, command: ResumeExecution
) -> ExecutionResumed:
    times_out_at = state.times_out_at
    if pause.execution_timeout_paused and pause.timed_out_at is not None:
        times_out_at = min(times_out_at, pause.timed_out_at + at - began_at)
    return ExecutionResumed(
        at=at,
        requested_at=at,
        times_out_at=times_out_at,
        reason=command.reason,
        client_token=command.client_token,
    )


def _check_reason(reason: str | None, limits: Limits) -> None:
    if reason is not None and len(reason) > limits.reason_characters:
        raise invalid(
            f"The reason has {len(reason)} characters; at most {limits.reason_characters}."
        )


def _is_repeated(state: ExecutionState, request: str, client_token: str | None, at: int) -> bool:
    if client_token is None:
        return False
    requested_at = state.client_tokens.get((request, client_token))
    return requested_at is not None and at < requested_at + CLIENT_TOKEN_WINDOW
