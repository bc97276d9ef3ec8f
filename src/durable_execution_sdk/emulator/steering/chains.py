"""The execution that went on as another one (``ctx.continue_as_new``), found by the name of that.

Nothing tells an execution which one it continues, as nothing does at AWS. But its name has a hash of the ARN of the one
before it, so that is looked for among those whose names begin alike.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from durable_execution_sdk.emulator.coordinator import Coordinator
from durable_execution_sdk.emulator.stores.store import Search, Store
from durable_execution_sdk.engine.execution_time import ExecutionTime
from durable_execution_sdk.protocol.continuation import base_name, next_name
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.limits import MAX_PAGE_ITEMS

__all__ = ["continued_by", "one_before", "time_of_chain"]

# One that starts another runs, or is about to be paused.
_STARTING = (ExecutionStatus.RUNNING, ExecutionStatus.PAUSING)


def time_of_chain(coordinator: Coordinator, function: str, name: str) -> ExecutionTime | None:
    """Return the time of the execution that goes on under this name; ``None`` if there is none.

    The next execution inherits it, as one that is invoked does: where thirty days were skipped, the month is over.
    """
    arn = continued_by(coordinator.store, function, name, _STARTING)
    state = None if arn is None else coordinator.find(arn)
    return None if state is None else state.time


def continued_by(
    store: Store, function: str, name: str, statuses: Collection[str] = ()
) -> str | None:
    """Return the ARN of the execution of a function that went on under this name; ``None`` if there is none."""
    base = base_name(name)
    if base is None:
        return None
    after: tuple[int, int] | None = None
    while True:
        records = store.search(
            Search(
                function=function, text=base, statuses=statuses, after=after, limit=MAX_PAGE_ITEMS
            )
        )
        found = one_before(name, (record.arn for record in records))
        if found is not None or len(records) < MAX_PAGE_ITEMS:
            return found
        after = records[-1].started_at, records[-1].number


def one_before(name: str, arns: Iterable[str]) -> str | None:
    """Return the ARN, of these, of the execution that went on under this name."""
    return next((arn for arn in arns if next_name(arn) == name), None)
