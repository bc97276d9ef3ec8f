"""Send requests and receive responses over connections that are kept for later calls.

A connection that the peer closed while it was idle (Lambda freezes the process between invocations) is
replaced, and the request is sent again. So a request that must not be repeated gets a new connection.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable

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


class Asked(asyncio.Future[HttpResponse]):
    """The answer to a request that was sent, and ``told``, which is called in the moment in which it comes.

    Then ``HttpTransport.ended`` has to follow, or ``send``, which may also wait for the answer. ``connections`` is
    the list of idle ones from which the connection was taken.
    """

    __slots__ = ("connection", "connections", "request", "told")

    def __init__(
        self,
        request: bytes,
        connection: _Connection,
        connections: list[_Connection],
        told: Callable[[], object],
    ) -> None:
        super().__init__(loop=connection.loop)
        self.request = request
        self.connection = connection
        self.connections = connections
        self.told: Callable[[], object] | None = told

    def set_result(self, result: HttpResponse, /) -> None:
        """Take the response, and tell of it."""
        super().set_result(result)
        self._tell()

    def set_exception(self, exception: type | BaseException, /) -> None:
        """Take an error, and tell of it."""
        super().set_exception(exception)
        self._tell()

    def _tell(self) -> None:
        told, self.told = self.told, None
        if told is not None:
            told()


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
        self.loop = loop
        self._descriptor = channel.fileno()
        self._answer: asyncio.Future[HttpResponse] | None = None
        self._send_error: OSError | None = None
        self._is_read = self._is_written = False
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = self._rings_at = 0.0
        self._idle_since = self._idle_since_date = 0.0

    def ask(
        self,
        request: bytes,
        within: float,
        task: asyncio.Task[object] | None,
        answer: asyncio.Future[HttpResponse],
    ) -> None:
        """Send a request for this response, this error, or ``_OverdueError``.

        The request is one of a series of this task's, or a single one. ``end`` or ``close`` has to follow.
        """
        self.reader = ResponseReader()
        self._answer = answer
        if task is not self._task:
            self._belong_to(task)
        self._deadline = deadline = time.monotonic() + within
        if self._timer is None or deadline < self._rings_at:
            self._set_timer(within)
        if not self._is_read:
            # The loop of an execution environment has a quicker way.
            watch = getattr(self.loop, "add_answer_reader", self.loop.add_reader)
            watch(self._descriptor, self._readable)
            self._is_read = True
        self._push(request)

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
        if self.loop.is_closed():
            return
        if self._is_read:
            self.loop.remove_reader(self._descriptor)
        if self._is_written:
            self.loop.remove_writer(self._descriptor)
        self._is_read = self._is_written = False

    def _set_timer(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = time.monotonic() + seconds
        self._timer = self.loop.call_later(seconds, self._ring)

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
            self.loop.remove_writer(self._descriptor)
        elif not is_sent and not self._is_written:
            self.loop.add_writer(self._descriptor, self._push)
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
        connection.ask(request, self._patience.answer, task, asked)
        return asked

    def ended(self, connection: _Connection, connections: list[_Connection]) -> None:
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
        if asked is not None:
            connections, kept = asked.connections, asked.connection
        else:
            connections = idle.connections
            kept = self._take(connections) if repeatable else None
        within = answer_within or self._patience.answer
        task: asyncio.Task[object] | None = asyncio.current_task() if in_series else None
        while True:
            connection = kept or await self._connect(loop)
            try:
                if asked is not None:
                    answer: asyncio.Future[HttpResponse] = asked
                    asked.told = asked = None
                else:
                    # The loop's own method asks if workflow code is the caller, which makes no series.
                    answer = asyncio.Future(loop=loop) if in_series else loop.create_future()
                    connection.ask(request, within, task, answer)
                response = await answer
            except BaseException as error:
                connection.close()
                if not isinstance(error, (_OverdueError, OSError, MalformedResponseError)):
                    raise
                if kept is None or connection.reader.began or isinstance(error, _OverdueError):
                    raise self._without_answer(error, within, connection) from error
                kept = None  # The peer closed it while it was idle.
            else:
                break
        self.ended(connection, connections)
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
