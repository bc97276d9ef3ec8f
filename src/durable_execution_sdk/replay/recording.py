"""What an execution was at each moment of its history: the operations that an invocation was given."""

from __future__ import annotations

import re

import msgspec

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.model.history import (
    ChainedInvokeStartedDetails,
    EventType,
    HistoryEvent,
)
from durable_execution_sdk.model.ids import ExecutionArn
from durable_execution_sdk.model.operation import Operation
from durable_execution_sdk.replay.document import Document
from durable_execution_sdk.replay.log import Ending, Log

__all__ = ["Moment", "Recording", "record"]

# What the service adds to the log of its own accord: it may come between two invocations.
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
    """The log as it was when an invocation began, or as it is at its end.

    ``known`` is how many operations the log held, those of contexts that have failed among them.
    ``is_settled``: whatever code asks for from here on must be in the log, since an invocation that
    did so has come to its end.
    """

    invocation: int
    at: float
    known: int
    operations: list[Operation]
    is_last: bool
    is_settled: bool


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A history, as replay needs it; ``function_name`` is what it was recorded under, if it tells.

    ``invokes`` are the functions that were invoked and their payloads, by the id of the operation.
    """

    arn: str
    function_name: str | None
    moments: list[Moment]
    operations: dict[str, Operation]
    order: list[str]
    ending: Ending | None
    invokes: dict[str, ChainedInvokeStartedDetails]


def record(document: Document, function_name: str, arn: str | None) -> Recording:
    """Rebuild the operations at the beginning of each invocation, and at the end of the log.

    A history does not tell the execution's ARN, so one is made up unless it is known. ``ConfigError``
    if it is known, and is none.
    """
    known = _known_arn(document, function_name, arn)
    log = Log(known, document.events[0])
    last_good = _last_good(document.events)
    moments = [_moment(log, 1, is_settled=last_good >= 1)]
    begun = 1
    is_running = True
    is_quiet = False
    for event in document.events[1:]:
        is_quiet = event.event_type == EventType.INVOCATION_COMPLETED
        if is_quiet:
            begun += 1
            is_running = False
            continue
        if not (is_running or event.event_type in _OUTSIDE):
            # Only an invocation that runs writes this, so another one has begun.
            moments.append(_moment(log, begun, is_settled=last_good >= begun))
            is_running = True
        log.take(event)
    ended = log.ending is not None and log.ending.is_own
    rests = is_quiet and last_good == begun - 1
    last = begun if is_running else begun - 1
    moments.append(_moment(log, last, is_settled=ended or rests, is_last=True))
    told = arn or document.arn
    return Recording(
        arn=known,
        function_name=None if told is None else ExecutionArn.parse(told).function_name,
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
    """The last invocation that recorded all that its code asked for: it neither crashed nor was paused."""
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


def _known_arn(document: Document, function_name: str, arn: str | None) -> str:
    """The execution's ARN, or one that is made up of what the history does tell."""
    started = document.events[0]
    known = arn or document.arn
    if known is None:
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
        return str(ExecutionArn.parse(known))
    except ValueError as error:
        raise ConfigError(f"the execution's ARN: {error}") from error


def _as_name(text: str | None, otherwise: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "-", text or "") or otherwise
