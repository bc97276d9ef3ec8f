"""The state of an execution, for assertions in tests; the same for local and deployed executions.

The module is long because each fact that a test reads has one documented member here.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Generic, Literal, Self, TextIO, TypeVar, cast

from durable_execution_sdk.errors import ConfigError, OperationError
from durable_execution_sdk.protocol.continuation import Continuation, continuation_of
from durable_execution_sdk.protocol.control_plane import (
    CLOSED_STATUSES,
    ExecutionDescription,
    ExecutionStatus,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.ids import execution_operation_id
from durable_execution_sdk.protocol.operations import OperationStatusName
from durable_execution_sdk.rendering.family import Family
from durable_execution_sdk.rendering.payloads import json_or_text
from durable_execution_sdk.runtime.error_objects import rebuild
from durable_execution_sdk.serdes import SerDes, ValueContext
from durable_execution_sdk.testing.errors import (
    NoSuchOperationError,
    UnexpectedStatusError,
    is_told,
)
from durable_execution_sdk.testing.results.invocations import RecordedInvocation, invocations_of
from durable_execution_sdk.testing.results.operations import (
    RecordedOperation,
    at,
    at_if_any,
    check_statuses,
    recorded_operations,
)
from durable_execution_sdk.testing.results.printing import invocation_table, operation_tree
from durable_execution_sdk.testing.results.table import Column, operation_table

__all__ = ["DurableTestResult"]

__tracebackhide__ = is_told

_R_co = TypeVar("_R_co", covariant=True)


class DurableTestResult(Generic[_R_co]):
    """The state of an execution at one time; ``print()`` shows its operations as a tree.

    ``operations`` are in the order in which they started. ``invocations`` are those that have ended.
    ``history`` holds the events of ``GetDurableExecutionHistory``, ``logs`` the log records of the
    workflow's code, and ``now`` the time of this state in milliseconds since the epoch.
    """

    def __init__(
        self,
        described: ExecutionDescription,
        family: Callable[[], Family],
        history: Callable[[], Sequence[HistoryEvent]],
        *,
        now: int,
        serdes: SerDes[_R_co],
        logs: Sequence[logging.LogRecord] = (),
    ) -> None:
        self.described = described
        # Many tests use the result only, so the rest is computed on demand.
        self._family = family
        self._history = history
        self.now = now
        self.logs = list(logs)
        self._serdes = serdes

    def __repr__(self) -> str:
        """Write the execution's status and ARN."""
        return f"<{type(self).__name__} {self.status} {self.arn}>"

    def __str__(self) -> str:
        """Write the operations as a tree with their states, and the error if there is one."""
        return operation_tree(self.family, self.now, self.error_object)

    def print(
        self,
        file: TextIO | None = None,
        *,
        columns: Sequence[Column] | Literal["all"] | None = None,
        payloads: bool = False,
        invocations: bool = True,
    ) -> None:
        """Print the operations as a tree, and the invocations as a table.

        Args:
            file: the file to write to; the standard output by default.
            columns: print the operations as a table with these columns instead, in the order of their start:
                ``id``, ``parent_id``, ``name``, ``type``, ``status``, ``attempt``, ``started``, ``ended``,
                ``duration`` and ``result`` (that, or the error), or ``"all"``.
            payloads: show results in the tree too, each cut to a line.
            invocations: ``False`` leaves out the invocations.

        Raises:
            ConfigError: there is no such column, or ``payloads`` are wanted in a table.
        """
        encoding = getattr(file or sys.stdout, "encoding", None) or "utf-8"
        plain = not encoding.lower().startswith("utf")
        if columns is None:
            operations = operation_tree(
                self.family, self.now, self.error_object, plain=plain, payloads=payloads
            )
        elif payloads:
            raise ConfigError("payloads=True is for the tree: in a table name the column 'result'")
        else:
            operations = operation_table(self.operations, columns)
        print(operations, file=file)
        if invocations and self.invocations:
            print(file=file)
            print(invocation_table(self.invocations, self.started_at), file=file)

    @cached_property
    def family(self) -> Family:
        """The progress of the execution and of those that it invoked."""
        return self._family()

    @cached_property
    def history(self) -> list[HistoryEvent]:
        """The events, as ``GetDurableExecutionHistory`` returns them."""
        return list(self._history())

    @cached_property
    def operations(self) -> list[RecordedOperation]:
        """The operations in the order in which they started."""
        return recorded_operations(self.family, self.history)

    @cached_property
    def invocations(self) -> list[RecordedInvocation]:
        """The invocations that have ended, with the operations that each executed and replayed."""
        return invocations_of(self.history, self.operations, self.status)

    @property
    def arn(self) -> str:
        """The execution's ARN."""
        return self.described.durable_execution_arn

    @property
    def name(self) -> str:
        """The execution's name."""
        return self.described.durable_execution_name

    @property
    def status(self) -> str:
        """``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT`` or ``STOPPED``."""
        return self.described.status

    @property
    def custom_status(self) -> object:
        """The value that ``ctx.set_status`` or ``ctx.progress`` set last, as JSON reads it; ``None`` if there is none."""
        status = self.family.execution.custom_status
        return None if status is None else json_or_text(status.payload)

    @property
    def is_done(self) -> bool:
        """True if the execution has ended, successfully or not."""
        return self.status in CLOSED_STATUSES

    @property
    def succeeded(self) -> bool:
        """True if the execution has succeeded."""
        return self.status == ExecutionStatus.SUCCEEDED

    @property
    def result(self) -> _R_co:
        """The workflow's return value, read by its return annotation.

        Raises:
            OperationError: the execution failed, timed out or was stopped. The error is also an
                instance of the original exception's class, and its notes show the operations.
            UnexpectedStatusError: the execution has not ended, or went on as a new one.
        """
        following = self.continued_as
        if self.succeeded and following is None:
            return self._decoded(self.described.result)
        error = self.error
        if error is None:
            why = " yet" if following is None else f": it went on as {following.name}, which has it"
            raise UnexpectedStatusError(f"the execution has no result{why}:\n{self}")
        error.add_note(str(self))
        raise error

    @property
    def continued_as(self) -> Continuation | None:
        """The execution as which this one went on (``ctx.continue_as_new``): its name and its ARN."""
        return continuation_of(self.arn, self.described.result)

    @property
    def error_object(self) -> ErrorObject | None:
        """The recorded error, if the execution failed, timed out or was stopped."""
        if not self.is_done or self.succeeded:
            return None
        return self.described.error or ErrorObject(
            error_type=self.status, error_message=f"the execution was {self.status.lower()}"
        )

    @property
    def error(self) -> OperationError | None:
        """The exception of a failed execution, which is also an instance of the original class."""
        error = self.error_object
        if error is None:
            return None
        # An error that a caller passed to stop() must not choose the class of the exception.
        return rebuild(OperationError, error, foreign=self.status != ExecutionStatus.FAILED)

    @property
    def started_at(self) -> datetime:
        """The time of the execution's start, on the runner's clock."""
        return at(self.described.start_timestamp)

    @property
    def ended_at(self) -> datetime | None:
        """The time of the execution's end, on the runner's clock; ``None`` if it has not ended."""
        return at_if_any(self.described.end_timestamp)

    @property
    def duration(self) -> timedelta | None:
        """The time from start to end on the runner's clock; ``None`` if it has not ended."""
        return None if self.ended_at is None else self.ended_at - self.started_at

    def assert_succeeded(self) -> Self:
        """Fail the test, and show the operations, unless the execution has succeeded."""
        return self.assert_status(ExecutionStatus.SUCCEEDED)

    def assert_failed(self) -> Self:
        """Fail the test, and show the operations, unless the execution has failed."""
        return self.assert_status(ExecutionStatus.FAILED)

    def assert_status(self, status: str) -> Self:
        """Fail the test, and show the operations, unless the execution has this status."""
        if self.status != status:
            raise UnexpectedStatusError(f"expected {status}, found {self.status}:\n{self}")
        return self

    def operation(
        self,
        name: str | None = None,
        *,
        index: int | None = None,
        operation_id: str | None = None,
    ) -> RecordedOperation:
        """Return an operation by name, by id, by index among all, or by name and index.

        ``index`` is needed if several operations have the name. It counts from 0 in the order of their
        start; a negative index counts from the end.

        Raises:
            NoSuchOperationError: there is no such operation, or several have the name and there is no
                ``index``.
        """
        matches = [
            operation
            for operation in self.operations
            if (name is None or operation.name == name)
            and (operation_id is None or operation.id == operation_id)
        ]
        given = {"name": name, "operation_id": operation_id, "index": index}
        criteria = ", ".join(
            f"{criterion}={value!r}" for criterion, value in given.items() if value is not None
        )
        if index is None and len(matches) > 1:
            raise NoSuchOperationError(
                f"{len(matches)} operations fit {criteria or 'nothing in particular'}; say which:"
                f" index=0 to index={len(matches) - 1}\n{self}"
            )
        try:
            return matches[index or 0]
        except IndexError:
            raise NoSuchOperationError(f"no operation has {criteria}:\n{self}") from None

    def operations_by_status(self, *statuses: OperationStatusName) -> list[RecordedOperation]:
        """Return the operations with one of these statuses, in the order in which they started.

        Raises:
            ConfigError: no operation can have such a status.
        """
        check_statuses(statuses)
        return [operation for operation in self.operations if operation.status in statuses]

    def children(self, parent: RecordedOperation | str | None = None) -> list[RecordedOperation]:
        """Return the operations directly in a context, or in the workflow itself without ``parent``."""
        if isinstance(parent, str):
            parent = self.operation(parent)
        parent_id = None if parent is None else parent.id
        ids = {operation.id for operation in self.operations}
        return [
            operation
            for operation in self.operations
            if (operation.parent_id if operation.parent_id in ids else None) == parent_id
        ]

    def _decoded(self, payload: str | None) -> _R_co:
        if payload is None:
            return cast("_R_co", None)
        context = ValueContext(
            operation_id=execution_operation_id(self.arn),
            durable_execution_arn=self.arn,
            subject="the result of the execution",
        )
        return self._serdes.deserialize(payload, context)
