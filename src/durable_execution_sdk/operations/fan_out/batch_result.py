"""The result of a map or a parallel: one entry for each item that was started, in order.

The log holds it as JSON, in which each item's result is as the item's own serdes wrote it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct, field
from msgspec.structs import replace

from durable_execution_sdk.completion import CompletionReason
from durable_execution_sdk.errors import ChildContextError, SerDesError
from durable_execution_sdk.protocol.error_object import ErrorObject, ItemFailure, item_failure
from durable_execution_sdk.runtime.error_objects import rebuild
from durable_execution_sdk.runtime.log.ids import context_prefix, operation_id
from durable_execution_sdk.serdes import (
    ENVELOPE,
    INTS,
    JsonSerDes,
    SerDes,
    SerDesContext,
    without_envelopes,
)

__all__ = [
    "NO_RESULT",
    "BatchItem",
    "BatchItemStatus",
    "BatchResult",
    "BatchSerDes",
    "Draft",
    "Entry",
    "embedded",
    "item_context",
    "joined",
    "recorded_reason",
    "split",
    "summary_of",
]

_T = TypeVar("_T")


class BatchItemStatus(StrEnum):
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
        failed = self.has_failure or _is_failure(self.completion_reason)
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
        if _is_failure(self.completion_reason):
            raise ChildContextError(
                "should_complete ended the batch as failed", error_type="BatchCompletionError"
            )

    def _with_status(self, status: BatchItemStatus) -> list[BatchItem[_T]]:
        return [item for item in self.items if item.status is status]


NO_RESULT = Raw()
"""The result of an item that has none; it is left out of the batch."""


class Entry(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """An item as the log holds it, with its result as a payload."""

    index: int
    status: BatchItemStatus
    name: str | None = None
    result: Raw = NO_RESULT
    error: ErrorObject | None = None


class Draft(Struct, frozen=True, kw_only=True):
    """A batch as the log holds it."""

    all: list[Entry]
    reason: CompletionReason = field(name="completionReason")


_INTS = INTS.encode()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode


class BatchSerDes:
    """Writes a draft, and reads it back as the ``BatchResult`` that workflow code gets.

    ``whole`` is a serdes for the ``BatchResult`` as a whole, which replaces that of this class.
    """

    takes_none = False

    def __init__(self, serdes_of: Callable[[int], SerDes[Any]], whole: SerDes[Any] | None) -> None:
        self._serdes_of = serdes_of
        self._whole = whole

    def __repr__(self) -> str:
        """Name the serdes, for messages."""
        return "the serdes of a BatchResult"

    def serialize(self, value: Draft, context: SerDesContext, /) -> str:
        """Write the batch; the items' results are payloads already and are copied."""
        if self._whole is not None:
            return self._whole.serialize(self.result_of(value, context), context)
        return _with_mark_in_front(_encode(value).decode())

    def deserialize(self, payload: str, context: SerDesContext, /) -> object:
        """Read the batch, and each result by its item's serdes."""
        if self._whole is not None:
            return self._whole.deserialize(payload, context)
        if payload.startswith(ENVELOPE):
            payload = without_envelopes(payload)
        draft = _decode(payload, type=Draft)
        if payload.startswith(INTS):
            entries = [replace(e, result=_marked(e.result)) for e in draft.all]
            draft = Draft(all=entries, reason=draft.reason)
        return self.result_of(draft, context)

    def result_of(self, draft: Draft, context: SerDesContext) -> BatchResult[object]:
        """Make the ``BatchResult`` of a draft."""
        for place, entry in enumerate(draft.all):
            if entry.index != place:
                raise SerDesError(
                    f"{context.what}: the log does not hold item {place}, but item {entry.index} in"
                    " its place"
                )
        return BatchResult(
            items=tuple(self.item(entry, context) for entry in draft.all),
            completion_reason=draft.reason,
        )

    def item(self, entry: Entry, batch: SerDesContext) -> BatchItem[Any]:
        """Make the ``BatchItem`` of an entry."""
        result: Any = None
        if entry.status is BatchItemStatus.SUCCEEDED:
            payload = bytes(entry.result)
            if payload:
                result = self._read(payload, entry, batch)
            else:
                self._check_none(entry, batch)
        return BatchItem(
            index=entry.index,
            status=entry.status,
            name=entry.name,
            result=result,
            failure=None if entry.error is None else item_failure(entry.error),
        )

    def _check_none(self, entry: Entry, batch: SerDesContext) -> None:
        serdes = self._serdes_of(entry.index)
        if not getattr(serdes, "takes_none", True):
            raise SerDesError(
                f"{batch.what}: item {entry.index} has no result in the log, and {serdes!r} does not"
                " read None"
            )

    def _read(self, payload: bytes, entry: Entry, batch: SerDesContext) -> object:
        serdes = self._serdes_of(entry.index)
        if _is_json(serdes):
            text = payload.decode()
            with suppress(SerDesError):
                return serdes.deserialize(text, batch)
        else:
            text = _decode(payload, type=str)
        # JSON needs the item's context only for its error, so it is read again with that context.
        return serdes.deserialize(text, item_context(batch, entry.index, entry.name))


def embedded(payload: str, serdes: SerDes[object]) -> Raw:
    """Return an item's payload as a part of the batch: JSON unchanged, other text as a JSON string."""
    if not _is_json(serdes):
        return Raw(_encode(payload))
    return Raw(without_envelopes(payload) if payload.startswith(ENVELOPE) else payload)


def joined(payloads: Iterable[Raw]) -> str:
    """Join the payloads of a group of items to a JSON array."""
    return _with_mark_in_front(_encode(list(payloads)).decode())


def split(payload: str) -> list[Raw]:
    """Split a JSON array into the payloads of a group of items."""
    parts = _decode(payload, type=list[Raw])
    return [_marked(part) for part in parts] if payload.startswith(INTS) else parts


def _with_mark_in_front(payload: str) -> str:
    """Put the mark for ints in front if a part has it. It is a tab, which JSON text contains nowhere else."""
    return INTS + payload if INTS in payload else payload


def _marked(payload: Raw) -> Raw:
    """Put the mark for ints in front of a part, since reading the whole has dropped it."""
    return Raw(_INTS + bytes(payload)) if bytes(payload) else payload


def item_context(batch: SerDesContext, index: int, name: str | None) -> SerDesContext:
    """Return the serdes context of an item's result, given that of its batch."""
    return SerDesContext(
        operation_id=operation_id(f"{context_prefix(batch.operation_id)}{index}"),
        operation_name=name,
        durable_execution_arn=batch.durable_execution_arn,
    )


def summary_of(draft: Draft) -> str:
    """Summarize a batch that is too large to be stored, as JSON."""
    counts = Counter(entry.status for entry in draft.all)
    failed = counts[BatchItemStatus.FAILED]
    return _encode(
        {
            "totalCount": len(draft.all),
            "successCount": counts[BatchItemStatus.SUCCEEDED],
            "failureCount": failed,
            "startedCount": counts[BatchItemStatus.STARTED],
            "completionReason": draft.reason,
            "status": BatchItemStatus.FAILED
            if failed or _is_failure(draft.reason)
            else BatchItemStatus.SUCCEEDED,
        }
    ).decode()


def recorded_reason(summary: str) -> str | None:
    """Return the reason in a batch's summary; ``None`` if the summary has none."""
    try:
        return _decode(summary, type=_Summary).reason
    except msgspec.DecodeError:
        return None


class _Summary(Struct):
    reason: str | None = field(default=None, name="completionReason")


def _is_failure(reason: CompletionReason) -> bool:
    return reason is CompletionReason.CUSTOM_COMPLETION_FAILED


def _is_json(serdes: SerDes[object]) -> bool:
    return isinstance(serdes, JsonSerDes)
