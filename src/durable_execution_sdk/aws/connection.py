"""A connection to the API, and the call that waits for an answer from it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from durable_execution_sdk.aws.channel import Channel
from durable_execution_sdk.aws.framing import HttpResponse, MalformedResponseError, ResponseReader

__all__ = ["Asked", "Connection", "OverdueError"]

_date = time.time  # noqa: TID251 - how long the process was frozen


class OverdueError(Exception):
    """No complete response came in time."""


class Asked:
    """A request that was sent, and its answer. ``told`` is called in the moment in which that comes.

    Then ``HttpTransport.ended`` has to follow, or ``send``, which may also wait for the answer. ``connections`` is
    the list of idle ones from which the connection was taken.
    """

    __slots__ = ("_told", "connection", "connections", "error", "request", "response")

    def __init__(
        self,
        request: bytes,
        connection: Connection,
        connections: list[Connection],
        told: Callable[[], object],
    ) -> None:
        self.request = request
        self.connection = connection
        self.connections = connections
        self._told = told
        self.response: HttpResponse | None = None
        self.error: Exception | None = None

    def done(self) -> bool:
        """Return ``True`` if there is a response, or an error."""
        return self.response is not None or self.error is not None

    def set_result(self, result: HttpResponse, /) -> None:
        """Take the response, and tell of it."""
        self.response = result
        self._told()

    def set_exception(self, exception: Exception, /) -> None:
        """Take an error, and tell of it."""
        self.error = exception
        self._told()

    async def answer(self) -> HttpResponse:
        """Wait for the response; nothing else is told of it any more."""
        if not self.done():
            there = self.connection.loop.create_future()
            self._told = lambda: None if there.done() else there.set_result(None)
            await there
        if self.response is None:
            assert self.error is not None
            raise self.error
        return self.response


class Connection:
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
        self._answer: asyncio.Future[HttpResponse] | Asked | None = None
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
        answer: asyncio.Future[HttpResponse] | Asked,
    ) -> None:
        """Send a request for this response, this error, or ``OverdueError``.

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
            answer.set_exception(OverdueError())

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
