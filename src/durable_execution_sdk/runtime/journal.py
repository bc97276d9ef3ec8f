"""What the log holds, by operation id. It grows with every response and shrinks as it is replayed."""

from __future__ import annotations

from collections.abc import Iterable

from durable_execution_sdk.model.ids import execution_operation_id
from durable_execution_sdk.model.operation import TERMINAL_STATUSES, Operation, OperationType


class Journal:
    """The operations of one execution, as this invocation knows them."""

    def __init__(
        self, arn: str, operations: Iterable[Operation], updated_ids: Iterable[str] = ()
    ) -> None:
        self.arn = arn
        self.updated_ids = frozenset(updated_ids)
        self._operations = {op.id: op for op in operations}
        self.execution = self._operations.pop(execution_operation_id(arn), None)
        self._recorded: dict[str | None, int] = {}
        self._claimed: set[str] = set()
        self._released: set[str] = set()
        for op in self._operations.values():
            self._recorded[op.parent_id] = self._recorded.get(op.parent_id, 0) + 1

    def __len__(self) -> int:
        """How many operations are known, without the EXECUTION itself."""
        return len(self._operations)

    def claim(self, operation_id: str) -> Operation | None:
        """What is recorded of the operation that the workflow has just asked for."""
        self._claimed.add(operation_id)
        return self._operations.get(operation_id)

    def get(self, operation_id: str) -> Operation | None:
        """What is recorded of this operation."""
        return self._operations.get(operation_id)

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

    def unseen_before(self, at: float) -> bool:
        """Whether the log holds something before this time that the workflow has yet to see.

        Nobody has asked for it yet, or it is a context whose function has to build its result again.
        """
        for op in self._operations.values():
            seen_at = op.end_timestamp
            if op.type == OperationType.CALLBACK and op.id not in self._claimed:
                seen_at = op.start_timestamp  # The workflow sees its id first.
            if seen_at is not None and seen_at < at:
                return True
        return False
