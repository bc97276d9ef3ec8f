"""Messages of a test to the inboxes of a deployed workflow's execution."""

from __future__ import annotations

from typing import TypeVar

from durable_execution_sdk.client.messages.inbox_ref import InboxRef, message_for
from durable_execution_sdk.client.messages.sending import Sending
from durable_execution_sdk.emulator.durations import seconds_allowed
from durable_execution_sdk.testing.cloud.connection import Connection

__all__ = ["SendsMessages"]

_T = TypeVar("_T")


class SendsMessages:
    """The method of the cloud runner that sends a message."""

    timeout: float
    _connection: Connection

    def _current(self) -> str:
        """Return the ARN of the execution that was started last."""
        raise NotImplementedError

    async def send(
        self,
        inbox: str | InboxRef[_T],
        value: _T,
        *,
        id: str | None = None,  # noqa: A002 - the public name
        timeout: float | None = None,
    ) -> str:
        """Send a message to an inbox of the execution once it has room, and return the id of the message.

        Raises:
            InboxFullError: there was no room in time.
            NoInboxError: the inbox was not opened in time, or was closed, or the execution has ended.
        """
        ref, chosen, payload = message_for(inbox, value, id)
        limit = self.timeout if timeout is None else seconds_allowed(timeout)
        message = Sending(ref.name, chosen, payload, limit)
        await self._connection.send(self._current(), message)
        return chosen
