"""Server-sent events: changes of all executions, with those of some in detail, and those of one execution.

A reader that was cut off sends the id of the last message that it got, and goes on after it. Messages are
at least ``GAP_SECONDS`` apart from the next look, so that a busy server is not kept busy by its readers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from durable_execution_sdk.dev.feed.about import About, TellAbout
from durable_execution_sdk.dev.feed.changes import CALLBACKS_OF, FUNCTIONS, SERVER, Changes
from durable_execution_sdk.dev.feed.documents import Document, FeedDocuments
from durable_execution_sdk.dev.feed.documents.process_documents import (
    function_documents,
    line_document,
)
from durable_execution_sdk.dev.feed.position import Position
from durable_execution_sdk.dev.feed.process_view import ProcessView
from durable_execution_sdk.dev.feed.reader import TimelineReader
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.rendering.callback_names import references
from durable_execution_sdk.rendering.documents import callback_document
from durable_execution_sdk.rendering.family import Waiter, family
from durable_execution_sdk.server.backend import Backend

__all__ = ["Streams"]

GAP_SECONDS = 0.1
SILENCE_SECONDS = 15.0
"""Longest time without a message; a comment is sent then, so that a lost connection is noticed."""

MOST_LINES = 500
"""Lines of logs in one message."""

_COMMENT = ": still here\n\n"


class _News(NamedTuple):
    """A message about one execution, and the position after it."""

    kind: str
    document: Document
    position: Position


class Streams:
    """Makes the streams of a server."""

    def __init__(
        self,
        backend: Backend,
        emulator: Emulator,
        changes: Changes,
        documents: FeedDocuments,
        local: ProcessView,
        about: TellAbout,
    ) -> None:
        self._backend = backend
        self._about = about
        self._emulator = emulator
        self._changes = changes
        self._documents = documents
        self._local = local

    async def all_executions(
        self, since: int | None, watched: Mapping[str, Position]
    ) -> AsyncGenerator[str]:
        """Yield the row of each execution that changed after a number, and of each that changes.

        Of those that are ``watched``, all changes after a position come too.
        """
        number = self._changes.number if since is None else since
        positions = dict(watched)
        readers = {arn: self._reader(arn) for arn in watched}
        async with aclosing(self._looks()) as looks:
            async for is_silent in looks:
                changed = self._changes.since(number)
                if changed is None:
                    number = self._changes.number
                    yield _message("reset", {"number": number}, number)
                for change, key in changed or ():
                    number = change
                    yield await self._backend.run(self._change, key, number)
                is_quiet = not changed
                for arn, reader in tuple(readers.items()):
                    news = await self._backend.run(self._news, reader, arn, positions[arn])
                    while news and not self._changes.is_closed():
                        is_quiet = False
                        for each in news:
                            yield _watched(arn, each)
                        positions[arn] = news[-1].position
                        news = await self._backend.run(self._news, reader, arn, positions[arn])
                    if news is None:
                        # That it was deleted is told of every execution.
                        del readers[arn]
                if is_silent and is_quiet:
                    yield _COMMENT

    async def one_execution(self, arn: str, since: Position) -> AsyncGenerator[str]:
        """Yield what changed of an execution after a position, and what changes, with the lines of logs."""
        reader = self._reader(arn)
        position = since
        async with aclosing(self._looks()) as looks:
            async for is_silent in looks:
                news = await self._backend.run(self._news, reader, arn, position)
                is_quiet = not news
                # Several times: there may be more lines than one message has.
                while news and not self._changes.is_closed():
                    for kind, document, position in news:
                        yield _message(kind, document, position)
                    news = await self._backend.run(self._news, reader, arn, position)
                if news is None:
                    yield _message("deleted", {"durable_execution_arn": arn}, position)
                    return
                if is_silent and is_quiet:
                    yield _COMMENT

    def _reader(self, arn: str) -> TimelineReader:
        return TimelineReader(self._emulator, arn, self._local.logs)

    def _change(self, key: str, number: int) -> str:
        if key == FUNCTIONS:
            functions = function_documents(self._emulator, self._local)
            return _message("functions", {"functions": functions}, number)
        if key == SERVER:
            return _message("server", self._about(), number)
        if key.startswith(CALLBACKS_OF):
            return _message("callbacks", self._callbacks(key.removeprefix(CALLBACKS_OF)), number)
        row = self._documents.row(key)
        if row is None:
            return _message("deleted", {"durable_execution_arn": key}, number)
        return _message("execution", row, number)

    def _callbacks(self, arn: str) -> Document:
        """Return the callbacks for which an execution, or one that it invoked, waits."""
        waiters: dict[str, Waiter] = {}
        with suppress(ServiceError):  # It may have been deleted.
            executions = family(self._emulator, arn)
            if executions.execution.ended_at is None:
                waiters = references(executions)
        return {
            "durable_execution_arn": arn,
            "callbacks": [callback_document(*entry) for entry in waiters.items()],
        }

    def _news(self, reader: TimelineReader, arn: str, position: Position) -> list[_News] | None:
        """Return what is new after a position; ``None`` if the execution is gone."""
        if self._emulator.store.find(arn) is None:
            return None
        reader.catch_up()
        head, place = reader.position.head, reader.position.place
        if position.head > head:
            # An event of another execution, or a number that is made up.
            now = Position(head, reader.last_line(), place)
            return [_News("reset", {"head": head, "position": str(now)}, now)]
        messages: list[_News] = []
        if head > position.head or place > position.place:
            now = Position(head, position.line, place)
            changed = self._documents.execution(arn, reader.timeline, now, position)
            messages.append(_News("changes", changed, now))
            position = now
        if self._local.logs is not None:
            lines = self._local.logs.lines(arn, after=position.line, limit=MOST_LINES)
            if lines:
                now = replace(position, line=lines[-1].number)
                document: Document = {"lines": [line_document(line) for line in lines]}
                messages.append(_News("logs", document, now))
        return messages

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


def _watched(arn: str, news: _News) -> str:
    """Write a message of a watched execution; without an id, since its number is that of no change."""
    document: Document = {
        "durable_execution_arn": arn,
        "event": news.kind,
        "position": str(news.position),
        "data": news.document,
    }
    return f"event: watched\ndata: {msgspec.json.encode(document).decode()}\n\n"


def _message(kind: str, document: Document | About, number: int | Position) -> str:
    # JSON has no line breaks, so one line of data is enough.
    return f"id: {number}\nevent: {kind}\ndata: {msgspec.json.encode(document).decode()}\n\n"
