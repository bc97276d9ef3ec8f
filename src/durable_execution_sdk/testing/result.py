"""What came of an execution, or how it stands: the same whether it ran here or on Lambda."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Generic, Self, TextIO, TypeVar, cast

from durable_execution_sdk.errors import OperationError
from durable_execution_sdk.model.control import (
    CLOSED_STATUSES,
    ExecutionDescription,
    ExecutionStatus,
)
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.history import HistoryEvent
from durable_execution_sdk.model.ids import execution_operation_id
from durable_execution_sdk.runtime.failure import rebuild
from durable_execution_sdk.serdes import SerDes, SerDesContext
from durable_execution_sdk.showing.family import Family
from durable_execution_sdk.testing.errors import (
    NoSuchOperationError,
    UnexpectedStatusError,
    is_told,
)
from durable_execution_sdk.testing.invocations import RecordedInvocation, invocations_of
from durable_execution_sdk.testing.operations import RecordedOperation, at, at_if_any
from durable_execution_sdk.testing.printing import invocation_table, operation_tree

__all__ = ["DurableTestResult"]

__tracebackhide__ = is_told

_R = TypeVar("_R")


class DurableTestResult(Generic[_R]):
    """An execution as it stood when this was taken; ``print()`` shows its operations as a tree.

    ``operations`` has them in the order in which they started, ``invocations`` those of the handler
    that are over, ``history`` the events as ``GetDurableExecutionHistory`` gives them, ``logs`` the
    log records of the workflow's code, and ``now`` is when this was taken, in milliseconds.
    """

    def __init__(
        self,
        described: ExecutionDescription,
        family: Callable[[], Family],
        history: Callable[[], Sequence[HistoryEvent]],
        *,
        now: int,
        serdes: SerDes[_R],
        logs: Sequence[logging.LogRecord] = (),
    ) -> None:
        self.described = described
        # Many tests look at the result alone, so the rest is told when it is asked for.
        self._family = family
        self._history = history
        self.now = now
        self.logs = list(logs)
        self._serdes = serdes

    def __repr__(self) -> str:
        """Which execution, and how it stands."""
        return f"<{type(self).__name__} {self.status} {self.arn}>"

    def __str__(self) -> str:
        """The operations as a tree, each with how it stands, and the error if there is one."""
        return operation_tree(self.family, self.now, self.error_object)

    def print(self, file: TextIO | None = None) -> None:
        """Print the operations as a tree, and the invocations as a table."""
        encoding = getattr(file or sys.stdout, "encoding", None) or "utf-8"
        plain = not encoding.lower().startswith("utf")
        print(operation_tree(self.family, self.now, self.error_object, plain=plain), file=file)
        if self.invocations:
            print(file=file)
            print(invocation_table(self.invocations, self.started_at), file=file)

    @cached_property
    def family(self) -> Family:
        """The execution and those that it waits for, with what each operation waits for."""
        return self._family()

    @cached_property
    def history(self) -> list[HistoryEvent]:
        """The events as ``GetDurableExecutionHistory`` gives them."""
        return list(self._history())

    @cached_property
    def operations(self) -> list[RecordedOperation]:
        """The operations in the order in which they started."""
        return _operations(self.family, self.history)

    @cached_property
    def invocations(self) -> list[RecordedInvocation]:
        """The handler's invocations: what each executed, and what it found done already."""
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
    def is_done(self) -> bool:
        """Whether the execution has ended, however it ended."""
        return self.status in CLOSED_STATUSES

    @property
    def succeeded(self) -> bool:
        """Whether the execution has succeeded."""
        return self.status == ExecutionStatus.SUCCEEDED

    @property
    def result(self) -> _R:
        """What the workflow returned, by its return annotation.

        Raises:
            OperationError: what the workflow raised, if it failed, timed out or was stopped: an
                instance of the original exception class too. Its notes show the operations.
            UnexpectedStatusError: it has not ended.
        """
        if self.succeeded:
            return self._decoded(self.described.result)
        error = self.error
        if error is None:
            raise UnexpectedStatusError(f"the execution has no result yet:\n{self}")
        error.add_note(str(self))
        raise error

    @property
    def error_object(self) -> ErrorObject | None:
        """The error as the service keeps it, if the execution failed, timed out or was stopped."""
        if not self.is_done or self.succeeded:
            return None
        return self.described.error or ErrorObject(
            error_type=self.status, error_message=f"the execution was {self.status.lower()}"
        )

    @property
    def error(self) -> OperationError | None:
        """What the workflow failed with: an instance of the exception class that it raised too."""
        error = self.error_object
        if error is None:
            return None
        # What somebody outside gave as the reason to stop has no say in what is raised here.
        return rebuild(OperationError, error, foreign=self.status != ExecutionStatus.FAILED)

    @property
    def started_at(self) -> datetime:
        """When the execution started, on the runner's clock."""
        return at(self.described.start_timestamp)

    @property
    def ended_at(self) -> datetime | None:
        """When the execution ended, on the runner's clock."""
        return at_if_any(self.described.end_timestamp)

    @property
    def duration(self) -> timedelta | None:
        """How long it took on the runner's clock, waits and all, if it has ended."""
        return None if self.ended_at is None else self.ended_at - self.started_at

    def assert_succeeded(self) -> Self:
        """Fail the test, and show why, unless the execution has succeeded."""
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
        """One operation: by name, by index among all, by id, or the ``index``-th of its name.

        Several operations of a name need an index, from 0 in the order in which they started;
        negative ones count from the end.

        Raises:
            NoSuchOperationError: there is none, or several have the name and no index was given.
        """
        found = [
            each
            for each in self.operations
            if (name is None or each.name == name)
            and (operation_id is None or each.id == operation_id)
        ]
        asked = ", ".join(
            f"{what}={value!r}"
            for what, value in (("name", name), ("operation_id", operation_id), ("index", index))
            if value is not None
        )
        if index is None and len(found) > 1:
            raise NoSuchOperationError(
                f"{len(found)} operations fit {asked or 'nothing in particular'}; say which:"
                f" index=0 to index={len(found) - 1}\n{self}"
            )
        try:
            return found[index or 0]
        except IndexError:
            raise NoSuchOperationError(f"no operation has {asked}:\n{self}") from None

    def children(self, parent: RecordedOperation | str | None = None) -> list[RecordedOperation]:
        """The operations directly in a context, given or by its name; without one, the workflow's."""
        if isinstance(parent, str):
            parent = self.operation(parent)
        wanted = None if parent is None else parent.id
        known = {each.id for each in self.operations}
        return [
            each
            for each in self.operations
            if (each.parent_id if each.parent_id in known else None) == wanted
        ]

    def _decoded(self, payload: str | None) -> _R:
        if payload is None:
            return cast("_R", None)
        context = SerDesContext(
            operation_id=execution_operation_id(self.arn), durable_execution_arn=self.arn
        )
        return self._serdes.deserialize(payload, context)


def _operations(family: Family, history: Sequence[HistoryEvent]) -> list[RecordedOperation]:
    events: dict[Any, list[HistoryEvent]] = {}
    for event in history:
        events.setdefault(event.id, []).append(event)
    return [
        RecordedOperation(index, each, events.get(each.operation.id, ()), family.execution.arn)
        for index, each in enumerate(family.execution.operations)
    ]
