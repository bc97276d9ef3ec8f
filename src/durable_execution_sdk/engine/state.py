"""The state of one execution: the result of folding its events.

Only ``evolve`` changes a state, in place; all other code reads it. Indexes (timers, unseen changes,
counts) spare every command a scan of all operations.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from durable_execution_sdk.engine.events import ChainedInvokeStarted, ForkOrigin, ParentLink
from durable_execution_sdk.engine.execution_time import REAL_TIME, ExecutionTime
from durable_execution_sdk.protocol.control_plane import CLOSED_STATUSES, ExecutionStatus
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.limits import CLIENT_TOKEN_SECONDS
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationStatus,
    OperationStatusName,
    OperationType,
)


class TimerKind(StrEnum):
    """Kinds of deadline that an execution can have."""

    WAIT = "wait"
    STEP_RETRY = "step retry"
    CALLBACK_TIMEOUT = "callback timeout"
    CALLBACK_HEARTBEAT = "callback heartbeat"
    INVOCATION_RETRY = "invocation retry"
    EXECUTION_TIMEOUT = "execution timeout"


TimerKey = tuple[str, TimerKind]

# Period for which a client token is remembered, in milliseconds: 15 minutes, as the service has it.
CLIENT_TOKEN_WINDOW = CLIENT_TOKEN_SECONDS * 1_000

_OVER = CLOSED_STATUSES | {ExecutionStatus.DELETING}

# Timers due at the same time fire in the order in which their operations started. The execution's own
# timers come last, so that a wait that is due together with the execution timeout still succeeds.
_AFTER_OPERATIONS = 1 << 60


@dataclass(kw_only=True, slots=True)
class RunningInvocation:
    """The invocation in flight. ``token=None``: it may not checkpoint any more."""

    number: int
    request_id: str
    started_at: int
    token: str | None
    sequence: int = 0
    updated_ids: tuple[str, ...] = ()
    saw_changes: bool = False


class RecordedResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Response to a checkpoint, kept for a client that sends the same request again."""

    at: int
    token: str
    next_token: str | None
    operations: tuple[Operation, ...]


@dataclass(kw_only=True, frozen=True)
class Pause:
    """A requested pause; ``began_at`` is ``None`` until it begins.

    ``timed_out_at`` is the time of the execution timeout at the moment when the pause began.
    """

    requested_at: int
    execution_timeout_paused: bool
    reason: str | None
    began_at: int | None = None
    timed_out_at: int | None = None


@dataclass(kw_only=True, frozen=True)
class SettledOutcome:
    """Outcome recorded by an EXECUTION update; it takes effect when the invocation is over."""

    status: ExecutionStatus
    result: str | None
    error: ErrorObject | None


@dataclass(kw_only=True, slots=True)
class ExecutionState:
    """Everything about one execution that the rules read.

    ``unseen`` holds the ids of operations whose latest change the handler has not received; ``order``
    lists operation ids by start, and ``positions`` is its inverse. ``open_callbacks`` holds the ids of
    callbacks that wait for an answer. ``code`` is the digest of the code that was invoked or accepted last.
    """

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
    time: ExecutionTime = REAL_TIME
    forked_from: ForkOrigin | None = None
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
    attempts: int = 0
    stored_bytes: int = 0
    pending_count: int = 0

    invocation: RunningInvocation | None = None
    invocation_count: int = 0
    invocation_due: bool = False
    retry_at: int | None = None
    failures: int = 0
    refusals: int = 0
    last_failure: ErrorObject | None = None
    code: str | None = None

    unseen: dict[str, None] = field(default_factory=dict[str, None])
    last_response: RecordedResponse | None = None
    responses: dict[tuple[str, str], RecordedResponse] = field(
        default_factory=dict[tuple[str, str], RecordedResponse]
    )

    invokes: dict[str, ChainedInvokeStarted] = field(
        default_factory=dict[str, ChainedInvokeStarted]
    )
    open_callbacks: dict[str, None] = field(default_factory=dict[str, None])
    heartbeats: dict[str, int] = field(default_factory=dict[str, int])
    timers: dict[TimerKey, int] = field(default_factory=dict[TimerKey, int])
    recorded_at: dict[TimerKey, int] = field(default_factory=dict[TimerKey, int])
    timer_heap: list[tuple[int, int, TimerKind, str]] = field(
        default_factory=list[tuple[int, int, TimerKind, str]]
    )

    @property
    def is_closed(self) -> bool:
        """True once the execution has ended, with any status."""
        return self.status in _OVER

    @property
    def wants_invocation(self) -> bool:
        """True when the handler has to be invoked now."""
        return (
            self.invocation_due
            and self.invocation is None
            and self.retry_at is None
            and self.status == ExecutionStatus.RUNNING
        )

    def copied(self) -> ExecutionState:
        """Return a copy whose operations, timers and invokes do not change with this state."""
        state = copy(self)
        state.operations, state.order = self.operations.copy(), self.order.copy()
        state.timers, state.invokes = self.timers.copy(), self.invokes.copy()
        return state

    def put_operation(self, operation: Operation) -> None:
        """Replace an operation, or append a new one."""
        previous = self.operations.get(operation.id)
        if previous is None:
            self.positions[operation.id] = len(self.order)
            self.order.append(operation.id)
        elif is_pending(previous):
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
        """Arm, move or (with ``due_at=None``) disarm a timer.

        It fires when the execution's time reaches ``due_at``. ``recorded_at`` is the earliest time of its event in
        the log, ``due_at`` if omitted.
        """
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
        """Return (due time, kind, operation id) of the timers that are due, in firing order."""
        due_entries: set[tuple[int, int, TimerKind, str]] = set()
        # Visit the heap from its root; below an entry that is not due, no entry is due.
        nodes = [0]
        while nodes:
            node = nodes.pop()
            if node < len(self.timer_heap) and self.timer_heap[node][0] <= now:
                if self._is_armed(self.timer_heap[node]):
                    due_entries.add(self.timer_heap[node])
                nodes += (2 * node + 1, 2 * node + 2)
        return [
            (due_at, kind, operation_id) for due_at, _, kind, operation_id in sorted(due_entries)
        ]

    def _is_armed(self, entry: tuple[int, int, TimerKind, str]) -> bool:
        due_at, _, kind, operation_id = entry
        return self.timers.get((operation_id, kind)) == due_at


_PENDING: Mapping[str, OperationStatusName] = {
    OperationType.STEP: OperationStatus.PENDING,
    OperationType.WAIT: OperationStatus.STARTED,
    OperationType.CALLBACK: OperationStatus.STARTED,
    OperationType.CHAINED_INVOKE: OperationStatus.STARTED,
}


def is_pending(operation: Operation) -> bool:
    """True when the operation waits for the service or for an external system, not for the SDK."""
    return _PENDING.get(operation.type) == operation.status
