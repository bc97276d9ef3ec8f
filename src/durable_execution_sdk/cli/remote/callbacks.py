"""The callbacks that wait for an answer at an endpoint."""

from __future__ import annotations

import msgspec

from durable_execution_sdk.cli.options import Endpoint
from durable_execution_sdk.cli.remote.executions import EndpointPlace
from durable_execution_sdk.cli.remote.listing import ListSearch, read_list
from durable_execution_sdk.cli.remote.views import EndpointView
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.limits import MAX_PAGE_ITEMS
from durable_execution_sdk.rendering.callback_names import references
from durable_execution_sdk.rendering.family import Family, Waiter, family

__all__ = ["WaitingCallbacks", "waiting_callbacks"]

_OPEN = (ExecutionStatus.RUNNING, ExecutionStatus.PAUSING, ExecutionStatus.PAUSED)


class WaitingCallbacks(msgspec.Struct, frozen=True, kw_only=True):
    """Callbacks by the names that commands take, the ARNs of their executions, and notes on what was not read."""

    waiters: dict[str, Waiter] = {}
    arns: dict[str, str] = {}
    notes: list[str] = []

    def add(self, executions: Family, arn: str, place: EndpointPlace) -> None:
        """Add the callbacks that wait in an execution, and in those that it invoked."""
        for name, waiter in references(executions).items():
            text = place.reference(executions.execution.arn, name)
            self.waiters[text] = waiter
            is_own = waiter.execution.arn == executions.execution.arn
            self.arns[text] = arn if is_own else waiter.execution.arn


def waiting_callbacks(name: str | None, at: Endpoint) -> WaitingCallbacks:
    """Read the callbacks that wait in the execution, or in those of the function, with a name.

    Without a name all durable functions are searched.
    """
    place, waiting = EndpointPlace(at), WaitingCallbacks()
    if name is not None and "/" in name:
        view = EndpointView(name, at)
        waiting.add(family(view.emulator, view.arn), view.asked_arn, place)
        return waiting
    search = ListSearch(function=name, statuses=_OPEN, limit=MAX_PAGE_ITEMS)
    listing = read_list(search, at)
    for each in listing.found:
        if each.executions is not None:
            waiting.add(each.executions, each.record.arn, place)
    waiting.notes.extend(listing.notes)
    if listing.has_more:
        waiting.notes.append(f"only the newest {MAX_PAGE_ITEMS} open executions were read")
    return waiting
