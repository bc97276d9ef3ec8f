"""One durable operation, as a test looks at it."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from durable_execution_sdk.engine.views.progress import OperationProgress
from durable_execution_sdk.errors import (
    CallbackError,
    CallbackExternalError,
    CallbackTimeoutError,
    ChildContextError,
    InvokeError,
    OperationError,
    StepError,
    WaitForConditionError,
)
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.history import HistoryEvent
from durable_execution_sdk.model.operation import (
    Operation,
    OperationStatus,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.runtime.failure import rebuild
from durable_execution_sdk.serdes import SerDesContext, serdes_for_type

__all__ = ["RecordedOperation", "at", "at_if_any", "loosely"]

_T = TypeVar("_T")

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
    """One operation of an execution, as it stood when the result was taken.

    ``index`` is its place among the execution's operations, from 0, in the order in which they
    started; ``attempt`` of a step counts from 1; ``events`` are those of the history that are about
    it.
    """

    def __init__(
        self, index: int, progress: OperationProgress, events: Sequence[HistoryEvent], arn: str
    ) -> None:
        self.index = index
        self.progress = progress
        self.events = list(events)
        self._arn = arn

    def __repr__(self) -> str:
        """Which operation, and how it stands."""
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
        """What made it: ``Step``, ``Map``, ``WaitForCallback`` ..."""
        return self._recorded.sub_type

    @property
    def parent_id(self) -> str | None:
        """The id of the context that it is in; ``None`` for the workflow's own."""
        return self._recorded.parent_id

    @property
    def status(self) -> str:
        """Where it is: ``STARTED``, ``PENDING``, ``READY``, or how it ended."""
        return self._recorded.status

    @property
    def succeeded(self) -> bool:
        """Whether it has succeeded."""
        return self.status == OperationStatus.SUCCEEDED

    @property
    def is_done(self) -> bool:
        """Whether it has ended, however it ended."""
        return self._recorded.end_timestamp is not None

    @property
    def started_at(self) -> datetime | None:
        """When it started, on the runner's clock."""
        return at_if_any(self._recorded.start_timestamp)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, on the runner's clock."""
        return at_if_any(self._recorded.end_timestamp)

    @property
    def duration(self) -> timedelta | None:
        """How long it took, if it has ended."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at

    @property
    def attempt(self) -> int | None:
        """Of a step: which attempt runs, comes next, or was the last, from 1."""
        return self.progress.attempt

    @property
    def callback_id(self) -> str | None:
        """Of a callback: the id that external systems answer to."""
        details = self._recorded.callback_details
        return None if details is None else details.callback_id

    @property
    def replays_children(self) -> bool:
        """Of a context: whether its result was too large, and its function runs again on replay."""
        details = self._recorded.context_details
        return details is not None and bool(details.replay_children)

    @property
    def payload(self) -> str | None:
        """Its result as it is recorded: text, JSON unless a serdes of yours writes otherwise."""
        for details in self._details():
            found = getattr(details, "result", None)
            if isinstance(found, str):
                return found
        return None

    @property
    def result(self) -> Any:
        """Its result as plain JSON values; ``result_as`` gives it a type."""
        return loosely(self.payload)

    def result_as(self, kind: builtins.type[_T]) -> _T:
        """Its result as a value of this type."""
        context = SerDesContext(
            operation_id=self.id, operation_name=self.name, durable_execution_arn=self._arn
        )
        value: _T = serdes_for_type(kind).deserialize(self.payload or "null", context)
        return value

    @property
    def error_object(self) -> ErrorObject | None:
        """The error as it is recorded; of a step that goes on, that of its last attempt."""
        for details in self._details():
            found = getattr(details, "error", None)
            if isinstance(found, ErrorObject):
                return found
        return None

    @property
    def error(self) -> OperationError | None:
        """The exception that awaiting it raises: the SDK's class and the original one in one."""
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

    def _details(self) -> list[Any]:
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
    """A time of the log as a ``datetime`` in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def at_if_any(milliseconds: float | None) -> datetime | None:
    """A time of the log, if there is one."""
    return None if milliseconds is None else at(milliseconds)


def loosely(payload: str | None) -> Any:
    """What a payload says: JSON if it is JSON, else the text; a custom serdes may write anything."""
    if payload is None:
        return None
    try:
        return msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return payload
