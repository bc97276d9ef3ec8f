"""What the log holds, by operation id. It grows with every response and shrinks as it is replayed."""

from __future__ import annotations

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
        # What replay has yet to ask for, and the names of contexts, by id.
        self._unclaimed = dict(self._operations)
        self._recorded: dict[str | None, int] = {}
        self._claimed_callbacks: set[str] = set()
        self._released: set[str] = set()
        for op in self._operations.values():
            self._recorded[op.parent_id] = self._recorded.get(op.parent_id, 0) + 1

    def __len__(self) -> int:
        """How many operations are known, without the EXECUTION itself."""
        return len(self._operations)

    def known(self) -> Iterable[Operation]:
        """What is known, without the EXECUTION itself."""
        return self._operations.values()

    def get(self, operation_id: str) -> Operation | None:
        """What is recorded of this operation."""
        return self._operations.get(operation_id)

    def claim(self, operation_id: str) -> Operation | None:
        """The record of the operation that the workflow has just asked for."""
        self._unclaimed.pop(operation_id, None)
        return self._operations.get(operation_id)

    def unclaimed(self) -> list[Operation]:
        """What the log held when the invocation began, and the workflow has not asked for."""
        return list(self._unclaimed.values())

    def claimed_callback(self, operation_id: str) -> None:
        """The operation that the workflow has just asked for is a callback, whose id it sees first."""
        self._claimed_callbacks.add(operation_id)

    def release(self, operation_id: str) -> None:
        """The workflow has seen the outcome, so its payload is needed no more."""
        self._released.add(operation_id)
        self._operations.pop(operation_id, None)

    def recorded_in(self, context_id: str | None) -> int:
        """How many operations of a context the log held when the invocation began."""
        return self._recorded.get(context_id, 0)

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
