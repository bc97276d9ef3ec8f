"""The timeouts of ``Inbox.get``: those of asyncio, whose durable timers have a name of their own."""

from __future__ import annotations

import asyncio
from functools import partial

from durable_execution_sdk.duration import Duration
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.log.ids import INBOX_TIMER_NAME
from durable_execution_sdk.runtime.timers import TIMERS_OF, DurableTimer

__all__ = ["inbox_timeout"]


class InboxTimer(DurableTimer):
    """The timer of ``Inbox.get(timeout=...)``."""

    __slots__ = ("_inbox", "_limit")

    def __init__(
        self,
        inbox: str,
        limit: Duration,
        context_state: ContextState,
        operation_id: str,
        place: int,
        delay: float,
    ) -> None:
        self._inbox = inbox
        self._limit = limit
        super().__init__(context_state, operation_id, place, delay, INBOX_TIMER_NAME)

    @property
    def label(self) -> str:
        """The name of the timer in messages."""
        return f"the timeout of {self._limit} of the inbox {self._inbox!r}"


def inbox_timeout(inbox: str, limit: Duration) -> asyncio.Timeout:
    """Return a timeout whose timer is named after the inbox."""
    timeout = asyncio.timeout(limit.seconds)
    TIMERS_OF[timeout] = partial(InboxTimer, inbox, limit)
    return timeout
