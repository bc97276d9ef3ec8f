"""The log of a fork as its code sees it: the seed, and over it what the service has recorded since."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from durable_execution_sdk.fork.chunks import Seed
from durable_execution_sdk.fork.lineage import time_shift
from durable_execution_sdk.fork.open_operations import ended_attempts, folded
from durable_execution_sdk.ports import DataPlane, ForwardingDataPlane
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    Operation,
    OperationType,
    is_built_again,
)

__all__ = ["Overlay", "SeededPlane"]


class Overlay:
    """Puts the operations of the service over those of the seed.

    An operation that was open at the cut keeps the time at which it first began, which decides the order in which code
    sees it, and the attempts that had ended by then. All times of the service follow those of the seed.
    """

    def __init__(self, seed: Seed, execution: Operation, own_ids: set[str]) -> None:
        log = folded(seed.events)
        self.log = log
        self._execution = execution
        self._hidden = own_ids
        self._attempts = ended_attempts(log)
        self.shift = time_shift(seed, execution.start_timestamp or 0)
        stored = set(seed.stored)
        for operation in list(log.operations.values()):
            details = operation.context_details
            if operation.id in stored and details is not None:
                whole = replace(details, replay_children=None)
                log.operations[operation.id] = replace(operation, context_details=whole)

    @property
    def in_doubt(self) -> set[str]:
        """The ids of contexts whose payload may be their result, or a summary of one that was too large.

        A history does not tell. The code knows what its summaries are.
        """
        return {
            operation.id for operation in self.log.operations.values() if is_built_again(operation)
        }

    def merged(self, recorded: Iterable[Operation]) -> list[Operation]:
        """Return the operations that the code finds in the log, given those that the service holds."""
        operations = dict(self.log.operations)
        operations.update((operation.id, operation) for operation in self.above(recorded))
        started = self.log.execution
        hidden: dict[str, bool] = {}
        return [
            replace(
                self._execution,
                start_timestamp=started.start_timestamp,
                execution_details=started.execution_details,
            ),
            *(
                operation
                for operation in operations.values()
                if not _is_hidden(operations, operation.parent_id, hidden)
            ),
        ]

    def above(self, recorded: Iterable[Operation]) -> list[Operation]:
        """Return operations of the service as the code is to see them, without the fork's own."""
        return [
            self._above(operation)
            for operation in recorded
            if operation.id not in self._hidden and operation.type != OperationType.EXECUTION
        ]

    def _above(self, operation: Operation) -> Operation:
        if self.shift:
            operation = _later(operation, self.shift)
        below = self.log.operations.get(operation.id)
        if below is None:
            return operation
        step, attempts = operation.step_details, self._attempts.get(operation.id, 0)
        if step is not None and attempts:
            step = replace(step, attempt=(step.attempt or 0) + attempts)
        return replace(operation, start_timestamp=below.start_timestamp, step_details=step)


class SeededPlane(ForwardingDataPlane):
    """The data plane of a fork, whose answers are put over the seed."""

    def __init__(self, plane: DataPlane, overlay: Overlay) -> None:
        super().__init__(plane)
        self._overlay = overlay

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates."""
        response = await self._plane.checkpoint(request)
        return replace(response, operations=self._overlay.above(response.operations))

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of operations."""
        page = await self._plane.get_state(request)
        return replace(page, operations=self._overlay.above(page.operations))

    def now(self) -> int:
        """Return the fork's time."""
        return self._plane.now() + round(self._overlay.shift)


def _later(operation: Operation, shift: float) -> Operation:
    """Return the operation with all its times moved."""
    step, wait = operation.step_details, operation.wait_details
    if step is not None and step.next_attempt_timestamp is not None:
        step = replace(step, next_attempt_timestamp=step.next_attempt_timestamp + shift)
    if wait is not None and wait.scheduled_end_timestamp is not None:
        wait = replace(wait, scheduled_end_timestamp=wait.scheduled_end_timestamp + shift)
    start, end = operation.start_timestamp, operation.end_timestamp
    return replace(
        operation,
        start_timestamp=None if start is None else start + shift,
        end_timestamp=None if end is None else end + shift,
        step_details=step,
        wait_details=wait,
    )


def _is_hidden(
    operations: dict[str, Operation], context_id: str | None, known: dict[str, bool]
) -> bool:
    """Return ``True`` if a context around has ended, and its result is not built again from the operations in it."""
    context = None if context_id is None else operations.get(context_id)
    if context is None:
        return False
    hides = known.get(context.id)
    if hides is None:
        hides = known[context.id] = (
            context.status in TERMINAL_STATUSES and not is_built_again(context)
        ) or _is_hidden(operations, context.parent_id, known)
    return hides
