"""A durable operation of an execution, for tests to inspect."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, get_args

import msgspec

from durable_execution_sdk.engine.views.progress import OperationProgress
from durable_execution_sdk.errors import (
    CallbackError,
    CallbackExternalError,
    CallbackTimeoutError,
    ChildContextError,
    ConfigError,
    InvokeError,
    OperationError,
    StepError,
    WaitForConditionError,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationStatus,
    OperationStatusName,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.protocol.updates import split_totals
from durable_execution_sdk.rendering.family import Family
from durable_execution_sdk.rendering.payloads import json_or_text
from durable_execution_sdk.runtime.error_objects import rebuild
from durable_execution_sdk.serdes import SerDesContext, serdes_for_type

__all__ = ["RecordedOperation", "at", "at_if_any", "check_statuses", "recorded_operations"]

_T = TypeVar("_T")

_STATUSES: tuple[str, ...] = get_args(OperationStatusName)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_ERROR_CLASSES: dict[str, type[OperationError]] = {
    OperationType.STEP: StepError,
    OperationType.CALLBACK: CallbackError,
    OperationType.CHAINED_INVOKE: InvokeError,
    OperationType.CONTEXT: ChildContextError,
    OperationSubType.WAIT_FOR_CONDITION: WaitForConditionError,
    OperationSubType.WAIT_FOR_CALLBACK: CallbackError,
}


class RecordedOperation:
    """One operation of an execution, in its state when the result was taken.

    ``index`` is its position, from 0, in the order in which operations started. ``events`` are its
    events of the history.
    """

    def __init__(
        self, index: int, progress: OperationProgress, events: Sequence[HistoryEvent], arn: str
    ) -> None:
        self.index = index
        self.progress = progress
        self.events = list(events)
        self._arn = arn

    def __repr__(self) -> str:
        """Write the operation's kind, name and status."""
        return f"<{self.sub_type or self.type} {self.name or self.id!r} {self.status}>"

    @property
    def id(self) -> str:
        """The operation's id, the same on every replay."""
        return self._recorded.id

    @property
    def name(self) -> str | None:
        """The operation's name, if it has one."""
        return self._recorded.name

    @property
    def type(self) -> str:
        """One of ``STEP``, ``WAIT``, ``CALLBACK``, ``CHAINED_INVOKE`` and ``CONTEXT``."""
        return self._recorded.type

    @property
    def sub_type(self) -> str | None:
        """The kind of the SDK's operation: ``Step``, ``Map``, ``WaitForCallback`` ..."""
        return self._recorded.sub_type

    @property
    def parent_id(self) -> str | None:
        """The id of the enclosing context; ``None`` for the workflow's own."""
        return self._recorded.parent_id

    @property
    def status(self) -> str:
        """``STARTED``, ``PENDING``, ``READY``, or the status that it ended with."""
        return self._recorded.status

    @property
    def succeeded(self) -> bool:
        """True if the operation has succeeded."""
        return self.status == OperationStatus.SUCCEEDED

    @property
    def is_done(self) -> bool:
        """True if the operation has ended, successfully or not."""
        return self._recorded.end_timestamp is not None

    @property
    def started_at(self) -> datetime | None:
        """The time of its start, on the runner's clock."""
        return at_if_any(self._recorded.start_timestamp)

    @property
    def ended_at(self) -> datetime | None:
        """The time of its end, on the runner's clock; ``None`` if it has not ended."""
        return at_if_any(self._recorded.end_timestamp)

    @property
    def duration(self) -> timedelta | None:
        """The time from its start to its end; ``None`` if it has not ended."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at

    @property
    def attempt(self) -> int | None:
        """Of a step: the number, from 1, of the current, the next or the last attempt."""
        return self.progress.attempt

    @property
    def callback_id(self) -> str | None:
        """Of a callback: the id that external systems answer to."""
        details = self._recorded.callback_details
        return None if details is None else details.callback_id

    @property
    def replays_children(self) -> bool:
        """Of a context: true if its result was too large to record, so that replay runs its function."""
        details = self._recorded.context_details
        return details is not None and bool(details.replay_children)

    @property
    def payload(self) -> str | None:
        """The recorded text of its result: JSON, unless a custom serdes wrote it."""
        for details in self._details():
            text = getattr(details, "result", None)
            if isinstance(text, str):
                is_context = self._recorded.context_details is not None
                return split_totals(text)[0] if is_context else text
        return None

    @property
    def result(self) -> Any:
        """Its result as plain JSON values; ``result_as`` converts it to a type."""
        return json_or_text(self.payload)

    def result_as(self, kind: builtins.type[_T]) -> _T:
        """Its result as a value of this type."""
        context = SerDesContext(
            operation_id=self.id, operation_name=self.name, durable_execution_arn=self._arn
        )
        value: _T = serdes_for_type(kind).deserialize(self.payload or "null", context)
        return value

    @property
    def error_object(self) -> ErrorObject | None:
        """The recorded error; of a step that is retried, that of its last attempt."""
        for details in self._details():
            error = getattr(details, "error", None)
            if isinstance(error, ErrorObject):
                return error
        return None

    @property
    def error(self) -> OperationError | None:
        """The exception that awaiting it raises: an instance of the SDK's and of the original class."""
        error = self.error_object
        if error is None:
            return None
        return rebuild(
            self._error_class(),
            error,
            foreign=self.type == OperationType.CALLBACK,
            operation_id=self.id,
            operation_name=self.name,
        )

    @property
    def _recorded(self) -> Operation:
        return self.progress.operation

    def _details(self) -> list[msgspec.Struct]:
        recorded = self._recorded
        return [
            details
            for name in recorded.__struct_fields__
            if isinstance(details := getattr(recorded, name), msgspec.Struct)
        ]

    def _error_class(self) -> builtins.type[OperationError]:
        if self.type == OperationType.CALLBACK:
            timed_out = self.status == OperationStatus.TIMED_OUT
            return CallbackTimeoutError if timed_out else CallbackExternalError
        by_sub_type = _ERROR_CLASSES.get(self.sub_type or "")
        return by_sub_type or _ERROR_CLASSES.get(self.type, OperationError)


def at(milliseconds: float) -> datetime:
    """Convert a time of the log to a ``datetime`` in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def at_if_any(milliseconds: float | None) -> datetime | None:
    """Convert a time of the log, or ``None``."""
    return None if milliseconds is None else at(milliseconds)


def recorded_operations(family: Family, history: Sequence[HistoryEvent]) -> list[RecordedOperation]:
    """Return the operations of an execution in the order in which they started, each with its events."""
    events: dict[object, list[HistoryEvent]] = {}
    for event in history:
        events.setdefault(event.id, []).append(event)
    return [
        RecordedOperation(
            index, progress, events.get(progress.operation.id, ()), family.execution.arn
        )
        for index, progress in enumerate(family.execution.operations)
    ]


def check_statuses(statuses: Iterable[str]) -> None:
    """Raise ``ConfigError`` for a status that no operation can have."""
    for status in statuses:
        if status not in _STATUSES:
            raise ConfigError(
                f"an operation has no status {status!r}; it may be {', '.join(_STATUSES)}"
            )
