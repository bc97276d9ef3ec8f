"""The result of a map or a parallel: one entry for each item that was started, in order.

``batch_serdes`` writes it into the log and reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Generic, TypeVar

from msgspec import Struct, field

from durable_execution_sdk.batch_completion import CompletionReason
from durable_execution_sdk.errors import ChildContextError
from durable_execution_sdk.first_use import OptionEnum
from durable_execution_sdk.protocol.error_object import ItemFailure
from durable_execution_sdk.runtime.error_objects import rebuild

__all__ = ["BatchItem", "BatchItemStatus", "BatchResult", "is_failure"]

_T = TypeVar("_T")


class BatchItemStatus(StrEnum, metaclass=OptionEnum):
    """The state of an item. ``STARTED``: it was cancelled, because the batch was decided without it."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    STARTED = "STARTED"


class BatchItem(Struct, Generic[_T], frozen=True, kw_only=True, omit_defaults=True):
    """The outcome of one item of a map, or of one branch of a parallel.

    ``name`` is the name from an ``item_namer`` or from the mapping of branches. ``failure`` is the recorded
    error. One that came in a value from outside, such as another function's result, has no class.
    """

    index: int
    status: BatchItemStatus
    name: str | None = None
    result: _T | None = None
    failure: ItemFailure | None = field(default=None, name="error")

    @property
    def error(self) -> ChildContextError | None:
        """The exception of a failed item, also an instance of the class that the item raised; else ``None``."""
        if self.status is not BatchItemStatus.FAILED:
            return None
        return rebuild(
            ChildContextError,
            self.failure,
            foreign=self.failure is not None and self.failure.is_foreign,
            operation_id=None,
            operation_name=self.name,
        )


class BatchResult(Struct, Generic[_T], frozen=True, kw_only=True):
    """The outcomes of all items that were started, in the order of the items.

    Items that were never started, because the batch was decided before, are not in it. It is plain data: a
    step, a child context or the handler may return it.
    """

    items: tuple[BatchItem[_T], ...] = field(name="all")
    completion_reason: CompletionReason = field(name="completionReason")

    def __iter__(self) -> Iterator[BatchItem[_T]]:
        """Iterate over the items, in order."""
        return iter(self.items)

    def __len__(self) -> int:
        """Count the items that were started."""
        return len(self.items)

    def __bool__(self) -> bool:
        """Return ``True``, even for a batch without items."""
        return True

    def succeeded(self) -> list[BatchItem[_T]]:
        """Return the items that succeeded."""
        return self._with_status(BatchItemStatus.SUCCEEDED)

    def failed(self) -> list[BatchItem[_T]]:
        """Return the items that failed."""
        return self._with_status(BatchItemStatus.FAILED)

    def started(self) -> list[BatchItem[_T]]:
        """Return the items that were cancelled, because the batch was decided without them."""
        return self._with_status(BatchItemStatus.STARTED)

    def results(self) -> list[_T]:
        """Return the results of the items that succeeded."""
        results: list[Any] = [item.result for item in self.succeeded()]
        return results

    def errors(self) -> list[ChildContextError]:
        """Return the exceptions of the items that failed."""
        return [item.error for item in self.items if item.error is not None]

    @property
    def success_count(self) -> int:
        """The number of items that succeeded."""
        return len(self.succeeded())

    @property
    def failure_count(self) -> int:
        """The number of items that failed."""
        return len(self.failed())

    @property
    def started_count(self) -> int:
        """The number of items that were cancelled."""
        return len(self.started())

    @property
    def total_count(self) -> int:
        """The number of items that were started, with any outcome."""
        return len(self.items)

    @property
    def has_failure(self) -> bool:
        """True if an item failed."""
        return any(item.status is BatchItemStatus.FAILED for item in self.items)

    @property
    def status(self) -> BatchItemStatus:
        """``FAILED`` if an item failed, tolerated or not, or ``should_complete`` ended the batch as failed."""
        failed = self.has_failure or is_failure(self.completion_reason)
        return BatchItemStatus.FAILED if failed else BatchItemStatus.SUCCEEDED

    def throw_if_error(self) -> None:
        """Raise the exception of the failed item, or an ``ExceptionGroup`` if several have failed.

        If no item failed but ``should_complete`` ended the batch as failed, raise a ``ChildContextError`` of
        type ``BatchCompletionError``. Otherwise do nothing.
        """
        errors = self.errors()
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup(f"{len(errors)} of {self.total_count} items failed", errors)
        if is_failure(self.completion_reason):
            raise ChildContextError(
                "should_complete ended the batch as failed", error_type="BatchCompletionError"
            )

    def _with_status(self, status: BatchItemStatus) -> list[BatchItem[_T]]:
        return [item for item in self.items if item.status is status]


def is_failure(reason: CompletionReason) -> bool:
    """Return ``True`` if ``should_complete`` ended the batch as failed."""
    return reason is CompletionReason.CUSTOM_COMPLETION_FAILED
