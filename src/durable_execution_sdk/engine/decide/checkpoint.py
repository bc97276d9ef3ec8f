"""Decide a checkpoint: a batch of updates, all recorded or none; its token is valid once."""

from __future__ import annotations

from zlib import crc32

from durable_execution_sdk.engine.commands import Checkpoint, FunctionTarget
from durable_execution_sdk.engine.decide.ends import too_many_bytes, too_many_operations
from durable_execution_sdk.engine.decide.pause import begin_pause
from durable_execution_sdk.engine.decide.validation import (
    check_names,
    check_update,
    inconsistent,
    is_consistent,
)
from durable_execution_sdk.engine.events import (
    CheckpointAccepted,
    Event,
    ExecutionOutcomeRecorded,
)
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.rejections import invalid
from durable_execution_sdk.engine.sizes import stored_bytes
from durable_execution_sdk.engine.state import CLIENT_TOKEN_WINDOW, ExecutionState
from durable_execution_sdk.engine.tokens import (
    callback_id,
    checkpoint_token,
    child_arn,
    require_current_token,
)
from durable_execution_sdk.engine.transitions.execution import record
from durable_execution_sdk.engine.transitions.rulebook import (
    apply_event,
    record_update,
    settle_execution,
)
from durable_execution_sdk.engine.transitions.table import Facts
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import Operation, OperationStatus, OperationType
from durable_execution_sdk.protocol.updates import (
    OperationAction,
    OperationActionName,
    OperationUpdate,
)

_CAN_START_AND_END = frozenset({OperationType.STEP, OperationType.CONTEXT})
_NEED_FACTS = frozenset({OperationType.CALLBACK, OperationType.CHAINED_INVOKE})


def decide_checkpoint(
    state: ExecutionState, command: Checkpoint, at: int, now: int, limits: Limits
) -> list[Event]:
    """Return the events of a batch; none if the client repeats a request that was answered.

    ``at`` is the log's time and ``now`` the clock's: see ``Facts``.
    """
    if _is_repetition(state, command, now):
        return []
    invocation = require_current_token(state, command.token)
    batch = _Batch(state, command, at, now, limits)
    for update in command.updates:
        batch.add(update)
    events: list[Event] = batch.events
    ends_execution = batch.settles
    if (error := batch.exceeded_quota()) is not None:
        # The service fails the whole execution, not only the call, and issues no further token.
        ends_execution = True
        events.clear()
        events.append(ExecutionOutcomeRecorded(at=at, status=ExecutionStatus.FAILED, error=error))
    # A pause that was requested during the invocation begins with this checkpoint.
    pause = state.pause if not ends_execution else None
    sequence = invocation.sequence + 1
    next_token = checkpoint_token(state.run_id, invocation.number, sequence, command.secret)
    events.append(
        CheckpointAccepted(
            at=at,
            sequence=sequence,
            token=command.token,
            next_token=None if ends_execution or pause else next_token,
            client_token=command.client_token,
            left_out=_left_out(state, command, sequence, limits),
        )
    )
    if pause is not None:
        events.append(begin_pause(state, pause, at, limits))
    return events


def _left_out(
    state: ExecutionState, command: Checkpoint, sequence: int, limits: Limits
) -> tuple[str, ...]:
    """Choose the changed operations that this response omits, so that tests meet ends that come late.

    There are none unless ``limits.late_news`` is set.
    """
    if limits.late_news is None:
        return ()
    running_steps = {
        operation.id for operation in state.operations.values() if _is_running(operation)
    }
    for update in command.updates:
        running_steps.discard(update.id)
        if update.type == OperationType.STEP and update.action == OperationAction.START:
            running_steps.add(update.id)
    if not running_steps:
        # The handler is sure to checkpoint again only while a step runs. Now it may suspend: omit nothing.
        return ()
    # The checksum chooses about two thirds of them, and the same ones for the same seed.
    updated_ids = {update.id for update in command.updates}
    return tuple(
        operation_id
        for operation_id in state.unseen
        if operation_id not in updated_ids
        and crc32(f"{limits.late_news} {operation_id} {sequence}".encode()) % 3
    )


def _is_running(operation: Operation) -> bool:
    """Return ``True`` for a step that has started and not ended."""
    return operation.type == OperationType.STEP and operation.status == OperationStatus.STARTED


def _is_repetition(state: ExecutionState, command: Checkpoint, now: int) -> bool:
    """Return ``True`` if this request, with the same tokens, was answered a short time ago."""
    if command.client_token is None:
        return False
    response = state.responses.get((command.client_token, command.token))
    return response is not None and now < response.at + CLIENT_TOKEN_WINDOW


class _Batch:
    """The updates of one checkpoint, each decided with the effect of those before it."""

    def __init__(
        self, state: ExecutionState, command: Checkpoint, at: int, now: int, limits: Limits
    ) -> None:
        self.events: list[Event] = []
        self.settles = False
        self._state = state
        self._command = command
        self._at = at
        self._limits = limits
        self._now = now
        self._facts = Facts(at=at, now=now)
        # The operations that this batch has created or started, and the last action on each operation.
        self._changed: dict[str, Operation] = {}
        self._actions: dict[str, OperationActionName] = {}
        # What the batch adds to the quotas: operations and retries, and bytes of storage.
        self._metered = 0
        self._stored = 0

    def add(self, update: OperationUpdate) -> None:
        """Decide one update and append its events."""
        if self.settles:
            raise invalid(
                "EXECUTION checkpoint must be the last update, and there can be only one. "
                f"({update.type} {update.id} follows it)"
            )
        if update.type == OperationType.EXECUTION:
            self._settle(update)
        else:
            self._change(update)

    def exceeded_quota(self) -> ErrorObject | None:
        """Return the error that ends the execution if this batch exceeds one of its quotas; otherwise ``None``."""
        operations = self._state.operation_count + self._metered
        if operations > self._limits.operations:
            return too_many_operations(self._limits)
        if self._state.stored_bytes + self._stored > self._limits.storage_bytes:
            return too_many_bytes(self._limits)
        return None

    def _settle(self, update: OperationUpdate) -> None:
        """Record the outcome of the execution itself."""
        check_names(update)
        check_update(self._state, update, self._limits)
        outcome = settle_execution(update, self._state.operations[self._state.run_id])
        event = record(update, outcome, self._at)
        self.settles = True
        self.events.append(event)
        self._stored += stored_bytes(event)

    def _change(self, update: OperationUpdate) -> None:
        """Record an update of one operation."""
        current = self._changed.get(update.id) or self._state.operations.get(update.id)
        # If an update agrees with the operation, its names need no check: the first update had the same.
        has_checked_names = current is not None and is_consistent(update, current)
        if not has_checked_names:
            check_names(update)
        check_update(self._state, update, self._limits)
        if update.id in self._actions:
            self._check_repetition(update, self._actions[update.id])
        if current is None:
            self._metered += 1
            if update.parent_id is not None:
                self._check_parent(update, update.parent_id)
        elif not has_checked_names:
            raise inconsistent(update, current)
        if update.action == OperationAction.RETRY:
            self._metered += 1
        # A later update of this batch may end what this one starts, or name what it creates as its parent. So
        # the events of these two cases take effect here already. ``evolve`` applies all events to the state.
        is_applied = current is None or update.action == OperationAction.START
        facts = self._facts_for(update) if update.type in _NEED_FACTS else self._facts
        for event in record_update(update, current, facts):
            if is_applied:
                current = self._changed[update.id] = apply_event(current, event)
            self.events.append(event)
            self._stored += stored_bytes(event)
        self._actions[update.id] = update.action

    def _check_repetition(
        self, update: OperationUpdate, previous_action: OperationActionName
    ) -> None:
        """Raise unless a second update of one operation in a batch ends what the first has started."""
        ends_started_operation = (
            update.type in _CAN_START_AND_END
            and previous_action == OperationAction.START
            and update.action != OperationAction.START
        )
        if not ends_started_operation:
            raise invalid(
                "Cannot checkpoint multiple operations with the same ID. "
                f"({update.type} {update.id}: {previous_action}, then {update.action})"
            )

    def _check_parent(self, update: OperationUpdate, parent_id: str) -> None:
        """Raise unless the parent of a new operation is a context that exists."""
        parent = self._changed.get(parent_id) or self._state.operations.get(parent_id)
        if parent is None or parent.type != OperationType.CONTEXT:
            problem = "does not exist" if parent is None else f"is a {parent.type}"
            raise invalid(
                f"Invalid parent operation id. {parent_id}, the parent of {update.type} "
                f"{update.id}, {problem}; it must be a CONTEXT that has been started."
            )

    def _facts_for(self, update: OperationUpdate) -> Facts:
        """Return the values that the rule for a callback or an invoke needs."""
        arn = self._state.arn
        if update.type == OperationType.CALLBACK:
            return Facts(
                at=self._at,
                now=self._now,
                callback_id=callback_id(arn, update.id, self._command.secret),
            )
        if update.chained_invoke_options is None:
            return self._facts
        target = self._command.functions.get(update.chained_invoke_options.function_name)
        child = None
        if isinstance(target, FunctionTarget):
            child = child_arn(arn, update.id, target.function_arn)
        return Facts(
            at=self._at,
            now=self._now,
            target=target,
            child_arn=child,
            trace_id=self._state.trace_id,
        )
