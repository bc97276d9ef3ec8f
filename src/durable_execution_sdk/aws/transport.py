"""Send requests and receive responses over connections that are kept for later calls.

A connection that the peer closed while it was idle (Lambda freezes the process between invocations) is
replaced, and the request is sent again. So a request that must not be repeated gets a new connection.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable

from msgspec.structs import replace

from durable_execution_sdk.aws.channel import Channel, Trust, open_channel
from durable_execution_sdk.aws.connection import Asked, Connection, OverdueError
from durable_execution_sdk.aws.framing import HttpResponse, MalformedResponseError
from durable_execution_sdk.call_timing import Patience

__all__ = ["HttpTransport", "NoAnswerError"]

_MOST_IDLE = 4
# The names of this computer at which a server is a development server, and may not run.
_HERE = frozenset(("127.0.0.1", "::1", "localhost"))


class NoAnswerError(Exception):
    """There was no complete response. ``sent``: the peer may have received the request."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class _Idle(threading.local):
    """The idle connections of the running thread, which belong to the event loop that used them last."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.generation = 0
        self.connections: list[Connection] = []


class HttpTransport:
    """Sends requests to one host. Each thread has its own connections: their sockets are its loop's."""

    def __init__(
        self, host: str, port: int, *, trust: Trust | None, patience: Patience | None = None
    ) -> None:
        self._host = host
        self._port = port
        self._trust = trust
        self._patience = patience or Patience()
        self._idle = _Idle()
        self._generation = 0

    def ask(
        self, request: bytes, task: asyncio.Task[object], told: Callable[[], object]
    ) -> Asked | None:
        """Send a request of a task's series over an idle connection; return ``None`` if there is none."""
        idle = self._idle
        if idle.loop is not task.get_loop() or idle.generation != self._generation:
            return None
        connection = self._take(idle.connections)
        if connection is None:
            return None
        asked = Asked(request, connection, idle.connections, told)
        try:
            connection.ask(request, self._patience.answer, task, asked)
        except BaseException:
            connection.close()
            raise
        return asked

    def ended(self, connection: Connection, connections: list[Connection]) -> None:
        """End a call that was answered, and keep its connection for later ones."""
        if connection.end() and connections is self._idle.connections:
            connections.append(connection)
            if len(connections) > _MOST_IDLE:
                connections.pop(0).close()
        else:
            connection.close()

    async def send(
        self,
        request: bytes,
        *,
        repeatable: bool,
        answer_within: float | None = None,
        in_series: bool = False,
        asked: Asked | None = None,
    ) -> HttpResponse:
        """Send a request and return its response; raise ``NoAnswerError`` if there is none.

        ``answer_within`` is the time limit for the response in seconds, ``Patience.answer`` by default.
        ``in_series``: the calling task sends more requests, for which the connection stays registered.
        ``asked``: the request was sent already, by ``ask``.
        """
        loop = asyncio.get_running_loop()
        idle = self._idle
        if loop is not idle.loop or idle.generation != self._generation:
            self._leave_idle()
            idle.loop = loop
        connections = idle.connections if asked is None else asked.connections
        kept: Connection | None = None
        if asked is not None:
            kept = asked.connection
        elif repeatable:
            kept = self._take(connections)
        within = answer_within or self._patience.answer
        task: asyncio.Task[object] | None = asyncio.current_task() if in_series else None
        is_repetition = False
        while True:
            connection = kept or await self._connect(loop)
            try:
                if asked is not None:
                    sent, asked = asked, None
                    response = await sent.answer()
                    break
                # The loop's own method asks if workflow code is the caller, which makes no series.
                answer: asyncio.Future[HttpResponse] = (
                    asyncio.Future(loop=loop) if in_series else loop.create_future()
                )
                connection.ask(request, within, task, answer)
                response = await answer
            except BaseException as error:
                connection.close()
                if not isinstance(error, (OverdueError, OSError, MalformedResponseError)):
                    raise
                if kept is None or connection.reader.began or isinstance(error, OverdueError):
                    raise self._without_answer(error, within, connection) from error
                kept, is_repetition = (
                    None,
                    True,
                )  # The peer closed it, most likely while it was idle.
            else:
                break
        self.ended(connection, connections)
        return replace(response, is_to_repetition=True) if is_repetition else response

    def close(self) -> None:
        """Close idle connections now, others when their call ends, those of other threads in the next one."""
        self._generation += 1
        self._leave_idle()

    def _leave_idle(self) -> None:
        idle = self._idle
        idle.generation = self._generation
        connections, idle.connections = idle.connections, []
        for connection in connections:
            connection.close()

    def _take(self, idle: list[Connection]) -> Connection | None:
        while idle:
            connection = idle.pop()
            if connection.is_fresh(self._patience.idle):
                return connection
            connection.close()
        return None

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> Connection:
        try:
            async with asyncio.timeout(self._patience.connect):
                return Connection(await self._open(), loop)
        except OSError as error:
            is_late = isinstance(error, TimeoutError)
            why = f" within {self._patience.connect:g} s" if is_late else f": {error}"
            if isinstance(error, ConnectionRefusedError) and self._host in _HERE:
                why += "; nothing listens there: start `durable dev`, or correct AWS_ENDPOINT_URL_LAMBDA"
            reason = f"no connection to {self._host}:{self._port}{why}"
            raise NoAnswerError(reason, sent=False) from error

    async def _open(self) -> Channel:
        if self._trust is None:
            return await open_channel(self._host, self._port, tls=None)
        try:
            return await open_channel(self._host, self._port, tls=self._trust.context())
        except ssl.SSLCertVerificationError:
            if not self._trust.widen():
                raise
        return await open_channel(self._host, self._port, tls=self._trust.context())

    def _without_answer(self, error: Exception, within: float, used: Connection) -> NoAnswerError:
        peer = f"{self._host}:{self._port}"
        if isinstance(error, OverdueError):
            # The idle connections are probably dead as well.
            self.close()
            reason = f"no answer from {peer} within {within:g} s"
        elif used.reader.began:
            reason = f"incomplete response from {peer}: {error}"
        else:
            reason = f"{peer} closed the connection without an answer ({error})"
        return NoAnswerError(reason, sent=True)
