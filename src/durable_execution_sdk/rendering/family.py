"""The progress of an execution together with that of the executions that it invoked and waits for."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator

import msgspec

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.engine.views.progress import (
    ExecutionProgress,
    OperationProgress,
    Waiting,
    progress,
)
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.error_codes import NOT_FOUND
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.inboxes import inbox_of
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.rendering.escaping import visible


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An operation; ``path`` is the names of its contexts and its own."""

    execution: ExecutionProgress
    path: tuple[str, ...]
    progress: OperationProgress


class Waiter(Entry, frozen=True, kw_only=True):
    """An operation that waits; ``held`` is the name of the held execution that it waits for, if it does."""

    waiting: Waiting
    held: str | None = None


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """An execution, and the executions that it invoked, by the ids of the invoking operations.

    ``is_held``: a server does not invoke the execution, because edited code does not fit its log.
    """

    execution: ExecutionProgress
    invoked: dict[str, Family]
    is_held: bool = False

    @property
    def name(self) -> str:
        """The execution's name."""
        parts = ExecutionArn.read(self.execution.arn)
        return self.execution.arn if parts is None else parts.execution_name

    @property
    def function(self) -> str:
        """The function that the execution runs."""
        parts = ExecutionArn.read(self.execution.arn)
        return "execution" if parts is None else parts.function_name

    @property
    def last_at(self) -> int:
        """The time of the last event, in milliseconds since the epoch."""
        return max([self.execution.last_at, *(child.last_at for child in self.invoked.values())])

    @property
    def is_idle(self) -> bool:
        """True if no invocation of these executions runs, or is due and not held."""
        is_idle = self.is_held or self.execution.is_idle
        return is_idle and all(child.is_idle for child in self.invoked.values())

    @property
    def is_blocked(self) -> bool:
        """True if it goes on only once edited code fits a log, or a user decides otherwise."""
        if self.is_held:
            return True
        waiters = list(self.waiters())
        return self.is_idle and bool(waiters) and all(waiter.held for waiter in waiters)

    @property
    def is_invoked(self) -> bool:
        """True if an invocation of these executions has begun and not ended."""
        return self.execution.is_invoked or any(child.is_invoked for child in self.invoked.values())

    @property
    def retry_at(self) -> int | None:
        """The time of the next retry of a failed invocation, in milliseconds since the epoch."""
        times = (self.execution.retry_at, *(child.retry_at for child in self.invoked.values()))
        return min((time for time in times if time is not None), default=None)

    @property
    def last_failure(self) -> ErrorObject | None:
        """The error of the last failed invocation, if a retry is scheduled."""
        if self.execution.retry_at is not None:
            return self.execution.last_failure
        failures = (error.last_failure for error in self.invoked.values())
        return next((error for error in failures if error is not None), None)

    def arns(self) -> Iterator[str]:
        """Yield the ARNs of these executions, each before those that it invoked."""
        yield self.execution.arn
        for child in self.invoked.values():
            yield from child.arns()

    def entries(self, above: tuple[str, ...] = ()) -> Iterator[Entry]:
        """Yield the operations; those of an invoked execution in place of the invoke."""
        paths: dict[str | None, tuple[str, ...]] = {}
        for operation_progress in self.execution.operations:
            operation = operation_progress.operation
            path = (*paths.get(operation.parent_id, above), title(operation))
            paths[operation.id] = path
            if operation.id in self.invoked:
                yield from self.invoked[operation.id].entries(path)
            else:
                yield Entry(execution=self.execution, path=path, progress=operation_progress)

    def waiters(self) -> Iterator[Waiter]:
        """Yield the operations that wait; those of an invoked execution in place of the invoke.

        An invoke whose execution is held waits itself, too. Of an inbox only the callback of the next message does.
        """
        inboxes: set[tuple[str, str]] = set()
        for entry, child in self.held_invokes():
            if entry.progress.waiting is not None:
                yield _waiter(entry, entry.progress.waiting, held=child.name)
        for entry in self.entries():
            if entry.progress.waiting is not None and _is_next(entry, inboxes):
                yield _waiter(entry, entry.progress.waiting)

    def held_invokes(self, above: tuple[str, ...] = ()) -> Iterator[tuple[Entry, Family]]:
        """Yield the invokes of held executions, each with what it invoked."""
        paths: dict[str | None, tuple[str, ...]] = {}
        for operation_progress in self.execution.operations:
            operation = operation_progress.operation
            path = (*paths.get(operation.parent_id, above), title(operation))
            paths[operation.id] = path
            child = self.invoked.get(operation.id)
            if child is None:
                continue
            if child.is_held:
                yield Entry(execution=self.execution, path=path, progress=operation_progress), child
            yield from child.held_invokes(path)


def _waiter(entry: Entry, waiting: Waiting, *, held: str | None = None) -> Waiter:
    return Waiter(
        execution=entry.execution,
        path=entry.path,
        progress=entry.progress,
        waiting=waiting,
        held=held,
    )


def family(emulator: Emulator, arn: str, held: Container[str] = ()) -> Family:
    """Return the progress of an execution now, and of those that it invoked.

    ``held`` has the ARNs of the executions that a server holds.
    """
    return _family_of(emulator, emulator.snapshot(arn), held)()


def family_later(emulator: Emulator, arn: str) -> Callable[[], Family]:
    """Take a snapshot now; derive the progress from it, which costs time, only when the result is called."""
    return _family_of(emulator, emulator.snapshot(arn), ())


def _family_of(
    emulator: Emulator, state: ExecutionState, held: Container[str]
) -> Callable[[], Family]:
    invoked: dict[str, Callable[[], Family]] = {}
    for operation_id, started in state.invokes.items():
        child = None if started.child_arn is None else _snapshot(emulator, started.child_arn)
        if child is not None:
            invoked[operation_id] = _family_of(emulator, child, held)
    return lambda: Family(
        execution=progress(state),
        invoked={key: later() for key, later in invoked.items()},
        is_held=state.arn in held and not state.is_closed,
    )


def _snapshot(emulator: Emulator, arn: str) -> ExecutionState | None:
    """Return the state of an invoked execution; ``None`` if it was deleted, before its invoker was."""
    try:
        return emulator.snapshot(arn)
    except ServiceError as error:
        if error.code != NOT_FOUND:
            raise
        return None


def title(operation: Operation) -> str:
    """Return an operation's name, or its kind if it has none."""
    return visible(operation.name or kind(operation))


def kind(operation: Operation) -> str:
    """Return an operation's kind, such as ``Step`` or ``WaitForCallback``."""
    return visible(operation.sub_type or operation.type.capitalize())


def _is_next(entry: Entry, inboxes: set[tuple[str, str]]) -> bool:
    """Return ``False`` for a callback of an inbox that another one was seen of; ``inboxes`` are those that were seen."""
    operation = entry.progress.operation
    inbox = inbox_of(operation.id, operation.name)
    if inbox is None:
        return True
    key = entry.execution.arn, inbox
    is_next = key not in inboxes
    inboxes.add(key)
    return is_next
