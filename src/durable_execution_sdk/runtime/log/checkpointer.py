"""The writer of an execution's log, which owns the checkpoint token, and group commit.

Each checkpoint call needs the token that the answer to the call before has returned. So calls cannot
overlap, and the log grows by one round trip after the other. If each update had a call of its own, a
thousand concurrent branches would wait for thousands of round trips. A timer that collects updates is no
remedy: it would delay each step of a workflow that runs one thing at a time.

The rules:

- One task writes. Updates keep their order in a queue.
- While a call is in flight, the queue grows. When the answer comes, the next call takes as much of the
  queue as it may carry: 250 updates, 750 KiB of payloads. When no call is in flight, an update is sent
  at once. There is no timer in this.
- An update that nothing waits for, such as the START of an at-least-once step, causes no call
  (``leave_behind``). It goes with the next one, mostly that of its own SUCCEED. After 0.2 s it is sent
  by itself, because the body is slow and its start worth showing.
- Before a call takes the queue, the workflow may first see the completions that are due, since the code
  that they wake has updates to add. This holds a call back for 250 deliveries at most, and only for as
  long as completions are due: the delay is that of the code that they wake.
- If a body's update is all that this turn of the loop can bring, the call is sent within ``submit``, over a
  connection that the writer has left open (``ports.SendCheckpoint``), and its answer is taken in as
  it arrives. That saves a step of a sequential workflow three of five turns of the loop. It is still the
  writer's call: the writer goes on with it if there is more to do than to take in an answer.
- A result reaches the workflow only when its call was answered (law 3). If a call fails, the invocation
  ends, and the next one sees in the log if the batch was recorded. Only a batch that was refused for its
  CANCELs of waits is sent again, without them.

A worked example: three tasks with two steps each, and calls that take 50 ms::

    async def copy(ctx, n):                          # tasks 1, 2, 3
        data = await ctx.step(fetch, n)              # takes n times 10 ms
        await ctx.step(store, data)                  # takes 10 ms

    ms    call                                       what happens
     0                                               three STARTs of fetch are left behind
    10    START fetch 1, 2, 3; SUCCEED fetch 1       nothing is in flight, so SUCCEED is sent at once
    20                                               fetch 2 ends, and fetch 3 at 30: queued
    60                                               the answer: fetch 1 is due, the next call is held
          SUCCEED fetch 2, 3; START store 1          back, task 1 claims store 1, and the call goes
    110   SUCCEED store 1; START store 2, 3          the answer: fetch 2 and 3 are delivered first
    160   SUCCEED store 2, 3                         the answer: store 1 is delivered
    210                                              the answer: store 2 and 3 are delivered

Twelve updates took four calls and 210 ms. With one call for each they would take 600 ms.

What goes wrong without it: if a call did not wait for due completions, the first answer would be followed
by a call without START store 1, and the updates of branches would spread over ever smaller batches. A
second writer would use a token that is no longer valid, and the service would refuse the call.

The module is long because this essay stands beside the writer, which is one class: its queue, the call in
flight, the batch that is held back and the end share every member.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence, Sized
from typing import TYPE_CHECKING

from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
)
from durable_execution_sdk.protocol.limits import MAX_BATCH_UPDATES
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.protocol.updates import (
    OperationAction,
    OperationUpdate,
    length_of_batch,
)
from durable_execution_sdk.runtime.current import StepContext, get_current, sdk_context
from durable_execution_sdk.runtime.settings import SHORTEST_GRACE
from durable_execution_sdk.runtime.tasks.numbered_task import out_of_reach

if TYPE_CHECKING:
    from durable_execution_sdk.ports import DataPlane, SendCheckpoint, SentCheckpoint

__all__ = ["Checkpointer"]

# Seconds after which updates that were left behind are sent by themselves.
_SLOW_SECONDS = 0.2

_CANCEL = OperationAction.CANCEL

# The classes of clients whose service has refused to cancel a wait. They are not asked again in this
# process: nothing is lost if the wait lasts.
_takes_no_cancel: set[type[DataPlane]] = set()

Receive = Callable[[Sequence[OperationUpdate], Sequence[Operation]], None]
Fail = Callable[[Exception, Sequence[OperationUpdate]], None]
Status = Callable[
    [bool], OperationUpdate | None
]  # asked with ``True`` at the end of the invocation


class Checkpointer:
    """Sends updates in batches, in order, and passes the answers on to ``receive`` and errors to ``fail``."""

    # Of more than 29 attributes without slots CPython makes another kind of object, which takes longer.
    __slots__ = (
        "_arn",
        "_batch",
        "_closed",
        "_context",
        "_eager",
        "_fail",
        "_go",
        "_held",
        "_is_busy",
        "_left_behind_since",
        "_loop",
        "_patience",
        "_plane",
        "_queue",
        "_ready",
        "_receive",
        "_rest",
        "_send",
        "_sent",
        "_series",
        "_slow",
        "_token",
        "_unseen",
        "_wanted",
        "_writer",
        "calls",
        "ends_at",
        "is_held",
        "most_updates",
        "status",
    )

    def __init__(
        self,
        plane: DataPlane,
        arn: str,
        token: str,
        *,
        loop: asyncio.AbstractEventLoop,
        receive: Receive,
        fail: Fail,
        eager: bool = False,
        unseen: Sequence[object] = (),
        most_updates: int = MAX_BATCH_UPDATES,
        ready: Sized = (),
    ) -> None:
        """Start without a task. ``ready`` holds the callbacks that the loop will run next."""
        self._plane = plane
        self._arn = arn
        self._token: str | None = token
        self._loop = loop
        self._receive = receive
        self._fail = fail
        self._eager = eager
        self.most_updates = most_updates
        # The completions that are due, each of which may lead to updates for the next batch.
        self._unseen: Sequence[object] = () if eager else unseen
        self._held: asyncio.Future[None] | None = None
        self._patience = 0
        self._queue: list[OperationUpdate] = []
        self._wanted = False
        self._writer: asyncio.Task[None] | None = None
        self._is_busy = False
        self._ready = ready
        # Asked of the class: a plane in front of another one may pass on what it does not have itself.
        own = hasattr(type(plane), "send_checkpoint")
        self._send: SendCheckpoint | None = getattr(plane, "send_checkpoint", None) if own else None
        self._context = sdk_context()
        # The batch of the call in flight, and that call if it was sent within ``submit``.
        self._batch: list[OperationUpdate] = []
        self._sent: SentCheckpoint | None = None
        # The future that the writer waits for while there is nothing to do, and that of ``flush``.
        self._go: asyncio.Future[None] | None = None
        self._rest: asyncio.Future[None] | None = None
        # Start of the client tokens: each call has its own, so that the service knows one that is sent again.
        self._series = os.urandom(16).hex()
        # Returns the status that is to go with the next call, if it is due; set while there is one that has not left.
        self.status: Status | None = None
        self._slow: asyncio.TimerHandle | None = None
        self._left_behind_since = 0.0
        self._closed = False
        # True while the gate is closed: nothing is sent.
        self.is_held = False
        self.calls = 0
        # The monotonic time at which the invocation has to be over, even if the service does not answer.
        self.ends_at: float | None = None

    @property
    def is_idle(self) -> bool:
        """True if everything that was submitted is acknowledged."""
        return not (self._is_busy or self._queue)

    @property
    def is_writing(self) -> bool:
        """True if a call is in flight or about to be."""
        return self._is_busy

    @property
    def has_writer(self) -> bool:
        """True if a task has begun to write, and has not ended."""
        return self._writer is not None

    @property
    def may_write(self) -> bool:
        """True if the invocation still has a token, and is not closed."""
        return self._token is not None and not self._closed

    def submit(self, update: OperationUpdate) -> None:
        """Record an update with the next call, which is made at once if none is in flight."""
        if self._closed or (_takes_no_cancel and self._is_futile(update)):
            return
        queue = self._queue
        queue.append(update)
        if self._held is not None and len(queue) >= self.most_updates:
            self.release()
        self._wanted = True
        if self._is_busy:
            return
        send = self._send
        if send is None or not (self._is_last_of_its_turn() and self._send_directly(send)):
            self.push()

    def leave_behind(self, update: OperationUpdate) -> None:
        """Record an update that nothing waits for, with the next call; in eager mode, at once."""
        if self._eager:
            self.submit(update)
            return
        if self._closed or (_takes_no_cancel and self._is_futile(update)):
            return
        queue = self._queue
        queue.append(update)
        if len(queue) == 1:
            self._left_behind_since = time.monotonic()
        if self._held is not None and len(queue) >= self.most_updates:
            self.release()
        if self._slow is None:
            # One timer for all updates: a quick step would otherwise pay for one that never fires.
            self._slow = self._loop.call_later(
                _SLOW_SECONDS, self._push_what_is_slow, context=sdk_context()
            )

    def leave_status(self, status: Status) -> None:
        """Take the status along with the next call. Until then another one may take its place."""
        if self._closed:
            return
        if not (self._queue or self.status):
            self._left_behind_since = time.monotonic()
        self.status = status
        if self._slow is None:
            self._slow = self._loop.call_later(
                _SLOW_SECONDS, self._push_what_is_slow, context=sdk_context()
            )

    def send_last_status(self) -> bool:
        """Send a status that no call has taken along; return ``False`` if there is none."""
        if self.status is None or self.is_held or not self.may_write:
            return False
        self._take_status(is_last=True)
        self.push()
        return True

    def push(self) -> None:
        """Send the queue, even if it is empty: the answer contains what has changed."""
        self._wanted = True
        if self._is_busy or self._closed or self.is_held:
            return
        self._is_busy = True
        if self._go is not None:
            self._wake()
        else:
            self._writer = asyncio.Task(self._write(), loop=self._loop, context=self._context)
            out_of_reach(self._writer)

    def let_go(self) -> None:
        """Send the queue now that the gate is open."""
        self.is_held = False
        if self._wanted:
            self.push()
        if self.status is not None:
            self.leave_status(self.status)

    def discard(self) -> None:
        """Drop the queue: the gate stays closed, so it must never be sent."""
        self._queue = []
        self._wanted = False
        self.status = None

    def withdraw(self, operation_id: str) -> None:
        """Remove an operation's updates from the queue."""
        self._queue = [update for update in self._queue if update.id != operation_id]

    def release(self) -> bool:
        """Let the next batch go; return ``True`` if it was held back."""
        if self._held is None or self._held.done():
            return False
        self._held.set_result(None)
        return True

    def delivered(self) -> None:
        """Count a delivery; after as many as a batch has room for, let the batch go."""
        if self._held is not None:
            self._patience -= 1
            if self._patience <= 0:
                self.release()

    async def flush(self) -> None:
        """Send a status that is left, and wait until everything that was submitted is acknowledged or has failed.

        Raises ``ServiceError`` if an answer does not come before the function's time is up.
        """
        self._unseen = ()
        self.send_last_status()
        while not self.is_idle and self.may_write:
            self.release()
            if self._queue:
                self.push()
            self._rest = rest = self._loop.create_future()
            await asyncio.wait([rest], timeout=self.left)
            if not rest.done():
                raise ServiceError(
                    "the service did not answer a checkpoint before the function's time was up"
                )

    async def close(self, seconds: float | None = None) -> None:
        """Accept no more updates, and wait for the call in flight for at most so many seconds."""
        self._closed = True
        self.release()
        if self._slow is not None:
            self._slow.cancel()
        writer = self._writer
        if writer is not None:
            self._wake()
            left = self.left
            if left is not None and seconds is not None:
                left = min(left, seconds)
            _, late = await asyncio.wait([writer], timeout=seconds if left is None else left)
            if late:
                # The next invocation sees in the log if the call was accepted.
                writer.cancel()
            else:
                await writer

    @property
    def left(self) -> float | None:
        """The seconds for which a call in flight may still be waited for; ``None`` without a limit."""
        if self.ends_at is None:
            return None
        return max(SHORTEST_GRACE, self.ends_at - time.monotonic())

    def _push_what_is_slow(self) -> None:
        """Send updates that were left behind 0.2 s ago."""
        self._slow = None
        if not (self._queue or self.status):
            return
        left = self._left_behind_since + _SLOW_SECONDS - time.monotonic()
        if left <= 0:
            if self.status is not None and not self.is_held:
                self._take_status()
            if self._queue:
                self.push()
        else:
            self._slow = self._loop.call_later(left, self._push_what_is_slow, context=sdk_context())

    async def _write(self) -> None:
        try:
            while True:
                while self._sent is not None or (self._wanted and self.may_write):
                    await self._call()
                if self._closed:
                    break
                go: asyncio.Future[None] = asyncio.Future(loop=self._loop)
                self._go = go
                self._come_to_rest()
                await go
        except Exception as error:
            self._closed = True
            self._fail(error, self._batch)
        finally:
            if self._sent is not None:
                self._sent.close()
            self._writer = self._go = None
            self._come_to_rest()

    async def _call(self) -> None:
        """Make the next call, or go on with the one that was sent directly, and take in its answer."""
        call: Awaitable[CheckpointResponse]
        if self._sent is not None:
            call, self._sent = self._sent.finish(), None
        else:
            if self._unseen and len(self._queue) < self.most_updates:
                await self._hold_back()
                if not self.may_write:
                    return
            if self.status is not None:
                self._take_status()
            count = length_of_batch(self._queue, self.most_updates)
            call = self._plane.checkpoint(self._next_request(count))
        try:
            response = await call
        except ServiceError as error:
            self._batch = _without_cancellations(self._batch, error)
            response = await self._plane.checkpoint(self._request(self._batch))
            _takes_no_cancel.add(type(self._plane))
        self._token = response.checkpoint_token
        operations: Sequence[Operation] = response.operations
        if response.next_marker:
            operations = [*operations, *await self._pages(response.next_marker)]
        self._receive(self._batch, operations)

    def _next_request(self, count: int) -> CheckpointRequest:
        """Take so many updates from the queue, and return the request for them."""
        batch, self._queue = self._queue[:count], self._queue[count:]
        self._wanted = bool(self._queue)
        if _takes_no_cancel:
            batch = [each for each in batch if not self._is_futile(each)]
        self._batch = batch
        return self._request(batch)

    def _take_status(self, *, is_last: bool = False) -> None:
        """Put the status into the queue if it is due: in front, as it tells of what the updates behind it do."""
        update = None if self.status is None else self.status(is_last)
        if update is not None:
            self._queue.insert(0, update)

    def _request(self, batch: list[OperationUpdate]) -> CheckpointRequest:
        assert self._token is not None
        self.calls += 1
        return CheckpointRequest(
            durable_execution_arn=self._arn,
            checkpoint_token=self._token,
            updates=batch,
            client_token=f"{self._series}-{self.calls}",
        )

    def _is_last_of_its_turn(self) -> bool:
        """Return ``True`` if no other update can be submitted before the writer would have its turn."""
        # The body of a step has ended, so no workflow code runs now; none can before the next turn; and what is due,
        # which would make it run, is not waited for.
        return (
            self._go is not None
            and self._token is not None
            and not (self._ready or self._unseen or self.is_held)
            and type(get_current()) is StepContext
        )

    def _send_directly(self, send: SendCheckpoint) -> bool:
        """Send the queue without the writer's turn; return ``False`` if it takes more than that."""
        if self.status is not None:
            self._take_status()
        queue, writer = self._queue, self._writer
        count = length_of_batch(queue, self.most_updates)
        if writer is None or count < len(queue):
            return False
        request = self._next_request(count)
        try:
            sent = self._context.run(send, request, writer, self._answered)
        except Exception:
            sent = None  # The writer meets the error again, and ends the invocation with it: it is not the body's.
        if sent is None:
            self._queue, self._wanted = queue, True
            return False
        self._sent = sent
        self._is_busy = True
        return True

    def _answered(self) -> None:
        """Take in the answer to a call that was sent directly, or let the writer go on with the call."""
        sent, self._sent = self._sent, None
        if sent is None:
            return
        try:
            response = sent.answer()
            if response is None or response.next_marker:
                self._sent = sent
                self._wake()
                return
            self._token = response.checkpoint_token
            self._receive(self._batch, response.operations)
        except Exception as error:
            self._closed = True
            self._fail(error, self._batch)
        if self._wanted and self.may_write:
            self._wake()
        else:
            self._come_to_rest()

    def _wake(self) -> None:
        """Let the writer go on that waits for something to do."""
        go, self._go = self._go, None
        if go is not None:
            go.set_result(None)

    def _is_futile(self, update: OperationUpdate) -> bool:
        """Return ``True`` for the CANCEL of a wait if the service is known to refuse it."""
        return update.action is _CANCEL and type(self._plane) in _takes_no_cancel

    async def _pages(self, marker: str) -> list[Operation]:
        """Read the rest of an answer that came in pages."""
        from durable_execution_sdk.runtime.log.state_pages import read_pages  # noqa: PLC0415 - for few answers

        if self._token is None:
            return []
        return await read_pages(
            self._plane, self._arn, self._token, marker, self.ends_at, is_over=lambda: self._closed
        )

    def _come_to_rest(self) -> None:
        self._is_busy = False
        if self._rest is not None:
            rest, self._rest = self._rest, None
            if not rest.done():
                rest.set_result(None)

    async def _hold_back(self) -> None:
        """Wait until the workflow has seen the completions that are due, or 250 of them."""
        self._patience = self.most_updates
        self._held = self._loop.create_future()
        await self._held
        self._held = None


def _without_cancellations(
    batch: list[OperationUpdate], error: ServiceError
) -> list[OperationUpdate]:
    """Return a refused batch without its CANCELs; raise the error if these cannot be the cause."""
    rest = [update for update in batch if update.action is not _CANCEL]
    if len(rest) == len(batch) or error.is_stale_token or error.is_transient:
        raise error
    return rest
