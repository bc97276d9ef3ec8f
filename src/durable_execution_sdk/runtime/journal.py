"""What the log holds, by operation id. It grows with every response and shrinks as it is replayed."""

from __future__ import annotations

from collections.abc import Iterable

from durable_execution_sdk.model.ids import execution_operation_id
from durable_execution_sdk.model.operation import TERMINAL_STATUSES, Operation


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
        self._operations.pop(operation_id, None)

    def recorded_in(self, context_id: str | None) -> int:
        """How many operations of a context the log held when the invocation began."""
        return self._recorded.get(context_id, 0)

    def merge(self, operation: Operation) -> bool:
        """Take in what a response says; returns whether it is news.

        A response may repeat what was delivered before: a settled operation never changes.
        """
        known = self._operations.get(operation.id)
        if known is not None and (known == operation or known.status in TERMINAL_STATUSES):
            return False
        self._operations[operation.id] = operation
        return True

    def unclaimed_before(self, end: float) -> bool:
        """Whether the log holds a completion before ``end`` that nobody has asked for yet."""
        return any(
            op.end_timestamp is not None and op.end_timestamp < end and op.id not in self._claimed
            for op in self._operations.values()
        )
