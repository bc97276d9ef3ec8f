"""An execution as of now: what folding its events gives.

The state belongs to whoever folds: ``evolve`` changes it in place, everybody else only reads. It keeps
indexes (timers, unseen changes, counts) so that no command has to look at all operations.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from durable_execution_sdk.engine.events import ChainedInvokeStarted, ParentLink
from durable_execution_sdk.model.control import CLOSED_STATUSES, ExecutionStatus
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.operation import Operation, OperationStatus, OperationType


class TimerKind(StrEnum):
    """What a timer ends."""

    WAIT = "wait"
    STEP_RETRY = "step retry"
    CALLBACK_TIMEOUT = "callback timeout"
    CALLBACK_HEARTBEAT = "callback heartbeat"
    INVOCATION_RETRY = "invocation retry"
    EXECUTION_TIMEOUT = "execution timeout"


TimerKey = tuple[str, TimerKind]

# How long a client token is remembered: the service's 15 minutes.
CLIENT_TOKEN_WINDOW = 15 * 60 * 1_000

_OVER = CLOSED_STATUSES | {ExecutionStatus.DELETING}

# Timers that are due together go off in the order in which their operations started, and those of
# the execution itself after them: a wait that ends with the execution still ends.
_AFTER_OPERATIONS = 1 << 60


@dataclass(kw_only=True, slots=True)
class RunningInvocation:
    """The invocation in flight. Without a token it may not checkpoint any more."""

    number: int
    request_id: str
    started_at: int
    token: str | None
    sequence: int = 0
    updated_ids: tuple[str, ...] = ()
    saw_changes: bool = False


class GivenResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint was answered, kept for a client that asks the same again."""

    at: int
    token: str
    next_token: str | None
    operations: tuple[Operation, ...]


@dataclass(kw_only=True, frozen=True)
class Pause:
    """A pause that was asked for; ``began_at`` says since when it holds.

    ``timed_out_at`` is where the execution timeout was when it began.
    """

    requested_at: int
    execution_timeout_paused: bool
    reason: str | None
    began_at: int | None = None
    timed_out_at: int | None = None


@dataclass(kw_only=True, frozen=True)
class SettledOutcome:
    """An EXECUTION update: how the execution ends once its invocation is over."""

    status: ExecutionStatus
    result: str | None
    error: ErrorObject | None


@dataclass(kw_only=True, slots=True)
class ExecutionState:
    """Everything that the rules need to know of one execution."""

    arn: str
    run_id: str
    function_arn: str
    input: str
    execution_timeout: int
    retention: int
    synchronous: bool
    parent: ParentLink | None
    tenant_id: str | None
    trace_id: str | None
    started_at: int
    times_out_at: int
    last_at: int
    status: ExecutionStatus = ExecutionStatus.RUNNING
    ended_at: int | None = None
    deleted_at: int | None = None
    result: str | None = None
    error: ErrorObject | None = None
    settled: SettledOutcome | None = None
    pause: Pause | None = None
    client_tokens: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    event_count: int = 0
    operations: dict[str, Operation] = field(default_factory=dict[str, Operation])
    order: list[str] = field(default_factory=list[str])
    positions: dict[str, int] = field(default_factory=dict[str, int])
    operation_count: int = 0
    stored_bytes: int = 0
    pending_count: int = 0

    invocation: RunningInvocation | None = None
    invocation_count: int = 0
    invocation_due: bool = False
    retry_at: int | None = None
    failures: int = 0
    refusals: int = 0
    last_failure: ErrorObject | None = None

    unseen: dict[str, None] = field(default_factory=dict[str, None])
    last_response: GivenResponse | None = None
    responses: dict[tuple[str, str], GivenResponse] = field(
        default_factory=dict[tuple[str, str], GivenResponse]
    )

    invokes: dict[str, ChainedInvokeStarted] = field(
        default_factory=dict[str, ChainedInvokeStarted]
    )
    heartbeats: dict[str, int] = field(default_factory=dict[str, int])
    timers: dict[TimerKey, int] = field(default_factory=dict[TimerKey, int])
    recorded_at: dict[TimerKey, int] = field(default_factory=dict[TimerKey, int])
    timer_heap: list[tuple[int, int, TimerKind, str]] = field(
        default_factory=list[tuple[int, int, TimerKind, str]]
    )

    @property
    def is_closed(self) -> bool:
        """Whether the execution has ended, however it ended."""
        return self.status in _OVER

    @property
    def wants_invocation(self) -> bool:
        """Whether the handler is to be invoked now."""
        return (
            self.invocation_due
            and self.invocation is None
            and self.retry_at is None
            and self.status == ExecutionStatus.RUNNING
        )

    def copied(self) -> ExecutionState:
        """The state as it is now, for whoever looks at its operations later."""
        state = copy(self)
        state.operations, state.order = self.operations.copy(), self.order.copy()
        state.timers, state.invokes = self.timers.copy(), self.invokes.copy()
        return state

    def put_operation(self, operation: Operation) -> None:
        """Replace an operation, or add it after all others."""
        before = self.operations.get(operation.id)
        if before is None:
            self.positions[operation.id] = len(self.order)
            self.order.append(operation.id)
        elif is_pending(before):
            self.pending_count -= 1
        if is_pending(operation):
            self.pending_count += 1
        self.operations[operation.id] = operation

    def set_timer(
        self,
        operation_id: str,
        kind: TimerKind,
        due_at: int | None,
        recorded_at: int | None = None,
    ) -> None:
        """Arm, move or (with ``None``) disarm a timer; it is recorded at ``due_at`` or later."""
        key = (operation_id, kind)
        if recorded_at is not None and recorded_at != due_at:
            self.recorded_at[key] = recorded_at
        else:
            self.recorded_at.pop(key, None)
        if due_at is None:
            self.timers.pop(key, None)
        else:
            self.timers[key] = due_at
            position = self.positions.get(operation_id, _AFTER_OPERATIONS)
            heapq.heappush(self.timer_heap, (due_at, position, kind, operation_id))
        while self.timer_heap and not self._is_armed(self.timer_heap[0]):
            heapq.heappop(self.timer_heap)

    def due_timers(self, now: int) -> list[tuple[int, TimerKind, str]]:
        """The timers that are due, in the order in which they go off: when, what, whose."""
        due: set[tuple[int, int, TimerKind, str]] = set()
        places = [0]
        while places:
            place = places.pop()
            if place < len(self.timer_heap) and self.timer_heap[place][0] <= now:
                if self._is_armed(self.timer_heap[place]):
                    due.add(self.timer_heap[place])
                places += (2 * place + 1, 2 * place + 2)
        return [(due_at, kind, operation_id) for due_at, _, kind, operation_id in sorted(due)]

    def _is_armed(self, entry: tuple[int, int, TimerKind, str]) -> bool:
        due_at, _, kind, operation_id = entry
        return self.timers.get((operation_id, kind)) == due_at


_PENDING: Mapping[str, OperationStatus] = {
    OperationType.STEP: OperationStatus.PENDING,
    OperationType.WAIT: OperationStatus.STARTED,
    OperationType.CALLBACK: OperationStatus.STARTED,
    OperationType.CHAINED_INVOKE: OperationStatus.STARTED,
}


def is_pending(operation: Operation) -> bool:
    """Whether the service, or somebody outside, will go on with an operation."""
    return _PENDING.get(operation.type) == operation.status
