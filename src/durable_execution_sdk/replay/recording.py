"""The states of an execution's log: one for the beginning of each invocation, and one for the end."""

from __future__ import annotations

import re

import msgspec

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.history import (
    ChainedInvokeStartedDetails,
    EventType,
    HistoryEvent,
)
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.operation_log import Ending, Log
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.replay.document import Document

__all__ = ["Moment", "Recording", "record", "recorded_arn"]

# Events that the service adds by itself, also while no invocation runs.
_OUTSIDE = frozenset(
    {
        EventType.WAIT_SUCCEEDED,
        EventType.CHAINED_INVOKE_SUCCEEDED,
        EventType.CHAINED_INVOKE_FAILED,
        EventType.CHAINED_INVOKE_TIMED_OUT,
        EventType.CHAINED_INVOKE_STOPPED,
        EventType.CALLBACK_SUCCEEDED,
        EventType.CALLBACK_FAILED,
        EventType.CALLBACK_TIMED_OUT,
        EventType.EXECUTION_PAUSED,
        EventType.EXECUTION_RESUMED,
        EventType.EXECUTION_SUCCEEDED,
        EventType.EXECUTION_FAILED,
        EventType.EXECUTION_TIMED_OUT,
        EventType.EXECUTION_STOPPED,
    }
)


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the log at the beginning of an invocation, or at the end.

    ``known`` is the number of operations, with those inside failed contexts. ``is_settled``: an
    invocation from this state has ended without a crash, so every operation that the code asks for
    must be in the history.
    """

    invocation: int
    at: float
    known: int
    operations: list[Operation]
    is_last: bool
    is_settled: bool


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A history prepared for replay; ``function_name`` is the recorded function, if an ARN is known.

    ``invokes`` holds the function and the payload of each invoke, by operation id.
    """

    arn: str
    function_name: str | None
    moments: list[Moment]
    operations: dict[str, Operation]
    order: list[str]
    ending: Ending | None
    invokes: dict[str, ChainedInvokeStartedDetails]
    forked_from_arn: str | None = None


def record(document: Document, function_name: str, arn: str | None) -> Recording:
    """Rebuild the log at the beginning of each invocation, and at the end.

    A history from the service lacks the execution's ARN, so one is made up if none is given. Raises
    ``ConfigError`` if the ARN is malformed.
    """
    full_arn = recorded_arn(document, function_name, arn)
    log = Log(full_arn, document.events[0])
    last_good = _last_good(document.events)
    moments = [_moment(log, 1, is_settled=last_good >= 1)]
    invocation = 1
    is_running = True
    is_quiet = False
    for event in document.events[1:]:
        is_quiet = event.event_type == EventType.INVOCATION_COMPLETED
        if is_quiet:
            invocation += 1
            is_running = False
            continue
        if not (is_running or event.event_type in _OUTSIDE):
            # Only a running invocation records this event, so the next invocation has begun.
            moments.append(_moment(log, invocation, is_settled=last_good >= invocation))
            is_running = True
        log.take(event)
    ended = log.ending is not None and log.ending.is_own
    rests = is_quiet and last_good == invocation - 1
    last = invocation if is_running else invocation - 1
    moments.append(_moment(log, last, is_settled=ended or rests, is_last=True))
    known_arn = arn or document.arn
    return Recording(
        arn=full_arn,
        forked_from_arn=document.forked_from_arn,
        function_name=None if known_arn is None else ExecutionArn.parse(known_arn).function_name,
        moments=moments,
        operations=log.operations,
        order=log.order,
        ending=log.ending,
        invokes={
            event.id: event.chained_invoke_started_details
            for event in document.events
            if event.id is not None and event.chained_invoke_started_details is not None
        },
    )


def _moment(log: Log, invocation: int, *, is_settled: bool, is_last: bool = False) -> Moment:
    return Moment(
        invocation=invocation,
        at=log.at,
        known=len(log.order),
        operations=log.visible(),
        is_last=is_last,
        is_settled=is_settled,
    )


def _last_good(events: list[HistoryEvent]) -> int:
    """Return the number of the last invocation that ended without an error or a pause.

    Such an invocation has recorded everything that its code asked for.
    """
    completed = 0
    good = 0
    for n, event in enumerate(events):
        details = event.invocation_completed_details
        if details is None:
            continue
        completed += 1
        following = events[n + 1].event_type if n + 1 < len(events) else None
        if details.error is None and following != EventType.EXECUTION_PAUSED:
            good = completed
    return good


def recorded_arn(document: Document, function_name: str, arn: str | None) -> str:
    """Return the execution's ARN, or make one up from the names in the history.

    Raises ``ConfigError`` if the ARN is malformed.
    """
    started = document.events[0]
    known_arn = arn or document.arn
    if known_arn is None:
        return str(
            ExecutionArn(
                "aws",
                "us-east-1",
                "000000000000",
                _as_name(function_name, "function"),
                "$LATEST",
                _as_name(started.name, "execution"),
                _as_name(started.id, "run"),
            )
        )
    try:
        return str(ExecutionArn.parse(known_arn))
    except ValueError as error:
        raise ConfigError(f"the execution's ARN: {error}") from error


def _as_name(text: str | None, otherwise: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "-", text or "") or otherwise
