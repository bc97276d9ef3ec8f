"""Send messages to the inboxes of executions: find the callback that is open, and answer it.

The log of an execution is read backwards, the newest events first, and no further than to the callback that is to be
answered: that after the last one which was answered. Another sender may be first; then the next one is tried. With no
callback open, the inbox is full, or is not there yet; the sender looks again until its time is up.

A message keeps its id over all of this. An answer of the service may be lost, so that the sender cannot know that its
message was accepted; it then sends the message again, and the workflow drops one whose id it has seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from msgspec.structs import replace

from durable_execution_sdk.client.errors import InboxFullError, NoInboxError
from durable_execution_sdk.client.messages.turns import Turns
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.protocol.control_plane import HistoryPage, HistoryRequest
from durable_execution_sdk.protocol.error_codes import (
    CALLBACK_CLOSED,
    NOT_FOUND,
    STATUS,
    TOO_MANY_REQUESTS,
)
from durable_execution_sdk.protocol.history import EventType, HistoryEvent
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.inboxes import CLOSED, Envelope, place_of, row_text
from durable_execution_sdk.protocol.limits import MAX_PAGE_ITEMS

__all__ = ["Pause", "Sending", "Window", "let_time_pass", "send"]

_FIRST_PAUSE = 0.2
_GROWTH = 1.5
_LONGEST_PAUSE = 2.0

_WENT_ON = "; if it went on as a new one, send to that: `await handle.latest()`, or `durable show`"

_ENDED: dict[str, str] = {
    EventType.EXECUTION_SUCCEEDED: "SUCCEEDED",
    EventType.EXECUTION_FAILED: "FAILED",
    EventType.EXECUTION_TIMED_OUT: "TIMED_OUT",
    EventType.EXECUTION_STOPPED: "STOPPED",
}
_ANSWERED = frozenset(
    {EventType.CALLBACK_SUCCEEDED, EventType.CALLBACK_FAILED, EventType.CALLBACK_TIMED_OUT}
)

Pause = Callable[[str, float], Awaitable[object]]
"""Lets some seconds pass between two looks at an execution, or lets that run meanwhile."""


class Histories(Protocol):
    """Reads pages of histories, no faster than the service allows."""

    async def history(self, request: HistoryRequest) -> HistoryPage:
        """Read a page."""
        ...


class Window:
    """Facts about one inbox in the newest events of an execution.

    ``message_id`` is the id of a message that may have been accepted; then all events are read, with their data.
    """

    def __init__(self, inbox: str, message_id: str | None = None) -> None:
        self.inbox = inbox
        self.message_id = message_id
        # The status of the execution, once it has ended.
        self.ended: str | None = None
        self.is_closed = self.has_message = False
        # The callbacks that are open, by number, and the names of the other inboxes that were seen.
        self.open: dict[int, str] = {}
        self.others: set[str] = set()
        # The highest number of a callback that was answered.
        self.answered = 0
        self._row = row_text(inbox)

    @property
    def is_there(self) -> bool:
        """True if the workflow has opened the inbox, as far as the events tell."""
        return bool(self.open or self.answered or self.is_closed)

    def take(self, event: HistoryEvent) -> bool:
        """Take in the next older event; return ``True`` if no older one matters."""
        self.ended = self.ended or _ENDED.get(event.event_type)
        place = place_of(event.id, event.name)
        if place is not None and place.inbox != self.inbox:
            self.others.add(place.inbox)
        is_enough = self._take_own(event)
        if self.message_id is not None:
            return self.has_message
        return is_enough or self.is_closed or self.ended is not None

    def _take_own(self, event: HistoryEvent) -> bool:
        operation_id = event.id or ""
        if not operation_id.startswith(self._row):
            return False
        rest = operation_id[len(self._row) :]
        self.is_closed = self.is_closed or rest == f"{CLOSED}-1"
        number = int(rest) if rest.isdecimal() else 0
        # Callbacks are opened and answered in the order of their numbers.
        if number and event.event_type in _ANSWERED:
            self.answered = max(self.answered, number)
            self.has_message = self.has_message or self._is_message(event)
            return self.answered + 1 in self.open
        if number > self.answered and event.callback_started_details is not None:
            self.open[number] = event.callback_started_details.callback_id
        return 0 < number <= self.answered + 1

    def _is_message(self, event: HistoryEvent) -> bool:
        details = event.callback_succeeded_details
        payload = None if details is None else details.result.payload
        if self.message_id is None or payload is None:
            return False
        try:
            return msgspec.json.decode(payload, type=Envelope).id == self.message_id
        except msgspec.MsgspecError:
            return False


class Sending(msgspec.Struct, frozen=True):
    """A message for an inbox, and the seconds for which a full inbox is tried again."""

    inbox: str
    message_id: str
    payload: bytes
    timeout: float


async def send(
    control: ControlPlane,
    histories: Histories,
    arn: str,
    message: Sending,
    pause: Pause,
    turns: Turns | None = None,
) -> None:
    """Send a message to an execution, after those that the program began to send before with the same ``turns``.

    Raises:
        InboxFullError: the inbox had no room within the time.
        NoInboxError: the execution has no such inbox, or has closed it, or has ended.
        ServiceError: the service refused a call.
    """
    ends_at = time.monotonic() + message.timeout
    async with (turns or Turns()).turn(arn, message.inbox, message.timeout):
        await _send(control, histories, arn, message, pause, ends_at)


async def _send(
    control: ControlPlane,
    histories: Histories,
    arn: str,
    message: Sending,
    pause: Pause,
    ends_at: float,
) -> None:
    distance = _FIRST_PAUSE
    lost: ServiceError | None = None
    while True:
        window = await _read(histories, arn, message, is_lost=lost is not None)
        if window.has_message:
            return
        refusal = _refusal(window, arn)
        left = ends_at - time.monotonic()
        if refusal is None:
            try:
                if await _answer(control, window, message.payload):
                    return
            except ServiceError as error:
                if not error.is_transient or left <= 0:
                    raise
                # A message that was refused only because there are too many requests was not accepted.
                if error.after_lost_answer or error.status != STATUS[TOO_MANY_REQUESTS]:
                    lost = error
        if refusal is None and left <= 0:
            refusal = _no_room(window, arn, message.timeout)
        if refusal is not None:
            refusal.after_lost_answer = lost is not None
            raise refusal
        await pause(arn, max(0.0, min(distance, left)))
        distance = min(distance * _GROWTH, _LONGEST_PAUSE)


async def let_time_pass(_arn: str, seconds: float) -> None:
    """Sleep."""
    await asyncio.sleep(seconds)


async def _read(histories: Histories, arn: str, message: Sending, *, is_lost: bool) -> Window:
    window = Window(message.inbox, message.message_id if is_lost else None)
    request = HistoryRequest(
        durable_execution_arn=arn,
        include_execution_data=is_lost,
        reverse_order=True,
        max_items=MAX_PAGE_ITEMS,
    )
    while True:
        page = await histories.history(request)
        if any(window.take(event) for event in page.events) or not page.next_marker:
            return window
        if page.next_marker == request.marker:
            raise ConfigError(f"the history of {arn} has no end: a marker came twice")
        request = replace(request, marker=page.next_marker)


async def _answer(control: ControlPlane, window: Window, payload: bytes) -> bool:
    """Answer the first callback that is open; return ``False`` if others have answered all of them."""
    for number in sorted(window.open):
        try:
            await control.callback_success(window.open[number], payload)
        except ServiceError as error:
            if error.code not in {CALLBACK_CLOSED, NOT_FOUND}:
                raise
        else:
            return True
    return False


def _refusal(window: Window, arn: str) -> ServiceError | None:
    """Return the error of an inbox that takes no more messages."""
    if window.ended is not None:
        went_on = _WENT_ON if window.ended == _ENDED[EventType.EXECUTION_SUCCEEDED] else ""
        return NoInboxError(
            f"the execution {_name(arn)} has ended: it is {window.ended}, and takes no more messages{went_on}"
        )
    if window.is_closed:
        return NoInboxError(
            f"the execution {_name(arn)} has closed its inbox {window.inbox!r}, and takes no more messages"
            f" there{_WENT_ON}"
        )
    return None


def _no_room(window: Window, arn: str, timeout: float) -> ServiceError:
    name = _name(arn)
    if window.is_there:
        return InboxFullError(
            f"the inbox {window.inbox!r} of {name} is full, and had no room within {timeout:g} s: its workflow has yet to"
            " take the messages that lie there. Send again later (with the same id= if the message may have been"
            " accepted), wait longer (timeout=...), or let more lie there: ctx.inbox(..., window=...)"
        )
    others = ", ".join(sorted(map(repr, window.others)))
    known = f"; it has opened {others}" if others else ""
    return NoInboxError(
        f"{name} has not opened an inbox {window.inbox!r} within {timeout:g} s{known}: its workflow opens one with"
        f" ctx.inbox({window.inbox!r}, ...), and may have yet to come there"
    )


def _name(arn: str) -> str:
    parts = ExecutionArn.read(arn)
    return arn if parts is None else parts.execution_name
