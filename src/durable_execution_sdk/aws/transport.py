"""Send requests and receive responses over connections that are kept for later calls.

A connection that the peer closed while it was idle (Lambda freezes the process between invocations) is
replaced, and the request is sent again. So a request that must not be repeated gets a new connection.
"""

from __future__ import annotations

import asyncio
import ssl

import msgspec

from durable_execution_sdk.aws.channel import Channel, Trust, open_channel
from durable_execution_sdk.aws.framing import HttpResponse, MalformedResponseError, ResponseReader

__all__ = ["HttpTransport", "NoAnswerError", "Patience"]


class NoAnswerError(Exception):
    """There was no complete response. ``sent``: the peer may have received the request."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits in seconds: to connect, for a response, and for reusing an idle connection."""

    connect: float = 5.0
    answer: float = 30.0
    idle: float = 60.0


class _StaleError(Exception):
    """The peer closed the connection before the first byte of a response."""


class HttpTransport:
    """Sends requests to one host. Connections belong to the event loop that used them last."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        trust: Trust | None,
        patience: Patience | None = None,
        most_idle: int = 4,
    ) -> None:
        self._host = host
        self._port = port
        self._trust = trust
        self._patience = patience or Patience()
        self._most_idle = most_idle
        # Each with the time since which it is idle.
        self._idle: list[tuple[Channel, float]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._generation = 0

    async def send(
        self, request: bytes, *, repeatable: bool, answer_within: float | None = None
    ) -> HttpResponse:
        """Send a request and return its response; raise ``NoAnswerError`` if there is none.

        ``answer_within`` is the time limit for the response in seconds, ``Patience.answer`` by default.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self.close()
            self._loop = loop
        within = answer_within or self._patience.answer
        generation = self._generation
        channel = self._take(loop.time()) if repeatable else None
        if channel is not None:
            try:
                return await self._exchange(channel, request, within, generation)
            except _StaleError:
                pass
        channel = await self._connect()
        try:
            return await self._exchange(channel, request, within, generation)
        except _StaleError as stale:
            raise NoAnswerError(
                f"{self._host}:{self._port} closed the connection without an answer "
                f"({stale.__cause__})",
                sent=True,
            ) from stale.__cause__

    def close(self) -> None:
        """Close idle connections now, and the others as soon as their call ends."""
        self._generation += 1
        idle, self._idle = self._idle, []
        for channel, _ in idle:
            channel.close()

    def _take(self, now: float) -> Channel | None:
        while self._idle:
            channel, since = self._idle.pop()
            if now - since < self._patience.idle and channel.is_quiet():
                return channel
            channel.close()
        return None

    async def _connect(self) -> Channel:
        try:
            async with asyncio.timeout(self._patience.connect):
                return await self._open()
        except TimeoutError as error:
            raise NoAnswerError(
                f"no connection to {self._host}:{self._port} within {self._patience.connect:g} s",
                sent=False,
            ) from error
        except OSError as error:
            raise NoAnswerError(
                f"no connection to {self._host}:{self._port}: {error}", sent=False
            ) from error

    async def _open(self) -> Channel:
        if self._trust is None:
            return await open_channel(self._host, self._port, tls=None)
        try:
            return await open_channel(self._host, self._port, tls=self._trust.context())
        except ssl.SSLCertVerificationError:
            if not self._trust.widen():
                raise
        return await open_channel(self._host, self._port, tls=self._trust.context())

    async def _exchange(
        self, channel: Channel, request: bytes, within: float, generation: int
    ) -> HttpResponse:
        reader = ResponseReader()
        is_complete = False
        try:
            async with asyncio.timeout(within):
                response = await _converse(channel, request, reader)
            is_complete = True
        except TimeoutError as error:
            # The idle connections are probably dead as well.
            self.close()
            raise NoAnswerError(
                f"no answer from {self._host}:{self._port} within {within:g} s", sent=True
            ) from error
        except (OSError, MalformedResponseError) as error:
            if not reader.began:
                raise _StaleError from error
            raise NoAnswerError(
                f"incomplete response from {self._host}:{self._port}: {error}", sent=True
            ) from error
        finally:
            if is_complete and reader.reusable and generation == self._generation:
                self._put_back(channel)
            else:
                channel.close()
        return response

    def _put_back(self, channel: Channel) -> None:
        self._idle.append((channel, asyncio.get_running_loop().time()))
        if len(self._idle) > self._most_idle:
            oldest, _ = self._idle.pop(0)
            oldest.close()


async def _converse(channel: Channel, request: bytes, reader: ResponseReader) -> HttpResponse:
    send_error: OSError | None = None
    try:
        await channel.send(request)
    except OSError as error:
        # A peer that refuses a body may respond and close while the body is being sent.
        send_error = error
    try:
        while True:
            response = reader.feed(await channel.receive())
            if response is not None:
                return response
    except (OSError, MalformedResponseError) as error:
        if send_error is not None:
            raise send_error from error
        raise
