"""The history of an execution: the API's events, numbered from 1."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from durable_execution_sdk.engine.events import Event, ExecutionStarted, OperationFields
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.engine.rejections import invalid
from durable_execution_sdk.engine.views.execution_history import execution_entry
from durable_execution_sdk.engine.views.operation_history import operation_entry
from durable_execution_sdk.engine.views.paging import marker_for, page_size, place_of
from durable_execution_sdk.protocol.control_plane import HistoryPage, HistoryRequest
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.ids import ExecutionArn

_OLDEST_FIRST = "history"
_NEWEST_FIRST = "yrotsih"


def history(events: Iterable[Event], *, include_execution_data: bool = True) -> list[HistoryEvent]:
    """Return the whole history of the execution that has these events."""
    entries: list[HistoryEvent] = []
    run_id, name = None, None
    for event in events:
        if isinstance(event, OperationFields):
            entry = operation_entry(event, len(entries) + 1, include_data=include_execution_data)
        else:
            if isinstance(event, ExecutionStarted):
                arn = ExecutionArn.parse(event.arn)
                run_id, name = arn.run_id, arn.execution_name
            entry = execution_entry(event, len(entries) + 1, include_data=include_execution_data)
            if entry is not None and entry.invocation_completed_details is None:
                entry = replace(entry, id=run_id, name=name)
        if entry is not None:
            entries.append(entry)
    return entries


def history_page(
    events: Iterable[Event], request: HistoryRequest, limits: Limits = DEFAULT_LIMITS
) -> HistoryPage:
    """Return one page of the history, oldest first unless reversed."""
    size = page_size(request.max_items, limits)
    kind = _NEWEST_FIRST if request.reverse_order else _OLDEST_FIRST
    entries = history(events, include_execution_data=request.include_execution_data)
    marker_kind, position = place_of(request.marker) if request.marker else (kind, 0)
    if marker_kind != kind:
        raise invalid(f"Invalid Marker {request.marker!r}: it belongs to another request.")
    # The history may grow between two pages, so positions count from the oldest event in both orders.
    if request.reverse_order:
        last = position if request.marker else len(entries)
        page = entries[max(last - size, 0) : last][::-1]
        next_position = last - size if last > size else None
    else:
        page = entries[position : position + size]
        next_position = position + size if len(entries) > position + size else None
    return HistoryPage(
        events=page, next_marker=None if next_position is None else marker_for(kind, next_position)
    )
