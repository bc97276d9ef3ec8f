"""Server-sent events: changed rows of all executions, and the changes of one execution.

A reader that was cut off sends the id of the last message that it got, and goes on after it. Messages are
at least ``GAP_SECONDS`` apart from the next look, so that a busy server is not kept busy by its readers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from durable_execution_sdk.dev.feed.changes import FUNCTIONS, Changes
from durable_execution_sdk.dev.feed.documents import Document, FeedDocuments, function_documents
from durable_execution_sdk.dev.feed.reader import TimelineReader
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.server.backend import Backend

__all__ = ["Streams"]

GAP_SECONDS = 0.1
SILENCE_SECONDS = 15.0
"""Longest time without a message; a comment is sent then, so that a lost connection is noticed."""

_COMMENT = ": still here\n\n"


class Streams:
    """Makes the streams of a server."""

    def __init__(
        self, backend: Backend, emulator: Emulator, changes: Changes, documents: FeedDocuments
    ) -> None:
        self._backend = backend
        self._emulator = emulator
        self._changes = changes
        self._documents = documents

    async def all_executions(self, since: int | None) -> AsyncGenerator[str]:
        """Yield the row of each execution that changed after a number, and of each that changes."""
        number = self._changes.number if since is None else since
        async with aclosing(self._looks()) as looks:
            async for is_silent in looks:
                changed = self._changes.since(number)
                if changed is None:
                    number = self._changes.number
                    yield _message("reset", {"number": number}, number)
                    continue
                for change, key in changed:
                    number = change
                    yield await self._backend.run(self._change, key, number)
                if is_silent and not changed:
                    yield _COMMENT

    async def one_execution(self, arn: str, since: int) -> AsyncGenerator[str]:
        """Yield what changed of an execution after its event number ``since``, and what changes."""
        reader = TimelineReader(self._emulator, arn)
        head = since
        async with aclosing(self._looks()) as looks:
            async for is_silent in looks:
                document = await self._backend.run(self._news, reader, arn, head)
                if document is None:
                    yield _message("deleted", {"durable_execution_arn": arn}, head)
                    return
                if head > reader.head:
                    # An event of another execution, or a number that is made up.
                    head = reader.head
                    yield _message("reset", {"head": head}, head)
                elif reader.head > head:
                    head = reader.head
                    yield _message("changes", document, head)
                elif is_silent:
                    yield _COMMENT

    def _change(self, key: str, number: int) -> str:
        if key == FUNCTIONS:
            functions = function_documents(self._emulator)
            return _message("functions", {"functions": functions}, number)
        row = self._documents.row(key)
        if row is None:
            return _message("deleted", {"durable_execution_arn": key}, number)
        return _message("execution", row, number)

    def _news(self, reader: TimelineReader, arn: str, head: int) -> Document | None:
        """Return the document of an execution's changes, empty if there are none; ``None`` if it is gone."""
        if self._emulator.store.find(arn) is None:
            return None
        reader.catch_up()
        if reader.head <= head:
            return {}
        return self._documents.execution(arn, reader.timeline, reader.head, head)

    async def _looks(self) -> AsyncGenerator[bool]:
        """Yield now and after each change, until the feed is closed; ``True`` if nothing changed for long."""
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        end = self._changes.listen(wake)
        is_silent = False
        try:
            while not self._changes.is_closed():
                woken.clear()
                yield is_silent
                if self._changes.is_closed():
                    return
                await asyncio.sleep(GAP_SECONDS)
                try:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        await woken.wait()
                    is_silent = False
                except TimeoutError:
                    is_silent = True
        finally:
            end()


def _message(kind: str, document: Document, number: int) -> str:
    # JSON has no line breaks, so one line of data is enough.
    return f"id: {number}\nevent: {kind}\ndata: {msgspec.json.encode(document).decode()}\n\n"
