"""The inboxes of an execution, and the callbacks by which they take messages."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from durable_execution_sdk.engine.views.progress import ExecutionProgress
from durable_execution_sdk.protocol.inboxes import place_of
from durable_execution_sdk.protocol.operations import Operation, OperationStatus

__all__ = ["OpenInbox", "Room", "inboxes", "room_in"]


class OpenInbox(msgspec.Struct):
    """An inbox: the ids of its open callbacks by number. ``is_closed``: it takes no more messages."""

    name: str
    open: dict[int, str] = {}
    is_closed: bool = False

    @property
    def next_callback(self) -> str | None:
        """The id of the callback that the next message answers; ``None`` if there is no room."""
        return None if self.is_closed or not self.open else self.open[min(self.open)]


def inboxes(operations: Iterable[Operation]) -> dict[str, OpenInbox]:
    """Return the inboxes that operations belong to, by name."""
    found: dict[str, OpenInbox] = {}
    for operation in operations:
        place = place_of(operation.id, operation.name)
        if place is None:
            continue
        inbox = found.setdefault(place.inbox, OpenInbox(place.inbox))
        details = operation.callback_details
        if place.number is None:
            inbox.is_closed = True
        elif operation.status == OperationStatus.STARTED and details and details.callback_id:
            inbox.open[place.number] = details.callback_id
    return found


class Room(msgspec.Struct, frozen=True):
    """The callback that the next message for an inbox answers, or the reason for which there is none.

    ``is_hopeless``: there will be none.
    """

    callback_id: str | None
    reason: str = ""
    is_hopeless: bool = False

    @property
    def is_final(self) -> bool:
        """True if a sender need not look again: there is room, or there will be none."""
        return self.callback_id is not None or self.is_hopeless


def room_in(execution: ExecutionProgress, inbox: str) -> Room:
    """Return the room for a message in an inbox of an execution."""
    found = inboxes(progress.operation for progress in execution.operations)
    if execution.ended_at is not None:
        return Room(None, f"the execution has ended: it is {execution.status}", is_hopeless=True)
    own = found.get(inbox)
    if own is None:
        others = ", ".join(sorted(map(repr, found)))
        return Room(
            None,
            f"the execution has no inbox {inbox!r} yet; those that it has opened: {others or 'none'}",
        )
    if own.is_closed:
        return Room(None, f"the workflow has closed its inbox {inbox!r}", is_hopeless=True)
    return Room(
        own.next_callback, f"the inbox {inbox!r} is full: its workflow has yet to take messages"
    )
