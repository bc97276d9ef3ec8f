"""Delete executions that ended long ago, so that a store does not grow for ever."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from durable_execution_sdk.emulator.coordinator import Coordinator
from durable_execution_sdk.emulator.stores.store import Search
from durable_execution_sdk.engine.commands import DeleteExecution
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.protocol.control_plane import CLOSED_STATUSES


def delete_older(coordinator: Coordinator, milliseconds: int) -> int:
    """Delete the executions that ended at least so long ago by the clock; return their number.

    One whose end an open execution has not recorded yet is kept. The lock is held for one at a time.
    """
    deleted = 0
    cutoff = coordinator.clock.now() - milliseconds
    for arn in _candidates(coordinator, cutoff):
        with coordinator.holding():
            state = coordinator.find(arn)
            if state is not None and _is_older(coordinator, state, cutoff):
                coordinator.submit(arn, DeleteExecution())
                deleted += 1
    return deleted


def _candidates(coordinator: Coordinator, cutoff: int) -> Iterator[str]:
    """Yield the closed executions that began before the cutoff, or in a future that was skipped to."""
    now = coordinator.clock.now()
    for search in (
        Search(started_before=cutoff + 1, statuses=CLOSED_STATUSES, oldest_first=True),
        Search(started_after=now, statuses=CLOSED_STATUSES, oldest_first=True),
    ):
        after: tuple[int, int] | None = None
        while True:
            with coordinator.holding():
                records = coordinator.store.search(replace(search, after=after))
            if not records:
                break
            yield from (record.arn for record in records)
            after = records[-1].started_at, records[-1].number


def _is_older(coordinator: Coordinator, state: ExecutionState, cutoff: int) -> bool:
    if not state.is_closed or state.ended_at is None:
        return False
    if state.time.on_clock(state.ended_at) > cutoff:
        return False
    if state.parent is None:
        return True
    parent = coordinator.find(state.parent.arn)
    return parent is None or state.parent.operation_id not in parent.invokes
