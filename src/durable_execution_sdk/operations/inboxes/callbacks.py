"""The operations of an inbox: the callback of each message, and the STEP that closes it."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from msgspec.structs import replace

from durable_execution_sdk.errors import (
    InboxMessageError,
    InternalError,
    OperationError,
    SerDesError,
)
from durable_execution_sdk.operations.inboxes.reader import ENVELOPES, MessageReader
from durable_execution_sdk.operations.lifecycle import DurableOperation
from durable_execution_sdk.ports import EXPECTED_ANSWERS
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.inboxes import CLOSED, Envelope, message_name
from durable_execution_sdk.protocol.operations import (
    OPEN_STATUSES,
    Operation,
    OperationStatus,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.protocol.updates import CallbackOptions, OperationAction
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.serdes import SerDesContext, ValueContext

__all__ = ["Closing", "Line", "Slot"]


class Line:
    """The queue of an inbox, as its operations see it."""

    name: str
    reader: MessageReader[Any]

    def waits_for(self, number: int) -> bool:
        """Return ``True`` if a task waits for the message with this number."""
        raise NotImplementedError

    def mark(self) -> None:
        """Let the callback of the next message count as pending while a task waits for it."""
        raise NotImplementedError

    def arrived(self, slot: Slot) -> None:
        """Take in a message that was delivered."""
        raise NotImplementedError

    def closed(self) -> None:
        """Take no more messages."""
        raise NotImplementedError


class Slot(DurableOperation[None]):
    """The callback of one message."""

    __slots__ = ("_queue", "content", "number")

    kind = OperationType.CALLBACK
    error_class: ClassVar[type[OperationError]] = InboxMessageError
    is_from_outside: ClassVar[bool] = True

    def __init__(self, scope: IdScope, queue: Line, number: int) -> None:
        self._queue = queue
        self.number = number
        # Its message, once that was delivered.
        self.content: Envelope | OperationError | None = None
        super().__init__(scope, message_name(queue.name, number), OperationSubType.CALLBACK)
        self.run.journal.claimed_callback(self.operation_id)
        if self.is_void:
            return
        if self.record is None:
            start = self.update(OperationAction.START)
            self.leave_behind(replace(start, callback_options=CallbackOptions()))
        else:
            self.observe(self.record)

    @property
    def is_awaited(self) -> bool:
        """True if a task waits for this message."""
        return self._queue.waits_for(self.number)

    @property
    def is_idle(self) -> bool:
        """True if the invocation need not wait for it: no task does."""
        return not self.is_awaited

    @property
    def awaited_type(self) -> str | None:
        """The name of the type of its payload, if the inbox has one, for tools."""
        return self._queue.reader.awaited_type

    @property
    def awaited_kind(self) -> object:
        """The type of its payload; ``None`` too if middleware may read a payload that this type does not."""
        return None if self.run.settings.middleware else self._queue.reader.awaited_kind

    def advance(self, record: Operation) -> None:
        """Begin to wait for the message, if a task does."""
        details = record.callback_details
        if details is None or not details.callback_id:
            error = InternalError(f"the service recorded {self.label} without giving it an id")
            self.run.fail(error)
        elif self.awaited_kind is not None:
            check = partial(self._queue.reader.check, self.number)
            EXPECTED_ANSWERS.expect(details.callback_id, check)
        self._queue.mark()

    def mark(self, *, is_awaited: bool) -> None:
        """Count as pending while a task waits for the message and the callback exists."""
        record = self.record
        if not is_awaited or record is None or record.status not in OPEN_STATUSES or self.is_void:
            self.is_pending = False
        elif not self.is_pending:
            self.pend()

    def settle(self) -> None:
        """Hand the message to the queue."""
        super().settle()
        self._queue.arrived(self)

    def outcome(self) -> None:
        """Read the envelope of the message. The handle has no value, since no code sees it."""
        record = self.record
        assert record is not None
        self.count(record)
        details = record.callback_details
        try:
            if record.status != OperationStatus.SUCCEEDED:
                raise self._refused(record)
            self.content = self.decode_foreign(ENVELOPES, details.result if details else None)
        except OperationError as error:
            self.content = error

    def recorded_error(self, record: Operation) -> ErrorObject | None:
        """Return the error object of a failure."""
        return record.callback_details.error if record.callback_details else None

    def unreadable(self, error: SerDesError, *, tells_cure: bool = True) -> Exception:
        """Return the error of a message that has no envelope."""
        return self.message_error(str(error))

    def message_error(self, text: str) -> InboxMessageError:
        """Return the error that ``get`` raises in place of the message."""
        origin = {"inbox": self._queue.name, "number": self.number}
        recorded = ErrorObject(error_type=InboxMessageError.__name__, error_message=text)
        built = self.rebuilt(recorded, InboxMessageError, foreign=True, **origin)
        assert isinstance(built, InboxMessageError)
        return built

    def _serdes_context(self) -> SerDesContext:
        subject = f"message {self.number} of the inbox {self._queue.name!r}"
        return ValueContext(operation_id=self.operation_id, subject=subject)

    def _refused(self, record: Operation) -> InboxMessageError:
        error = self.recorded_error(record) or ErrorObject()
        reason = ": ".join(part for part in (error.error_type, error.error_message) if part)
        return self.message_error(
            f"message {self.number} of the inbox {self._queue.name!r}: expected a message, and found that its callback"
            f" is {record.status}{f' ({reason})' if reason else ''}. Send messages with client.send or `durable send`,"
            " and do not answer the callbacks of an inbox"
        )

    def _absent(self, serdes: object) -> None:
        raise self.message_error(
            f"message {self.number} of the inbox {self._queue.name!r}: expected a message, and found an answer without"
            " a result"
        )


class Closing(DurableOperation[None]):
    """The STEP that closes an inbox. Messages that were accepted before its end are delivered before it."""

    __slots__ = ("_is_sent", "_queue")

    kind = OperationType.STEP

    def __init__(self, scope: IdScope, queue: Line) -> None:
        self._queue = queue
        self._is_sent = False
        super().__init__(scope, message_name(queue.name, CLOSED), OperationSubType.STEP)
        if self.is_void:
            return
        if self.record is None:
            self.leave_behind(self.update(OperationAction.START))
            self._send()
        else:
            self.observe(self.record)

    def advance(self, record: Operation) -> None:
        """Record the end, if an earlier invocation could only record the start."""
        if not self._is_sent:
            self._send()

    def settle(self) -> None:
        """Close the queue."""
        super().settle()
        self._queue.closed()

    def outcome(self) -> None:
        """Return nothing, but count the record for ``ctx.budget``."""
        if self.record is not None:
            self.count(self.record)

    def recorded_error(self, record: Operation) -> ErrorObject | None:
        """Return ``None``: closing an inbox does not fail."""
        return None

    def _send(self) -> None:
        self._is_sent = True
        self.submit(self.update(OperationAction.SUCCEED, payload="null"))
