"""The log as this invocation knows it.

It grows with every response, and shrinks as the workflow sees the ends of operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from durable_execution_sdk.protocol.ids import execution_operation_id
from durable_execution_sdk.protocol.limits import MAX_STORED_RESULT_BYTES
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    CallbackDetails,
    ChainedInvokeDetails,
    ContextDetails,
    Operation,
    OperationStatus,
    OperationType,
    StepDetails,
    was_given_up,
)
from durable_execution_sdk.protocol.updates import (
    OperationAction,
    OperationUpdate,
    error_bytes,
    text_bytes,
)
from durable_execution_sdk.runtime.log.ids import THREAD_NAME, is_marker, late_news_id
from durable_execution_sdk.runtime.settings import Settings

_STATUS_AFTER = {
    OperationAction.START: OperationStatus.STARTED,
    OperationAction.SUCCEED: OperationStatus.SUCCEEDED,
    OperationAction.FAIL: OperationStatus.FAILED,
    OperationAction.RETRY: OperationStatus.PENDING,
    OperationAction.CANCEL: OperationStatus.CANCELLED,
}

# The name of the operation that holds a note of late news.
LATE_NEWS_NAME = "late news"


class LateNews(Struct, frozen=True):
    """The payload of a note: the end of ``late`` came after that of ``after``, which is later; its rank is ``at``."""

    late: str
    after: str
    at: float


class Journal:
    """The records of one execution's operations, by id."""

    def __init__(
        self, arn: str, operations: Iterable[Operation], updated_ids: Iterable[str] = ()
    ) -> None:
        self.arn = self.seed = arn  # random values derive from the seed
        # The ids of contexts of a fork whose payload may be a summary: see ``doubts``.
        self.in_doubt: set[str] = set()
        self.forked_at = 0.0  # the time at which a fork went on from the log of its origin
        self.updated_ids = frozenset(updated_ids)
        self._operations = {op.id: op for op in operations}
        self.execution = self._operations.pop(execution_operation_id(arn), None) or next(
            # An ARN is opaque: a service other than AWS's may choose another id.
            (op for op in self._operations.values() if op.type == OperationType.EXECUTION),
            None,
        )
        if self.execution is not None:
            self._operations.pop(self.execution.id, None)
        # True if no earlier invocation can have read the input.
        self.has_new_input = not self._operations
        self._claimed_callbacks: set[str] = set()
        # The ids of the operations whose outcome the workflow has seen, in this order, with their names, or their
        # types and subtypes if they have none.
        self._released: dict[str, str | tuple[str, str | None] | None] = {}
        # The ids of operations in the log at the start that were not asked for yet.
        self.unclaimed = set(self._operations)
        # The ranks of operations whose ends came late, by operation id, and the ids of their notes.
        self.ranks: dict[str, float] = {}
        self._notes: set[str] = set()
        self.thread_ends: dict[str, Operation] = {}  # of calls that have yet to end here
        ended = [op for op in self._operations.values() if op.status in TERMINAL_STATUSES]
        # The ids of operations whose ends an earlier invocation may have seen.
        self.old_ends = {op.id for op in ended}
        for op in ended:
            name = op.name
            if name == LATE_NEWS_NAME:
                self._take_note(op)
            elif name == THREAD_NAME:
                self.thread_ends[op.id] = op
            elif op.id[5:6] == "-" and is_marker(op.id, name):  # no other id has a dash there
                self.marked(op.id)
        # The retries, and the operations that only the ends of contexts tell (``operations.lifecycle.context_totals``);
        # the bytes that the log is known to hold; the counts of both at which to look at the quotas.
        self.hidden_operations = self.stored_bytes = 0
        self.warns_at = (math.inf, math.inf)
        # True if the log held ends at the start, besides those of notes.
        self.held_ends = bool(self.old_ends)
        # The ids of operations that were asked for and whose recorded ends are not due at once: a context whose
        # function computes its result again, a combinator whose operands have yet to end, a cancelled timer.
        self.deferred: set[str] = set()
        self.old_ends -= self.updated_ids

    @property
    def execution_id(self) -> str:
        """The id of the EXECUTION operation."""
        return execution_operation_id(self.arn) if self.execution is None else self.execution.id

    def __len__(self) -> int:
        """Count the operations, without the EXECUTION itself."""
        return len(self._operations)

    def known(self) -> Iterable[Operation]:
        """Return the records, without that of the EXECUTION itself."""
        return self._operations.values()

    def get(self, operation_id: str) -> Operation | None:
        """Return the record of this operation, without claiming it."""
        return self._operations.get(operation_id)

    @property
    def records(self) -> Mapping[str, Operation]:
        """The records by id, for claims: a call of ``get`` for each would cost more than the look."""
        return self._operations

    def is_recorded(self, operation_id: str) -> bool:
        """Return ``True`` if there is a record of this operation."""
        return operation_id in self._operations

    def missed(self, contexts: Container[str | None]) -> list[Operation]:
        """Return the records of these contexts that the log held at the start and the workflow has not claimed."""
        records = self._operations
        return [
            record
            for operation_id in self.unclaimed
            if (record := records[operation_id]).parent_id in contexts
        ]

    def settled(self, record: Operation, may_be_summary: Callable[[str], bool]) -> Operation:
        """Return the record of a context of a fork, without doubt if its payload cannot be a summary."""
        from durable_execution_sdk.runtime.log.doubts import settled  # noqa: PLC0415 - for forks only

        return settled(self, record, may_be_summary)

    def result_of(self, record: Operation, built: str) -> str:
        """Return the payload of a context, given the one that its function has built again."""
        details = record.context_details
        is_stored = record.id in self.in_doubt and text_bytes(built) <= MAX_STORED_RESULT_BYTES
        return details.result or built if is_stored and details is not None else built

    def noted(self, note_id: str, late_id: str, rank: float) -> None:
        """Note that the log holds the rank of an operation whose end came late."""
        self.ranks[late_id] = rank
        self._notes.add(note_id)

    def marked(self, marker_id: str) -> None:
        """Take note of a marker, or of the WAIT of a postponed step: no code asks for it, and no code sees its end."""
        self._notes.add(marker_id)
        self.unclaimed.discard(marker_id)
        self.old_ends.discard(marker_id)

    def _take_note(self, record: Operation) -> None:
        details = record.step_details
        try:
            news = msgspec.json.decode((details and details.result) or "", type=LateNews)
        except msgspec.DecodeError:
            return  # a step of the user's with this name
        if record.id == late_news_id(news.late):
            self.noted(record.id, news.late, news.at)
            self.unclaimed.discard(record.id)
            self.old_ends.discard(record.id)

    def claimed_callback(self, operation_id: str) -> None:
        """Note that the workflow has asked for this callback, and so has seen its id."""
        self._claimed_callbacks.add(operation_id)

    def release(self, operation_id: str) -> None:
        """Drop the record of an operation whose outcome the workflow has seen."""
        record = self._operations.pop(operation_id, None)
        self._released[operation_id] = (
            None if record is None else record.name or (record.type, record.sub_type)
        )

    def merge(self, operation: Operation) -> bool:
        """Take in an operation from a response; return ``True`` if it is news.

        A response may repeat operations that have ended. These never change.
        """
        if operation.id in self._released:
            return False
        known = self._operations.get(operation.id)
        if known is not None and (known == operation or known.status in TERMINAL_STATUSES):
            return False
        self._operations[operation.id] = operation
        return True

    def acknowledged(self, update: OperationUpdate, now: float) -> Operation:
        """Return the operation that an acknowledged update leads to, for answers that do not contain it."""
        known = self._operations.get(update.id)
        status = _STATUS_AFTER[update.action]
        attempts = (known.step_details.attempt or 0) if known and known.step_details else 0
        ended = update.action != OperationAction.START
        context = update.context_options
        replay_children = context.replay_children if context is not None else None
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
            if update.type == OperationType.CONTEXT
            else None,
            step_details=StepDetails(
                attempt=attempts + int(ended), result=update.payload, error=update.error
            )
            if update.type == OperationType.STEP
            else None,
            callback_details=CallbackDetails() if update.type == OperationType.CALLBACK else None,
            chained_invoke_details=ChainedInvokeDetails()
            if update.type == OperationType.CHAINED_INVOKE
            else None,
        )

    def held_at_start(self, stored_bytes: int, settings: Settings, claims: int) -> None:
        """Count what the log held at the start: the code has asked for all of it now, and has seen so many bytes."""
        self.stored_bytes = stored_bytes
        for record in self._operations.values():
            details = record.step_details
            if details is not None and details.attempt and record.status not in TERMINAL_STATUSES:
                self.hidden_operations += details.attempt
        self.wrote((), settings, claims)  # of no update: an earlier invocation has warned

    def wrote(self, batch: Sequence[OperationUpdate], settings: Settings, claims: int) -> None:
        """Count acknowledged updates, and log a warning when the execution has come near a quota: see ``quotas``."""
        for update in batch:
            payload = update.payload
            if payload is not None:
                self.stored_bytes += len(payload) if payload.isascii() else text_bytes(payload)
            if update.error is not None:
                self.stored_bytes += error_bytes(update.error)
            self.hidden_operations += update.action == OperationAction.RETRY
        asked = claims + self.hidden_operations
        if asked >= self.warns_at[0] or self.stored_bytes >= self.warns_at[1]:
            from durable_execution_sdk.runtime.log.quotas import next_marks  # noqa: PLC0415 - rarely needed

            self.warns_at = next_marks(settings, self.used, self.warns_at, is_news=bool(batch))

    @property
    def used(self) -> tuple[int, int]:
        """The operations and bytes that this process knows of, seen by code or not."""
        known = 1 + len(self._operations) + len(self._released)
        return known + self.hidden_operations, self.stored_bytes

    def name_of(self, operation_id: str) -> str | tuple[str, str | None] | None:
        """Return the name of an operation that the log holds or held, or else its type and subtype."""
        record = self._operations.get(operation_id)
        if record is None:
            return self._released.get(operation_id)
        return record.name or (record.type, record.sub_type)

    def released_last(self, count: int) -> list[str | tuple[str, str | None]]:
        """Return the names of so many operations whose outcome the workflow has seen last, in this order."""
        names = [name for name in list(self._released.values())[-2 * count :] if name is not None]
        return names[-count:]

    def held_ids(self) -> list[str]:
        """Return the ids of all operations that the log holds or held."""
        return [*self._operations, *self._released]

    @property
    def may_hold_unseen(self) -> bool:
        """True if the log may hold an end that is not due yet: all others have been delivered, or are in the queue."""
        return bool(self.held_ends and (self.unclaimed or self.deferred or self.thread_ends))

    def unseen_before(self, at: float) -> bool:
        """Return ``True`` if the log holds an end before this time that the workflow has not seen.

        Its operation was not asked for yet, or it is a context whose function computes its result again.
        """
        for op in self._operations.values():
            if op.id in self._notes or was_given_up(op):
                continue
            seen_at = self.ranks.get(op.id, op.end_timestamp)
            if op.type == OperationType.CALLBACK and op.id not in self._claimed_callbacks:
                seen_at = op.start_timestamp  # The workflow sees its id first.
            if seen_at is not None and seen_at < at:
                return True
        return False
