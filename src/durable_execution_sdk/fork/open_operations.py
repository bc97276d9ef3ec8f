"""Operations that are open at the cut: those that the fork begins anew, and with how much time left.

- A context is started again, because the service takes operations in it only if it has one.
- A wait goes on with the time that it had left at the cut; so does a step whose retry is due later.
- A callback is made anew and gets another id, with its whole time limits. Its record has to be there before the code
  runs, because code that was recorded after it may depend on it. In ``wait_for_callback`` the submitter is left out of
  the seed, so that it runs again with the new id.
- An invoke is left out of the seed: the code asks for it again.
- A step that was under way needs nothing. One that runs at least once runs again, one that runs at most once is
  interrupted, and the service takes the end of an attempt without its START.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from durable_execution_sdk.fork.chunks import Seed
from durable_execution_sdk.protocol.history import CallbackStartedDetails, HistoryEvent
from durable_execution_sdk.protocol.operation_log import Log
from durable_execution_sdk.protocol.operations import (
    OPEN_STATUSES,
    Operation,
    OperationStatus,
    OperationSubType,
    OperationType,
    OperationTypeName,
)
from durable_execution_sdk.protocol.updates import (
    CallbackOptions,
    OperationAction,
    OperationActionName,
    OperationUpdate,
    StepOptions,
    WaitOptions,
)

__all__ = ["ended_attempts", "folded", "left_out", "live", "reopening"]


def folded(events: Sequence[HistoryEvent]) -> Log:
    """Return the log of operations after these events, the first of which is ExecutionStarted."""
    log = Log("", events[0])
    for event in events[1:]:
        log.take(event)
    return log


def live(log: Log) -> list[Operation]:
    """Return the open operations in start order, without those inside contexts that have ended."""
    return [
        operation
        for operation in map(log.operations.__getitem__, log.order)
        if operation.status in OPEN_STATUSES
        and _is_open_around(log.operations, operation.parent_id)
    ]


def left_out(log: Log, results: dict[str, str]) -> set[str]:
    """Return the ids of the operations that the seed leaves out, but for those that get a result."""
    ids: set[str] = set()
    resubmitted: set[str] = set()
    for operation in live(log):
        if operation.id in results:
            continue
        if operation.type == OperationType.CHAINED_INVOKE:
            ids.add(operation.id)
        elif operation.type == OperationType.CALLBACK and operation.parent_id is not None:
            parent = log.operations[operation.parent_id]
            if parent.sub_type == OperationSubType.WAIT_FOR_CALLBACK and parent.id not in results:
                resubmitted.add(parent.id)
    return ids | {
        operation.id
        for operation in log.operations.values()
        if operation.type == OperationType.STEP and operation.parent_id in resubmitted
    }


def ended_attempts(log: Log) -> dict[str, int]:
    """Return the attempts of open steps that ended before the cut and that the fork's own log does not count.

    The end of the last attempt of a step that is PENDING is recorded again with its retry, so it does not count here.
    """
    return {
        operation.id: (operation.step_details.attempt or 0)
        - (operation.status == OperationStatus.PENDING)
        for operation in live(log)
        if operation.step_details is not None
    }


def reopening(seed: Seed, log: Log, recorded: Mapping[str, Operation]) -> list[OperationUpdate]:
    """Return the updates that begin what was open at the cut anew, in start order.

    ``recorded`` are the operations of the service. What an earlier invocation has begun is left out, also if the
    service does not show it any more because the context around it has ended.
    """
    merged = {**log.operations, **recorded}
    callbacks = {
        event.id: event.callback_started_details
        for event in seed.events
        if event.callback_started_details is not None
    }
    updates = (
        _update(operation, seed.cut_at, callbacks.get(operation.id))
        for operation in live(log)
        if operation.id not in recorded and _is_open_around(merged, operation.parent_id)
    )
    return [update for update in updates if update is not None]


def _update(
    operation: Operation, cut_at: float, callback: CallbackStartedDetails | None
) -> OperationUpdate | None:
    match operation.type, operation.status:
        case OperationType.CONTEXT, _:
            return _begin(operation, OperationType.CONTEXT, OperationAction.START)
        case OperationType.WAIT, _:
            details = operation.wait_details
            end = cut_at if details is None else details.scheduled_end_timestamp or cut_at
            options = WaitOptions(wait_seconds=_seconds_left(end, cut_at))
            return _begin(operation, OperationType.WAIT, OperationAction.START, wait=options)
        case OperationType.CALLBACK, _:
            limits = CallbackOptions(
                timeout_seconds=None if callback is None else callback.timeout,
                heartbeat_timeout_seconds=None if callback is None else callback.heartbeat_timeout,
            )
            return _begin(operation, OperationType.CALLBACK, OperationAction.START, callback=limits)
        case OperationType.STEP, OperationStatus.PENDING:
            step = operation.step_details
            due = cut_at if step is None else step.next_attempt_timestamp or cut_at
            delay = StepOptions(next_attempt_delay_seconds=_seconds_left(due, cut_at))
            return _begin(operation, OperationType.STEP, OperationAction.RETRY, step=delay)
        case _:
            return None


def _begin(
    operation: Operation,
    type_: OperationTypeName,
    action: OperationActionName,
    *,
    wait: WaitOptions | None = None,
    callback: CallbackOptions | None = None,
    step: StepOptions | None = None,
) -> OperationUpdate:
    last = operation.step_details if action == OperationAction.RETRY else None
    return OperationUpdate(
        id=operation.id,
        type=type_,
        action=action,
        parent_id=operation.parent_id,
        name=operation.name,
        sub_type=operation.sub_type,
        # The state of a poll, or the error of a step's last attempt.
        payload=None if last is None or last.error is not None else last.result,
        error=None if last is None else last.error,
        wait_options=wait,
        callback_options=callback,
        step_options=step,
    )


def _seconds_left(end: float, cut_at: float) -> int:
    return max(1, math.ceil((end - cut_at) / 1000))


def _is_open_around(operations: Mapping[str, Operation], context_id: str | None) -> bool:
    """Return ``True`` if a context, and those around it, have not ended."""
    while context_id is not None:
        context = operations.get(context_id)
        if context is None:
            return True
        if context.status not in OPEN_STATUSES:
            return False
        context_id = context.parent_id
    return True
