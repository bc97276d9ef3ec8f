"""Invocations between a pool and the runtime client of one worker: one at a time.

Used in one event loop, without locks.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from hashlib import blake2b

import msgspec

from durable_execution_sdk.emulator.functions.invokers import Answer, Call
from durable_execution_sdk.protocol.error_object import ErrorObject

_NO_RESPONSE = ErrorObject(
    error_type="Runtime.NoResponse",
    error_message="The runtime asked for the next invocation without an answer to this one",
)


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """A call for a worker.

    ``arn`` is the execution's, ``milliseconds`` the time that the function has from the moment at which
    the worker takes the call. Requests of the function carry ``trace_header``, and so ``trace_parent``.
    """

    call: Call
    arn: str | None
    milliseconds: int
    trace_header: str
    trace_parent: str


class Exchange:
    """Hand calls to a worker, and its answers back.

    ``taken`` is resolved with ``True`` when the worker asks for the call that was offered, and with
    ``False`` when the worker has ended before. ``ready_at`` is the monotonic time of its first request.
    """

    def __init__(self, on_answer: Callable[[], None]) -> None:
        self._on_answer = on_answer
        self._offered: asyncio.Future[Handover] = asyncio.get_running_loop().create_future()
        self._answer: asyncio.Future[Answer] | None = None
        self._current: Handover | None = None
        self.taken: asyncio.Future[bool] | None = None
        self.is_closed = False
        self.init_error: ErrorObject | None = None
        self.is_ready = False
        self.ready_at: float | None = None

    @property
    def current(self) -> Handover | None:
        """The invocation in progress."""
        return self._current

    def offer(self, call: Handover) -> asyncio.Future[Answer]:
        """Give the worker its next call; return the future of the answer."""
        loop = asyncio.get_running_loop()
        self.taken = loop.create_future()
        answer = self._answer = loop.create_future()
        if self.is_closed:
            self.taken.set_result(False)
        else:
            self._offered.set_result(call)
        return answer

    async def take(self, is_gone: Callable[[], bool]) -> Handover | None:
        """Return the next call once there is one.

        ``None`` when the worker is being ended, or when the client that asked ``is_gone``: the call then
        stays for its next request.
        """
        self.is_ready = True
        if self.ready_at is None:
            self.ready_at = time.monotonic()
        if self._current is not None:
            # The client has given up a call without an answer, and asks for the next.
            self.answer(self._current.call.request_id, Answer(error=_NO_RESPONSE))
        while True:
            offered = self._offered
            # Another request may wait for the same call: neither may cancel it for the other.
            await asyncio.wait([offered])
            if offered.cancelled() or is_gone():
                return None
            if offered is self._offered:
                break
        self._offered = asyncio.get_running_loop().create_future()
        taken = self._current = offered.result()
        if self.taken is not None and not self.taken.done():
            self.taken.set_result(True)
        return taken

    def answer(self, request_id: str, answer: Answer) -> bool:
        """Resolve the invocation in progress; ``False`` if it is another one."""
        if self._current is None or self._current.call.request_id != request_id:
            return False
        # What the function wrote before it answered belongs to this invocation.
        self._on_answer()
        self._current = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)
        return True

    def close(self, answer: Answer) -> None:
        """Resolve everything that waits: the worker has ended, with this as the answer of its call."""
        self.is_closed = True
        self._current = None
        self._offered.cancel()
        if self.taken is not None and not self.taken.done():
            self.taken.set_result(False)
        elif self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)


def handover(call: Call, arn: str | None, seconds: float, *, is_sampled: bool = False) -> Handover:
    """Return a call with a trace header of its own.

    AWS's SDKs send the header of the invocation with each request, so that Lambda can see loops. The
    parent in it is new for each invocation. The root is that of the caller, or the same in all invocations
    of an execution. ``is_sampled``: a collector is named, so traces are wanted.
    """
    root = (
        secrets.token_hex(12) if arn is None else blake2b(arn.encode(), digest_size=12).hexdigest()
    )
    fields = {"Root": f"1-00000000-{root}", "Sampled": str(int(is_sampled))}
    fields |= _fields(call.trace_header)
    fields["Parent"] = parent = secrets.token_hex(8)
    return Handover(
        call=call,
        arn=arn,
        milliseconds=round(seconds * 1000),
        trace_header=";".join(f"{name}={value}" for name, value in fields.items()),
        trace_parent=parent,
    )


def trace_parent(header: str | None) -> str | None:
    """Return the parent in a trace header."""
    return _fields(header).get("Parent")


def _fields(header: str | None) -> dict[str, str]:
    pairs = (field.strip().partition("=") for field in (header or "").split(";"))
    return {name: value for name, separator, value in pairs if separator}
