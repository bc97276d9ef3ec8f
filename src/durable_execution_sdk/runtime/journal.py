"""What the log holds, by operation id, and how far replay has come in it.

It grows with every response and shrinks as it is replayed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from durable_execution_sdk.model.ids import execution_operation_id
from durable_execution_sdk.model.operation import (
    TERMINAL_STATUSES,
    CallbackDetails,
    ChainedInvokeDetails,
    ContextDetails,
    Operation,
    OperationStatus,
    OperationType,
    StepDetails,
)
from durable_execution_sdk.model.update import OperationAction, OperationUpdate

_STATUS_AFTER = {
    OperationAction.START: OperationStatus.STARTED,
    OperationAction.SUCCEED: OperationStatus.SUCCEEDED,
    OperationAction.FAIL: OperationStatus.FAILED,
    OperationAction.RETRY: OperationStatus.PENDING,
    OperationAction.CANCEL: OperationStatus.CANCELLED,
}


class Journal:
    """The operations of one execution, as this invocation knows them."""

    def __init__(
        self, arn: str, operations: Iterable[Operation], updated_ids: Iterable[str] = ()
    ) -> None:
        self.arn = arn
        self.updated_ids = frozenset(updated_ids)
        self._operations = {op.id: op for op in operations}
        self.execution = self._operations.pop(execution_operation_id(arn), None)
        self._claimed_callbacks: set[str] = set()
        self._released: set[str] = set()
        # What the log held when the invocation began: the operations that nobody has asked for yet,
        # those that had ended, and when the last one did.
        self.unclaimed = set(self._operations)
        self.recorded_ends: set[str] = set()
        self.last_end = -math.inf
        for op in self._operations.values():
            if op.status in TERMINAL_STATUSES:
                self.recorded_ends.add(op.id)
                self.last_end = max(self.last_end, op.end_timestamp or self.last_end)

    def __len__(self) -> int:
        """How many operations are known, without the EXECUTION itself."""
        return len(self._operations)

    def known(self) -> Iterable[Operation]:
        """What is known, without the EXECUTION itself."""
        return self._operations.values()

    def get(self, operation_id: str) -> Operation | None:
        """What is recorded of this operation."""
        return self._operations.get(operation_id)

    def is_recorded(self, operation_id: str) -> bool:
        """Whether anything is known of this operation."""
        return operation_id in self._operations

    def claim(self, operation_id: str) -> Operation | None:
        """What is recorded of the operation that the workflow has just asked for."""
        record = self._operations.get(operation_id)
        if record is not None:
            self.unclaimed.discard(operation_id)
        return record

    def claimed_callback(self, operation_id: str) -> None:
        """The operation that the workflow has just asked for is a callback, whose id it sees first."""
        self._claimed_callbacks.add(operation_id)

    def release(self, operation_id: str) -> None:
        """The workflow has seen the outcome, so its payload is needed no more."""
        self._released.add(operation_id)
        self._operations.pop(operation_id, None)

    def merge(self, operation: Operation) -> bool:
        """Take in what a response says; returns whether it is news.

        A response may repeat what was delivered before: a settled operation never changes.
        """
        if operation.id in self._released:
            return False
        known = self._operations.get(operation.id)
        if known is not None and (known == operation or known.status in TERMINAL_STATUSES):
            return False
        self._operations[operation.id] = operation
        return True

    def acknowledged(self, update: OperationUpdate, now: float) -> Operation:
        """The operation that an update leaves behind, when the answer to it does not tell."""
        known = self._operations.get(update.id)
        status = _STATUS_AFTER[update.action]
        attempts = (known.step_details.attempt or 0) if known and known.step_details else 0
        ended = update.action is not OperationAction.START
        replay_children = (
            update.context_options.replay_children if update.context_options is not None else None
        )
        return Operation(
            id=update.id,
            type=update.type,
            status=status,
            start_timestamp=known.start_timestamp if known else now,
            end_timestamp=now if status in TERMINAL_STATUSES else None,
            parent_id=update.parent_id,
            name=update.name,
            sub_type=update.sub_type,
            context_details=ContextDetails(
                result=update.payload, error=update.error, replay_children=replay_children
            )
            if update.type is OperationType.CONTEXT
            else None,
            step_details=StepDetails(
                attempt=attempts + int(ended), result=update.payload, error=update.error
            )
            if update.type is OperationType.STEP
            else None,
            callback_details=CallbackDetails() if update.type is OperationType.CALLBACK else None,
            chained_invoke_details=ChainedInvokeDetails()
            if update.type is OperationType.CHAINED_INVOKE
            else None,
        )

    def unseen_before(self, at: float) -> bool:
        """Whether the log holds something before this time that the workflow has yet to see.

        Nobody has asked for it yet, or it is a context whose function has to build its result again.
        """
        for op in self._operations.values():
            seen_at = op.end_timestamp
            if op.type == OperationType.CALLBACK and op.id not in self._claimed_callbacks:
                seen_at = op.start_timestamp  # The workflow sees its id first.
            if seen_at is not None and seen_at < at:
                return True
        return False


class Position:
    """How far replay has come: the one rule that logs, ``ctx.is_replaying`` and observers share.

    Completions are delivered one after the other, so an execution has one position; each scope has one
    of its own for what it claims. A point of workflow code is new, so that no earlier invocation is known
    to have passed it:

    - if the log was empty when the invocation began;
    - once a completion was delivered that the log did not hold then, or that came while the execution
      was suspended (``UpdatedOperationIds``);
    - once its scope, or one that made it, has claimed an operation that the log did not hold
      (``Scope.is_replaying``).

    After an invocation that was cut, the log may hold ends that its code never saw. What is certain then
    is this: code that was passed before an operation was asked for has run if the log holds that operation.
    So a point is old as long as a recorded operation has yet to be asked for, and new at the latest
    when the last recorded end is delivered: around a crash lines come twice rather than never. If the
    service has news already when it invokes again, the event looks like that of an execution that was
    suspended, and is taken for one.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        # Whether what no earlier invocation can have passed is reached: it stays so.
        self.has_news = len(journal) == 0
        # The service invokes a suspended execution when something has changed, and says what.
        self.was_cut = not any(map(journal.is_recorded, journal.updated_ids))

    @property
    def is_new(self) -> bool:
        """Whether the workflow has come further than any earlier invocation is known to have."""
        return self.has_news or (self.was_cut and not self._journal.unclaimed)

    def delivered(self, operation_id: str, at: float) -> None:
        """The workflow is about to see this operation end."""
        journal = self._journal
        self.has_news = (
            operation_id not in journal.recorded_ends
            or operation_id in journal.updated_ids
            or (self.was_cut and at >= journal.last_end)
        )
