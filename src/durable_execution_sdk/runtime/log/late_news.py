"""The notes of late news, which keep in the log the rank with which a late end was delivered.

They are rare: the end of an operation is late if a later one was known, and delivered, before it.

An end that the service holds back over a crash, a suspension or the end of the execution cannot be recognized as
late. In
``gather(pay(ctx.wait(1)), pay(ctx.step(work)))``, where ``pay`` awaits its operand and takes the next name for a
step, let the service hold back the end of the wait, and the later end of the step be delivered. After a crash
or a suspension the event holds both, and replay delivers the wait first. A note would have to be in the log before
the step is delivered, when the end of the wait is not known. No field of the wire says which ends a process has
seen. So a late end keeps its place only if it arrives while a body runs, after which the handler calls again, and
if the process lives until the note is acknowledged.

An operation that the code drops before its end arrives gets a note too (``Dropped``), as the invoke ``call`` does in
``asyncio.wait([call, work], return_when=FIRST_COMPLETED)`` before ``call.cancel()``. If the handler returns there,
only the answer to its last updates can still bring the end of ``call``. If that leaves it out, or there are no
updates, a replay of the ended execution sees ``call`` first.
"""

from __future__ import annotations

from typing import Any

import msgspec

from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationStatus,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate
from durable_execution_sdk.runtime.log import LATE_NEWS_NAME, Journal, LateNews
from durable_execution_sdk.runtime.log.ids import late_news_id

__all__ = ["Note"]


class Note:
    """A note of late news on its way into the log: a STEP that workflow code does not ask for."""

    is_pending = False
    is_awaited = False
    due_at: float | None = None

    def __init__(self, news: LateNews, journal: Journal, unranked: set[str]) -> None:
        self.operation_id = late_news_id(news.late)
        self.label = f"the note that the end of {news.late} came late"
        self._news = news
        self._journal = journal
        self._unranked = unranked

    def update(self, context_state: Any) -> OperationUpdate:
        """Return the update that records it, in the context of the late operation.

        If that has ended, the service takes it only in a context around it. Either way it is returned for as long
        as that operation is. It is a single update, so that a crash cannot leave half of it.
        """
        while context_state.is_closed and context_state.parent is not None:
            context_state = context_state.parent
        return OperationUpdate(
            id=self.operation_id,
            type=OperationType.STEP,
            action=OperationAction.SUCCEED,
            parent_id=context_state.parent_id,
            name=LATE_NEWS_NAME,
            sub_type=OperationSubType.STEP,
            payload=msgspec.json.encode(self._news).decode(),
        )

    def observe(self, record: Operation) -> None:
        """Let the late end be delivered once the note is recorded: replay will deliver it with the same rank."""
        if record.status == OperationStatus.SUCCEEDED:
            self._journal.noted(self.operation_id, self._news.late, self._news.at)
            self._unranked.discard(self._news.late)
