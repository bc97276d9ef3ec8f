"""The serdes of a batch: JSON, in which each item's result is as the item's own serdes wrote it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Raw, Struct, field
from msgspec.structs import replace

from durable_execution_sdk.batch_completion import CompletionReason
from durable_execution_sdk.errors import SerDesError
from durable_execution_sdk.operations.fan_out.batch_result import (
    BatchItem,
    BatchItemStatus,
    BatchResult,
    is_failure,
)
from durable_execution_sdk.protocol.error_object import ErrorObject, item_failure
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
    "BatchSerDes",
    "Draft",
    "Entry",
    "embedded",
    "is_summary",
    "item_context",
    "joined",
    "recorded_reason",
    "split",
    "summary_of",
    "totals",
]

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

    def deserialize(self, payload: str, context: SerDesContext, /) -> Any:
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

    def result_of(self, draft: Draft, context: SerDesContext) -> BatchResult[Any]:
        """Make the ``BatchResult`` of a draft."""
        items: list[BatchItem[Any]] = []
        for place, entry in enumerate(draft.all):
            if entry.index != place:
                raise SerDesError(
                    f"{context.what}: the log does not hold item {place}, but item {entry.index} in"
                    " its place"
                )
            items.append(self.item(entry, context))
        return BatchResult(items=tuple(items), completion_reason=draft.reason)

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

    def _read(self, payload: bytes, entry: Entry, batch: SerDesContext) -> Any:
        serdes = self._serdes_of(entry.index)
        if _is_json(serdes):
            text = payload.decode()
            try:
                return serdes.deserialize(text, batch)
            except SerDesError:
                pass  # read again below, for the error
        else:
            text = _decode(payload, type=str)
        # JSON needs the item's context only for its error, so it is read again with that context.
        return serdes.deserialize(text, item_context(batch, entry.index, entry.name))


def embedded(payload: str, serdes: SerDes[Any]) -> Raw:
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
    whole = "a batch" if batch.operation_name is None else repr(batch.operation_name)
    return SerDesContext(
        operation_id=operation_id(f"{context_prefix(batch.operation_id)}{index}"),
        operation_name=name,
        durable_execution_arn=batch.durable_execution_arn,
        place=f"item {index} of {whole}",
    )


def summary_of(draft: Draft) -> str:
    """Summarize a batch that is too large to be stored, as JSON."""
    return _encode(totals((entry.status for entry in draft.all), draft.reason)).decode()


def totals(statuses: Iterable[BatchItemStatus], reason: CompletionReason) -> dict[str, object]:
    """Return the members with which the summary of a batch begins."""
    counts = Counter(statuses)
    failed = counts[BatchItemStatus.FAILED]
    return {
        "totalCount": counts.total(),
        "successCount": counts[BatchItemStatus.SUCCEEDED],
        "failureCount": failed,
        "startedCount": counts[BatchItemStatus.STARTED],
        "completionReason": reason,
        "status": BatchItemStatus.FAILED
        if failed or is_failure(reason)
        else BatchItemStatus.SUCCEEDED,
    }


def is_summary(payload: str) -> bool:
    """Return ``True`` for the text of ``summary_of``, and ``False`` for a batch."""
    try:
        return _decode(payload, type=_Totals).totals is not None
    except msgspec.DecodeError:
        return False


def recorded_reason(summary: str) -> str | None:
    """Return the reason in a batch's summary; ``None`` if the summary has none."""
    try:
        return _decode(summary, type=_Summary).reason
    except msgspec.DecodeError:
        return None


class _Totals(Struct):
    totals: int | None = field(default=None, name="totalCount")


class _Summary(Struct):
    reason: str | None = field(default=None, name="completionReason")


def _is_json(serdes: SerDes[Any]) -> bool:
    return isinstance(serdes, JsonSerDes)
