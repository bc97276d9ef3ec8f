"""The part of an old history that a fork takes over, with what is changed in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.fork.chunks import Seed
from durable_execution_sdk.fork.envelope import Envelope
from durable_execution_sdk.fork.lineage import Lineage, with_input
from durable_execution_sdk.fork.open_operations import folded, left_out
from durable_execution_sdk.protocol.history import (
    EventResult,
    EventType,
    HistoryEvent,
    ResultDetails,
    RetryDetails,
    StepSucceededDetails,
    data_of,
)
from durable_execution_sdk.protocol.operation_log import Log, changes_operations
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    Operation,
    OperationType,
    label_of,
)

__all__ = ["taken_over"]

_NEEDS_DATA = (
    "A fork needs the inputs and results of what it takes over: histories show them only while the execution's data"
    " is kept and may be read (IncludeExecutionData)"
)


def taken_over(lineage: Lineage, envelope: Envelope) -> Seed:
    """Return the seed of the fork with this envelope, given the whole history of its origin.

    Raises ``ConfigError`` if there is no such operation, a result cannot be changed, or data is missing.
    """
    events = lineage.events
    cut = _cut(events, envelope)
    kept = [event for event in events[1:cut] if changes_operations(event)]
    started = events[0]
    if envelope.input is not None:
        started = with_input(started, envelope.input)
    old = folded([started, *kept])
    _check_results(old, envelope.results)
    without = left_out(old, envelope.results)
    kept = [event for event in kept if event.id not in without]
    kept = [started, *_with_results(kept, old, envelope.results)]
    log = folded(kept)
    _check_data(kept, log)
    return Seed(
        events=[replace(event, event_id=number) for number, event in enumerate(kept, 1)],
        cut_at=(events[cut] if cut < len(events) else events[-1]).event_timestamp,
        stored=sorted(
            each
            for each in {*lineage.stored, *envelope.results}
            if each in log.operations and log.operations[each].type == OperationType.CONTEXT
        ),
    )


def _cut(events: Sequence[HistoryEvent], envelope: Envelope) -> int:
    """Return the number of events before the first one of the operation at which the history is cut."""
    if envelope.before is None:
        return len(events)
    for index, event in enumerate(events):
        if event.id == envelope.before and changes_operations(event):
            return index
    raise ConfigError(f"{envelope.arn} has no operation {envelope.before} to fork before")


def _with_results(
    events: list[HistoryEvent], old: Log, results: Mapping[str, str]
) -> list[HistoryEvent]:
    """Return the events with other results: of operations that have ended in place, of open ones at the end."""
    last = {event.id: index for index, event in enumerate(events) if event.id in results}
    at = max(old.at, events[-1].event_timestamp if events else 0) + 1
    changed = list(events)
    for operation_id, result in results.items():
        operation = old.operations[operation_id]
        if operation.status in TERMINAL_STATUSES:
            index = last[operation_id]
            changed[index] = _success(operation, result, events[index].event_timestamp)
        else:
            changed.append(_success(operation, result, at))
    return changed


def _success(operation: Operation, result: str, at: float) -> HistoryEvent:
    blank = HistoryEvent(
        event_type=_SUCCESSES[operation.type],
        event_id=0,
        event_timestamp=at,
        sub_type=operation.sub_type,
        id=operation.id,
        name=operation.name,
        parent_id=operation.parent_id,
    )
    details = ResultDetails(result=EventResult(payload=result))
    match operation.type:
        case OperationType.STEP:
            attempts = (operation.step_details and operation.step_details.attempt) or 0
            attempts += operation.status not in TERMINAL_STATUSES
            step = StepSucceededDetails(
                result=details.result, retry_details=RetryDetails(current_attempt=attempts)
            )
            return replace(blank, step_succeeded_details=step)
        case OperationType.CALLBACK:
            return replace(blank, callback_succeeded_details=details)
        case OperationType.CHAINED_INVOKE:
            return replace(blank, chained_invoke_succeeded_details=details)
        case _:
            return replace(blank, context_succeeded_details=details)


_SUCCESSES = {
    OperationType.STEP: EventType.STEP_SUCCEEDED,
    OperationType.CALLBACK: EventType.CALLBACK_SUCCEEDED,
    OperationType.CHAINED_INVOKE: EventType.CHAINED_INVOKE_SUCCEEDED,
    OperationType.CONTEXT: EventType.CONTEXT_SUCCEEDED,
}


def _check_results(log: Log, results: Mapping[str, str]) -> None:
    for operation_id in results:
        operation = log.operations.get(operation_id)
        if operation is None:
            raise ConfigError(
                f"there is no operation {operation_id} in the part of the history that the fork takes over, so it"
                " has no result to change"
            )
        label = f"{label_of(operation.type, operation.sub_type, operation.name)} ({operation_id})"
        if operation.type not in _SUCCESSES:
            raise ConfigError(
                f"the result of {label} cannot be changed: a {operation.type.lower()} has none"
            )
        ended = [each for each in _contexts_of(log, operation) if each.status in TERMINAL_STATUSES]
        if ended:
            # The outermost one: the results of those inside it count no more either.
            around = label_of(ended[-1].type, ended[-1].sub_type, ended[-1].name)
            raise ConfigError(
                f"the result of {label} cannot be changed: it is inside {around} ({ended[-1].id}), which has ended"
                " and whose recorded result counts; change that one, or fork before it ended"
            )


def _contexts_of(log: Log, operation: Operation) -> Iterator[Operation]:
    """Yield the contexts that an operation is in, the innermost first."""
    parent = log.operations.get(operation.parent_id or "")
    while parent is not None:
        yield parent
        parent = log.operations.get(parent.parent_id or "")


def _check_data(events: Sequence[HistoryEvent], log: Log) -> None:
    """Raise ``ConfigError`` if data is missing that the fork needs.

    What is in a context that has failed is not needed. What is in one that succeeded may be: if its result was too
    large to be stored, it is computed again.
    """
    needed = {operation.id for operation in log.visible()}
    for event in events:
        if event.id is not None and event.id not in needed and event is not events[0]:
            continue
        if any(payload.truncated for payload in data_of(event)):
            label = f" {event.name!r}" if event.name else ""
            raise ConfigError(
                f"the history lacks the data of event {event.event_type}{label}: it was left out or cut off. {_NEEDS_DATA}"
            )
    steps = [
        details.result.payload
        for event in events
        if (details := event.step_succeeded_details) is not None
    ]
    if steps and not any(payload is not None for payload in steps):
        raise ConfigError(f"the history has no results at all. {_NEEDS_DATA}")
