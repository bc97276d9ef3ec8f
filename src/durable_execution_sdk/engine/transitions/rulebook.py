"""The six transition tables joined: allowed updates by status, and the effect of each event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from durable_execution_sdk.engine.events import OperationEvent
from durable_execution_sdk.engine.rejections import Rejected, invalid
from durable_execution_sdk.engine.transitions import (
    callback,
    context,
    execution,
    invoke,
    step,
    wait,
)
from durable_execution_sdk.engine.transitions.table import (
    Applies,
    Facts,
    Moves,
    Timers,
    TimersAfter,
    Updates,
)
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.operations import Operation, OperationType, OperationTypeName
from durable_execution_sdk.protocol.updates import (
    OperationUpdate,
)

UPDATES: Mapping[OperationTypeName, Updates] = {
    OperationType.STEP: step.UPDATES,
    OperationType.WAIT: wait.UPDATES,
    OperationType.CALLBACK: callback.UPDATES,
    OperationType.CHAINED_INVOKE: invoke.UPDATES,
    OperationType.CONTEXT: context.UPDATES,
}

MOVES: Moves = {
    **step.MOVES,
    **wait.MOVES,
    **callback.MOVES,
    **invoke.MOVES,
    **context.MOVES,
}

# Tables are keyed by the event's class: a ``match``, which tries classes one after the other, costs more
# than all the rest of folding an event.
APPLIES: Applies = {
    **step.APPLIES,
    **wait.APPLIES,
    **callback.APPLIES,
    **invoke.APPLIES,
    **context.APPLIES,
}

TIMERS: TimersAfter = {
    **step.TIMERS,
    **wait.TIMERS,
    **callback.TIMERS,
    **invoke.TIMERS,
    **context.TIMERS,
}


def record_update(
    update: OperationUpdate, current: Operation | None, facts: Facts
) -> list[OperationEvent]:
    """Return the events for an update of the operation ``current``; raise ``Rejected`` if not allowed."""
    status = current.status if current else None
    rules = UPDATES[update.type]
    rule = rules.get((update.action, status))
    if rule is None:
        allowed = [action for action, source in rules if source == status]
        raise _not_allowed(update, status, allowed)
    return rule.record(update, current, facts)


def settle_execution(update: OperationUpdate, current: Operation) -> ExecutionStatus:
    """Return the status with which the execution ends after an EXECUTION update."""
    status = current.status
    outcome = execution.UPDATES.get((update.action, status))
    if outcome is None:
        allowed = [action for action, source in execution.UPDATES if source == status]
        raise _not_allowed(update, status, allowed)
    return outcome


def _not_allowed(update: OperationUpdate, status: str | None, allowed: Sequence[str]) -> Rejected:
    name = f" {update.name!r}" if update.name else ""
    actual = f"is {status}" if status else "does not exist yet"
    expected = " or ".join(allowed) if allowed else "nothing"
    return invalid(
        f"Invalid action {update.action} for {update.type} operation {update.id}{name}: "
        f"it {actual}, which allows {expected}."
    )


def apply_event(previous: Operation | None, event: OperationEvent) -> Operation:
    """Return the operation as it is after the event."""
    return APPLIES[type(event)](previous, event)


def timers_after(event: OperationEvent) -> Timers:
    """Return the timers that an event arms (with a due time) and disarms (with ``None``)."""
    timers = TIMERS.get(type(event))
    return [] if timers is None else timers(event)
