"""The base class of all operations: it claims the id, checks the record and takes the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from durable_execution_sdk.errors import DeterminismError, InvocationError
from durable_execution_sdk.operations.lifecycle.payloads import PayloadOperation
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import (
    OPEN_STATUSES,
    TERMINAL_STATUSES,
    Operation,
    OperationStatus,
    OperationSubTypeName,
    label_of,
    was_given_up,
)
from durable_execution_sdk.protocol.updates import (
    OperationActionName,
    OperationUpdate,
)
from durable_execution_sdk.runtime.completions.completion import Completion, Dropped
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.verdicts import Abort

__all__ = ["SUCCEEDED", "DurableOperation"]

_T = TypeVar("_T")

# Methods of the base class; to call them by these names is quicker than through ``super()``.
_claim: Callable[..., None] = Completion.__init__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_set_result = asyncio.Future[Any].set_result

_FAILED = OperationStatus.FAILED
SUCCEEDED = OperationStatus.SUCCEEDED


class DurableOperation(PayloadOperation[_T]):
    """One operation of a workflow: its record in the log, and the handle that workflow code awaits."""

    __slots__ = (
        "context_state",
        "due_at",
        "is_pending",
        "is_void",
        "record",
        "was_over",
    )

    def __init__(self, scope: IdScope, name: str | None, sub_type: OperationSubTypeName) -> None:
        self.context_state = context_state = scope.context_state
        self.run = run = context_state.run
        self.operation_id = operation_id = scope.next_id()
        self.name = name
        self.sub_type: OperationSubTypeName = sub_type
        self.is_pending = False
        # True if the log held its end when it was asked for: no more news will come.
        self.was_over = False
        # True if it may do nothing: its context is over, in this invocation or, if rebuilt, in the log.
        self.is_void = False
        _claim(self, run.completions, scope.place + scope.claimed)
        if context_state.is_closed or run.is_ending:
            self.record: Operation | None = None
            self.is_void = True
            run.turn_down(self)
            return
        self.record = record = run.claim(self)
        if record is not None and not (
            record.type == self.kind
            and record.sub_type == sub_type
            and record.name == name
            and record.parent_id == context_state.parent_id
        ):
            raise self._diverges(record, scope)
        context_state.unsettled[self.sequence] = self
        if record is None:
            if context_state.is_rebuilt:
                self.is_void = True
                return
            scope.has_news = True
            if run.gate is not None:
                run.position.found_cut()
        else:
            if record.status in TERMINAL_STATUSES:
                self.was_over = True
                if run.reporter is not None:
                    run.reporter.claimed(operation_id)
                return
            if record.status not in OPEN_STATUSES:
                self.is_void = True
                self._stop_at_unknown(record)
                return
            if context_state.is_rebuilt:
                self.is_void = True
                return
        if run.reporter is not None:
            run.reporter.claimed(operation_id)
        run.registered[operation_id] = self

    @property
    def label(self) -> str:
        """The name of the operation, in messages."""
        return label_of(self.kind, self.sub_type, self.name)

    def observe(self, record: Operation) -> None:
        """Take in a change of this operation's record."""
        self.record = record
        if self.is_done:
            dropped = self.run.unsettled.dropped.get(self.operation_id)
            if dropped is not None and record.status in TERMINAL_STATUSES:
                dropped.observe(record)
            self.see_too_late(record)
            return
        if record.status in TERMINAL_STATUSES:
            self.is_pending = False
            self.complete(record)
        elif record.status in OPEN_STATUSES:
            self.advance(record)
        else:
            self._stop_at_unknown(record)

    def _stop_at_unknown(self, record: Operation) -> None:
        """End the invocation because the record has a status that this version does not know."""
        error = InvocationError(
            f"the service says that {self.label} is {record.status!r}, which is no status that this"
            " version of durable-execution-sdk knows: deploy a newer one. Until then Lambda invokes"
            " again, and nothing is lost"
        )
        self.run.end(Abort(error, fatal=False))

    def advance(self, record: Operation) -> None:
        """Act on a record with an open status."""
        raise NotImplementedError

    def pend(self, due_at: float | None = None) -> None:
        """Mark the operation as pending: the service will end it, at ``due_at`` (milliseconds) if known."""
        self.is_pending = True
        self.due_at = due_at
        self.run.expect(due_at)

    def defer(self) -> None:
        """Note that the log holds the end of this operation, and that ``complete`` is called later, not in the call."""
        self.run.journal.deferred.add(self.operation_id)

    def complete(self, record: Operation) -> None:
        """Queue the completion, because the log holds the end of this operation.

        An end by which the workflow gave it up is never delivered; on replay only the code's own cancellation
        ends the operation.
        """
        if record.status == _FAILED and was_given_up(record):
            self.run.given_up[self.operation_id] = self
            return
        self.run.journal.deferred.discard(self.operation_id)
        self.become_due(record.end_timestamp or self.run.completions.now)

    def settle(self) -> None:
        """Take the outcome from the log and leave the registers; called in this completion's turn."""
        # As the base class does, and ``_leave`` below: calls that each replayed operation would make.
        if not self.is_done:
            try:
                _set_result(self.handle, self.outcome())
            except Exception as error:
                self.set_exception(error)
            self.is_done = True
            if self._waiters is not None or self._watcher is not None:
                self._tell()
            else:
                del self.handle
        self.is_pending = False
        self.context_state.unsettled.pop(self.sequence, None)
        if not self.was_over:
            self.run.registered.pop(self.operation_id, None)
        self.run.journal.release(self.operation_id)

    def drop(self, msg: Any | None = None) -> bool:
        """End the handle: it records nothing more, and the tasks that await it are cancelled."""
        dropped = super().drop(msg)
        if dropped:
            self.run.given_up.pop(self.operation_id, None)
            may_end = self.is_pending or self.has_end_under_way or self.has_yet_to_fail
            if may_end and self.run.verdict is None:
                self.run.unsettled.dropped[self.operation_id] = Dropped(self)
            if self.has_yet_to_fail:
                self.is_pending = False
                self.context_state.unsettled.pop(self.sequence, None)
            else:
                self._leave()
        return dropped

    @property
    def has_end_under_way(self) -> bool:
        """True if its end is on its way into the log, and so may get the time of a completion that was delivered."""
        return False

    @property
    def has_yet_to_fail(self) -> bool:
        """True if it was given up and the service does not accept its FAIL yet."""
        return False

    def see_too_late(self, record: Operation) -> None:
        """Take in a change of the record after the handle has ended."""

    def outcome(self) -> _T:
        """Return the recorded value, or raise the recorded failure; count it for ``ctx.budget``."""
        record = self.record
        assert record is not None
        self.count(record)
        if record.status == SUCCEEDED:
            return self.value(record)
        raise self.failure(record)

    def value(self, record: Operation) -> _T:
        """Return the value of a success."""
        raise NotImplementedError

    def failure(self, record: Operation) -> BaseException:
        """Return the exception for a failure."""
        return self.rebuilt(self.recorded_error(record), foreign=self.is_from_outside)

    def recorded_error(self, record: Operation) -> ErrorObject | None:
        """Return the error object of a failure."""
        raise NotImplementedError

    def update(
        self,
        action: OperationActionName,
        payload: str | None = None,
        error: ErrorObject | None = None,
    ) -> OperationUpdate:
        """Make an update of this operation; options are added with ``msgspec.structs.replace``."""
        return OperationUpdate(
            id=self.operation_id,
            type=self.kind,
            action=action,
            parent_id=self.context_state.parent_id,
            name=self.name,
            sub_type=self.sub_type,
            payload=payload,
            error=error,
        )

    def submit(self, update: OperationUpdate) -> None:
        """Record an update of this operation, unless it was given up."""
        if not (self.is_void or self.context_state.is_closed or self.is_cancelled):
            self.run.submit(update)

    def leave_behind(self, update: OperationUpdate) -> None:
        """Record an update that causes no call of its own, unless the operation was given up."""
        if not (self.is_void or self.context_state.is_closed or self.is_cancelled):
            self.run.leave_behind(update)

    def _leave(self) -> None:
        self.is_pending = False
        self.context_state.unsettled.pop(self.sequence, None)
        run = self.run
        if not self.was_over:
            run.registered.pop(self.operation_id, None)
        run.journal.release(self.operation_id)

    def _diverges(self, record: Operation, scope: IdScope) -> DeterminismError:
        """Fail the execution, as the record at this place is of another type, subtype, name or parent (law 7)."""
        from durable_execution_sdk.runtime.contexts.mismatch import mismatch  # noqa: PLC0415 - only for errors

        asked = Operation(
            id=record.id,
            type=self.kind,
            status=record.status,
            parent_id=self.context_state.parent_id,
            name=self.name,
            sub_type=self.sub_type,
        )
        error = mismatch(scope, record, asked)
        self.run.fail(error)
        return error
