"""Send requests and receive responses over connections that are kept for later calls.

A connection that the peer closed while it was idle (Lambda freezes the process between invocations) is
replaced, and the request is sent again. So a request that must not be repeated gets a new connection.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time

from durable_execution_sdk.aws.channel import Channel, Trust, open_channel
from durable_execution_sdk.aws.framing import HttpResponse, MalformedResponseError, ResponseReader
from durable_execution_sdk.ports.backoff import Patience

__all__ = ["HttpTransport", "NoAnswerError"]

_MOST_IDLE = 4
_date = time.time  # noqa: TID251 - how long the process was frozen


class NoAnswerError(Exception):
    """There was no complete response. ``sent``: the peer may have received the request."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class _OverdueError(Exception):
    """No complete response came in time."""


class _Connection:
    """A channel to the host, and the call that waits for an answer from it.

    The socket is registered with the event loop, and a timer is set, while a call waits. To register both
    anew takes as long as the rest of a small call. So they stay for a task that makes a series of calls, and
    no longer than it: an idle connection runs no callbacks in the next invocation.
    """

    def __init__(self, channel: Channel, loop: asyncio.AbstractEventLoop) -> None:
        self.is_open = True
        self.reader = ResponseReader()
        self._channel = channel
        self._loop = loop
        self._descriptor = channel.fileno()
        self._answer: asyncio.Future[HttpResponse] | None = None
        self._send_error: OSError | None = None
        self._is_read = self._is_written = False
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = self._rings_at = 0.0
        self._idle_since = self._idle_since_date = 0.0

    def ask(
        self, request: bytes, within: float, *, in_series: bool
    ) -> asyncio.Future[HttpResponse]:
        """Send a request; return the future of the response, of an error, or of ``_OverdueError``.

        ``end`` or ``close`` has to follow.
        """
        self.reader = ResponseReader()
        task: asyncio.Task[object] | None = None
        if in_series:
            task = asyncio.current_task()
            # The loop's own method asks if workflow code is the caller, which makes no series.
            answer: asyncio.Future[HttpResponse] = asyncio.Future(loop=self._loop)
        else:
            answer = self._loop.create_future()
        self._answer = answer
        if task is not self._task:
            self._belong_to(task)
        self._deadline = deadline = time.monotonic() + within
        if self._timer is None or deadline < self._rings_at:
            self._set_timer(within)
        if not self._is_read:
            self._loop.add_reader(self._descriptor, self._readable)
            self._is_read = True
        self._push(request)
        return answer

    def end(self) -> bool:
        """End a call that was answered; return ``False`` if the connection is of no more use."""
        self._answer = None
        if not self.reader.reusable or self._is_written or self._send_error or not self.is_open:
            return False
        if self._task is None:
            self._leave_loop()
        self._idle_since, self._idle_since_date = time.monotonic(), _date()
        return True

    def is_fresh(self, seconds: float) -> bool:
        """True when it was idle for less than so many seconds, and the peer has closed or sent nothing."""
        # The monotonic clock may stand still while the process is frozen.
        idle = max(time.monotonic() - self._idle_since, _date() - self._idle_since_date)
        return self.is_open and idle < seconds and self._channel.is_quiet()

    def close(self) -> None:
        """Close the connection at once."""
        if self.is_open:
            self.is_open = False
            self._belong_to(None)
            self._leave_loop()
            self._channel.close()

    def _belong_to(self, task: asyncio.Task[object] | None) -> None:
        """Stay registered for as long as this task lives; for one call if it is ``None``."""
        if self._task is not None:
            self._task.remove_done_callback(self._ended)
        if task is not None:
            task.add_done_callback(self._ended)
        self._task = task

    def _ended(self, _: object) -> None:
        self._task = None
        if self._answer is None:
            self._leave_loop()

    def _leave_loop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._loop.is_closed():
            return
        if self._is_read:
            self._loop.remove_reader(self._descriptor)
        if self._is_written:
            self._loop.remove_writer(self._descriptor)
        self._is_read = self._is_written = False

    def _set_timer(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = time.monotonic() + seconds
        self._timer = self._loop.call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        answer = self._answer
        if answer is None or answer.done():
            return
        left = self._deadline - time.monotonic()
        if left > 0:
            self._set_timer(left)  # The timer was that of an earlier call.
        else:
            answer.set_exception(_OverdueError())

    def _readable(self) -> None:
        answer = self._answer
        if answer is None or answer.done():
            if not self._channel.is_quiet():
                self.close()
            return
        try:
            data = self._channel.receive()
            while data is not None:
                response = self.reader.feed(data)
                if response is not None:
                    answer.set_result(response)
                    return
                data = self._channel.rest()
            self._push()  # TLS may have to answer something itself
        except (OSError, MalformedResponseError) as error:
            answer.set_exception(self._send_error or error)

    def _push(self, request: bytes | None = None) -> None:
        """Send the request, or what is left of it; the rest as soon as the socket is writable."""
        try:
            is_sent = self._channel.flush() if request is None else self._channel.send(request)
        except OSError as error:
            # A peer that refuses a body may respond and close while the body is being sent.
            self._send_error, is_sent = error, True
        if is_sent and self._is_written:
            self._loop.remove_writer(self._descriptor)
        elif not is_sent and not self._is_written:
            self._loop.add_writer(self._descriptor, self._push)
        self._is_written = not is_sent


class _Idle(threading.local):
    """The idle connections of the running thread, which belong to the event loop that used them last."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.generation = 0
        self.connections: list[_Connection] = []


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

    async def send(
        self,
        request: bytes,
        *,
        repeatable: bool,
        answer_within: float | None = None,
        in_series: bool = False,
    ) -> HttpResponse:
        """Send a request and return its response; raise ``NoAnswerError`` if there is none.

        ``answer_within`` is the time limit for the response in seconds, ``Patience.answer`` by default.
        ``in_series``: the calling task sends more requests, for which the connection stays registered.
        """
        loop = asyncio.get_running_loop()
        idle = self._idle
        if loop is not idle.loop or idle.generation != self._generation:
            self._leave_idle()
            idle.loop = loop
        connections = idle.connections
        kept = self._take(connections) if repeatable else None
        within = answer_within or self._patience.answer
        while True:
            connection = kept or await self._connect(loop)
            try:
                response = await connection.ask(request, within, in_series=in_series)
            except BaseException as error:
                connection.close()
                if not isinstance(error, (_OverdueError, OSError, MalformedResponseError)):
                    raise
                if kept is None or connection.reader.began or isinstance(error, _OverdueError):
                    raise self._without_answer(error, within, connection) from error
                kept = None  # The peer closed it while it was idle.
            else:
                break
        if connection.end() and connections is idle.connections:
            connections.append(connection)
            if len(connections) > _MOST_IDLE:
                connections.pop(0).close()
        else:
            connection.close()
        return response

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

    def _take(self, idle: list[_Connection]) -> _Connection | None:
        while idle:
            connection = idle.pop()
            if connection.is_fresh(self._patience.idle):
                return connection
            connection.close()
        return None

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> _Connection:
        try:
            async with asyncio.timeout(self._patience.connect):
                return _Connection(await self._open(), loop)
        except OSError as error:
            is_late = isinstance(error, TimeoutError)
            why = f" within {self._patience.connect:g} s" if is_late else f": {error}"
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

    def _without_answer(self, error: Exception, within: float, used: _Connection) -> NoAnswerError:
        peer = f"{self._host}:{self._port}"
        if isinstance(error, _OverdueError):
            # The idle connections are probably dead as well.
            self.close()
            reason = f"no answer from {peer} within {within:g} s"
        elif used.reader.began:
            reason = f"incomplete response from {peer}: {error}"
        else:
            reason = f"{peer} closed the connection without an answer ({error})"
        return NoAnswerError(reason, sent=True)
