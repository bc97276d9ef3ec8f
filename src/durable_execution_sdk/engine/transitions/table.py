"""The shape that the six tables share, and the two ways in which an operation changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from durable_execution_sdk.engine.commands import FunctionTarget
from durable_execution_sdk.engine.events import OperationEvent, OperationRef
from durable_execution_sdk.engine.state import TimerKind
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.operation import Operation, OperationStatus, OperationType
from durable_execution_sdk.model.update import OperationAction, OperationUpdate

ABSENT = None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What an update cannot know by itself.

    ``at`` is the log's time, which is ahead of the clock after many quick commands; ``now`` is the clock's.
    """

    at: int
    now: int
    callback_id: str = ""
    target: FunctionTarget | ErrorObject | None = None
    child_arn: str | None = None
    trace_id: str | None = None


Record = Callable[[OperationUpdate, Operation | None, Facts], list[OperationEvent]]


class Rule(NamedTuple):
    """A cell for the SDK: the status that its action leads to, and the events that say so."""

    to: OperationStatus
    record: Record


class Move(NamedTuple):
    """A cell for the service: what its event leads from, and to."""

    source: OperationStatus
    to: OperationStatus


Updates = Mapping[tuple[OperationAction, str | None], Rule]
Moves = Mapping[type[OperationEvent], Move]

Applies = Mapping[type[OperationEvent], Callable[[Operation | None, Any], Operation]]
"""For each event of a wire type, what makes of the operation before it the one after it."""


class Timer(NamedTuple):
    """A timer that an event arms, or disarms if it is due at no time.

    It goes off when the clock shows ``due_at``, and its event is recorded no earlier than ``recorded_at``
    in the log's time: in the log, a wait of a second takes a second.
    """

    kind: TimerKind
    due_at: int | None = None
    recorded_at: int | None = None


Timers = list[Timer]

TimersAfter = Mapping[type[OperationEvent], Callable[[Any], Timers]]
"""What the events do to timers that do something to them."""


def reference(update: OperationUpdate) -> OperationRef:
    """The operation that an update names."""
    return OperationRef(
        id=update.id, parent_id=update.parent_id, name=update.name, sub_type=update.sub_type
    )


_STARTED = OperationStatus.STARTED


def opened(kind: OperationType, operation: OperationRef, at: int) -> Operation:
    """An operation that starts at this moment."""
    return Operation(
        id=operation.id,
        type=kind,
        status=_STARTED,
        start_timestamp=at,
        parent_id=operation.parent_id,
        name=operation.name,
        sub_type=operation.sub_type,
    )
