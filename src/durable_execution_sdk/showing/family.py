"""One execution and those that it invoked and waits for, as one picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.views.progress import (
    ExecutionProgress,
    OperationProgress,
    Waiting,
    progress,
)
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.ids import ExecutionArn
from durable_execution_sdk.model.operation import Operation
from durable_execution_sdk.showing.visible import visible


class Waiter(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that waits, and where it is: its execution, the names above it and its own."""

    execution: ExecutionProgress
    path: tuple[str, ...]
    progress: OperationProgress
    waiting: Waiting


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """An execution, and by operation id the executions that it invoked and waits for."""

    execution: ExecutionProgress
    invoked: dict[str, Family]

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
        """When something happened last."""
        return max([self.execution.last_at, *(each.last_at for each in self.invoked.values())])

    @property
    def is_idle(self) -> bool:
        """Whether no handler runs or is about to."""
        return self.execution.is_idle and all(each.is_idle for each in self.invoked.values())

    @property
    def retry_at(self) -> int | None:
        """When a handler whose invocation failed is invoked again."""
        times = (self.execution.retry_at, *(each.retry_at for each in self.invoked.values()))
        return min((each for each in times if each is not None), default=None)

    @property
    def last_failure(self) -> ErrorObject | None:
        """The error of the last invocation that failed, if it is to be made again."""
        if self.execution.retry_at is not None:
            return self.execution.last_failure
        found = (each.last_failure for each in self.invoked.values())
        return next((each for each in found if each is not None), None)

    def waiters(self, above: tuple[str, ...] = ()) -> Iterator[Waiter]:
        """The operations that wait for something; an invoke only if nothing is known beyond it."""
        paths: dict[str | None, tuple[str, ...]] = {}
        for each in self.execution.operations:
            operation = each.operation
            path = (*paths.get(operation.parent_id, above), title(operation))
            paths[operation.id] = path
            if operation.id in self.invoked:
                yield from self.invoked[operation.id].waiters(path)
            elif each.waiting is not None:
                yield Waiter(
                    execution=self.execution, path=path, progress=each, waiting=each.waiting
                )


def family(emulator: Emulator, arn: str) -> Family:
    """An execution as of now, and those that it waits for."""
    return family_later(emulator, arn)()


def family_later(emulator: Emulator, arn: str) -> Callable[[], Family]:
    """The same, as of now, but drawn when somebody asks for it: many never do."""
    state = emulator.snapshot(arn)
    invoked = {
        operation_id: family_later(emulator, started.child_arn)
        for operation_id, started in state.invokes.items()
        if started.child_arn is not None
    }
    return lambda: Family(
        execution=progress(state), invoked={each: later() for each, later in invoked.items()}
    )


def title(operation: Operation) -> str:
    """What an operation is called."""
    return visible(operation.name or kind(operation))


def kind(operation: Operation) -> str:
    """What an operation is."""
    return visible(operation.sub_type or operation.type.capitalize())
