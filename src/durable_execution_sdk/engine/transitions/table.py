"""Types of the six transition tables: rules for the SDK's updates, moves for the service's events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from durable_execution_sdk.engine.commands import FunctionTarget
from durable_execution_sdk.engine.events import OperationEvent, OperationRef
from durable_execution_sdk.engine.state import TimerKind
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationStatus,
    OperationStatusName,
    OperationTypeName,
)
from durable_execution_sdk.protocol.updates import (
    OperationActionName,
    OperationUpdate,
)

ABSENT = None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Values that an update does not hold and its rule needs.

    ``now`` is the clock's time; ``at`` is the log's, which is ahead of it after many quick commands.
    """

    at: int
    now: int
    callback_id: str = ""
    target: FunctionTarget | ErrorObject | None = None
    child_arn: str | None = None
    trace_id: str | None = None


Record = Callable[[OperationUpdate, Operation | None, Facts], list[OperationEvent]]


class Rule(NamedTuple):
    """A cell for an update: the status that its action leads to, and the function that makes events."""

    to: OperationStatusName
    record: Record


class Move(NamedTuple):
    """A cell for an event of the service: the status before and after."""

    source: OperationStatusName
    to: OperationStatusName


Updates = Mapping[tuple[OperationActionName, str | None], Rule]
Moves = Mapping[type[OperationEvent], Move]

Applies = Mapping[type[OperationEvent], Callable[[Operation | None, Any], Operation]]
"""For each type of event, the function from the operation before the event to the one after it."""


class Timer(NamedTuple):
    """A timer that an event arms; without ``due_at`` the event disarms it.

    It fires when the clock reaches ``due_at``. Its event is recorded no earlier than ``recorded_at`` in
    the log's time, so that a wait of 1 s also takes 1 s in the log.
    """

    kind: TimerKind
    due_at: int | None = None
    recorded_at: int | None = None


Timers = list[Timer]

TimersAfter = Mapping[type[OperationEvent], Callable[[Any], Timers]]
"""For each type of event that arms or disarms timers, the function that lists them."""


def reference(update: OperationUpdate) -> OperationRef:
    """Return the reference to the operation that an update names."""
    return OperationRef(
        id=update.id, parent_id=update.parent_id, name=update.name, sub_type=update.sub_type
    )


_STARTED = OperationStatus.STARTED


def opened(kind: OperationTypeName, operation: OperationRef, at: int) -> Operation:
    """Return a new operation with status STARTED."""
    return Operation(
        id=operation.id,
        type=kind,
        status=_STARTED,
        start_timestamp=at,
        parent_id=operation.parent_id,
        name=operation.name,
        sub_type=operation.sub_type,
    )
