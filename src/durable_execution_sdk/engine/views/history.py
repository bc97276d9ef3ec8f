"""What a reader of the history sees: the events of the API, numbered from 1."""

from __future__ import annotations

from collections.abc import Iterable

from durable_execution_sdk.engine.events import Event
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.model.api import HistoryPage, HistoryRequest
from durable_execution_sdk.model.history import HistoryEvent


def history(events: Iterable[Event], *, include_execution_data: bool = True) -> list[HistoryEvent]:
    """The whole history of the execution that has these events."""
    raise NotImplementedError


def history_page(
    events: Iterable[Event], request: HistoryRequest, limits: Limits = DEFAULT_LIMITS
) -> HistoryPage:
    """One page of the history, oldest first unless reversed."""
    raise NotImplementedError
