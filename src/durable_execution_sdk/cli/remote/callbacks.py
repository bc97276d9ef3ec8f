"""The callbacks that wait for an answer at an endpoint."""

from __future__ import annotations

from durable_execution_sdk.cli.options import Endpoint
from durable_execution_sdk.cli.remote.executions import EndpointPlace
from durable_execution_sdk.cli.remote.listing import ListSearch, read_list
from durable_execution_sdk.cli.remote.views import EndpointView
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.limits import MAX_PAGE_ITEMS
from durable_execution_sdk.rendering.callback_names import references
from durable_execution_sdk.rendering.family import Family, Waiter, family

__all__ = ["waiting_callbacks"]

_OPEN = (ExecutionStatus.RUNNING, ExecutionStatus.PAUSING, ExecutionStatus.PAUSED)


def waiting_callbacks(name: str | None, at: Endpoint) -> tuple[dict[str, Waiter], list[str]]:
    """Map the names of the callbacks that wait to their operations; return notes on what was not read, too.

    ``name`` is that of an execution or of a function; without one, all durable functions are searched.
    """
    place = EndpointPlace(at)
    if name is not None and "/" in name:
        view = EndpointView(name, at)
        return _named(place, family(view.emulator, view.arn)), []
    search = ListSearch(function=name, statuses=_OPEN, limit=MAX_PAGE_ITEMS)
    listing = read_list(search, at)
    waiters: dict[str, Waiter] = {}
    for each in listing.found:
        if each.executions is not None:
            waiters.update(_named(place, each.executions))
    notes = listing.notes
    if listing.has_more:
        notes.append(f"only the newest {MAX_PAGE_ITEMS} open executions were read")
    return waiters, notes


def _named(place: EndpointPlace, executions: Family) -> dict[str, Waiter]:
    arn = executions.execution.arn
    return {place.reference(arn, name): each for name, each in references(executions).items()}
