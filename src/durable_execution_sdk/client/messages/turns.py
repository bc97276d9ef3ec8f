"""The order of the messages that one program sends to one inbox at the same time.

Each look at an inbox is a request for a history, of which an account has 15 a second, and of all senders that look at the
same time one gets the first place. So forty messages that are sent at once would cost hundreds of looks, come in any
order, and many would find no room in time, although the workflow takes one after the other. Here the senders stand in a
line, in the order of their calls: the first looks until its message is accepted, then the next one does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

__all__ = ["Turns"]


class Turns:
    """The lines of senders of one client, one for each inbox to which messages are being sent."""

    def __init__(self) -> None:
        # By the loop, the execution and the inbox: the lock, and the number of senders that use it.
        self._lines: dict[tuple[object, str, str], tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, arn: str, inbox: str, seconds: float) -> AsyncGenerator[None]:
        """Wait for one's turn to send to an inbox, and keep it. After these seconds it is one's turn anyway."""
        key = (asyncio.get_running_loop(), arn, inbox)
        lock, senders = self._lines.get(key, (asyncio.Lock(), 0))
        self._lines[key] = lock, senders + 1
        is_ours = False
        try:
            is_ours = await _taken(lock, seconds)
            yield
        finally:
            if is_ours:
                lock.release()
            lock, senders = self._lines.pop(key)
            if senders > 1:
                self._lines[key] = lock, senders - 1


async def _taken(lock: asyncio.Lock, seconds: float) -> bool:
    """Wait for a lock for some seconds; return ``False`` if it was not free in time."""
    try:
        async with asyncio.timeout(seconds):
            return await lock.acquire()
    except TimeoutError:
        return False
