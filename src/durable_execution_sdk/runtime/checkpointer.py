"""The one writer of an execution's log: it owns the token.

Updates form the next batch while a call is in flight and go at once when none is, unless completions
are due whose updates can go with them. A START that nobody waits for stays behind until something goes
with it, or until its operation turns out slow.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence

from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.model.api import CheckpointRequest, CheckpointResponse, StateRequest
from durable_execution_sdk.model.operation import Operation, OperationType
from durable_execution_sdk.model.update import OperationAction, OperationUpdate
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.tasks import out_of_reach
from durable_execution_sdk.service import DataPlane

__all__ = ["Checkpointer"]

# What the official SDKs put into one call at most (API reference, section 3.1).
MAX_BATCH_UPDATES = 250
MAX_BATCH_BYTES = 750 * 1024
# Of each update besides its payload: without payloads, no batch comes near the limit.
_UPDATE_OVERHEAD = 400

# A body that runs longer than this is worth a call of its own to show that it has started.
_SLOW_SECONDS = 0.2

_START = OperationAction.START
_CANCEL = OperationAction.CANCEL
_PAIRED_TYPES = frozenset({OperationType.STEP, OperationType.CONTEXT})

# A call in flight gets this much even when the time is up: most answers take milliseconds.
_SHORTEST_GRACE = 0.05
# The services, by the class of their client, that have refused to cancel a wait: nothing is lost when the
# wait lasts, so they are not asked again in this process.
_takes_no_cancel: set[type[DataPlane]] = set()

Receive = Callable[[Sequence[OperationUpdate], Sequence[Operation]], None]
Fail = Callable[[Exception, Sequence[OperationUpdate]], None]


class Checkpointer:
    """Puts updates into batches, in order, and hands on what the service answers."""

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
    ) -> None:
        self._plane = plane
        self._arn = arn
        self._token: str | None = token
        self._loop = loop
        self._receive = receive
        self._fail = fail
        self._eager = eager
        self.most_updates = MAX_BATCH_UPDATES
        # Completions that the workflow has yet to see, each of which may add to the next batch.
        self._unseen: Sequence[object] = () if eager else unseen
        self._held: asyncio.Future[None] | None = None
        self._patience = 0
        self._queue: list[OperationUpdate] = []
        self._wanted = False
        self._writer: asyncio.Task[None] | None = None
        self._is_busy = False
        # What the writer waits for while there is nothing to do, and who waits for that.
        self._go: asyncio.Future[None] | None = None
        self._rest: asyncio.Future[None] | None = None
        # A token of its own for each call, so that one that is sent again is told from the next.
        self._series = os.urandom(16).hex()
        self._slow: asyncio.TimerHandle | None = None
        self._left_behind_since = 0.0
        self._closed = False
        # Nothing is sent before the gate opens.
        self.is_held = False
        self.calls = 0
        # The monotonic time at which the invocation has to be over, whatever the service does.
        self.ends_at: float | None = None

    @property
    def is_idle(self) -> bool:
        """Whether everything that was submitted is acknowledged."""
        return not (self._is_busy or self._queue)

    @property
    def is_writing(self) -> bool:
        """Whether a call is in flight, or about to be."""
        return self._is_busy

    @property
    def may_write(self) -> bool:
        """Whether the service still gives this invocation tokens."""
        return self._token is not None and not self._closed

    def submit(self, update: OperationUpdate) -> None:
        """Record an update with the next call: somebody waits for it."""
        if self._closed or (_takes_no_cancel and self._is_futile(update)):
            return
        queue = self._queue
        queue.append(update)
        if self._held is not None and len(queue) >= self.most_updates:
            self.release()
        self._wanted = True
        if not self._is_busy:
            self.push()

    def leave_behind(self, update: OperationUpdate) -> None:
        """Record an update that nobody waits for with whatever goes next."""
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
            # One timer serves all: a quick step would otherwise pay for one that never rings.
            self._slow = self._loop.call_later(
                _SLOW_SECONDS, self._push_what_is_slow, context=sdk_context()
            )

    def push(self) -> None:
        """Send what is queued, even if that is nothing: the answer tells what has changed."""
        self._wanted = True
        if self._is_busy or self._closed or self.is_held:
            return
        self._is_busy = True
        if self._go is not None:
            go, self._go = self._go, None
            go.set_result(None)
        else:
            self._writer = asyncio.Task(self._write(), loop=self._loop, context=sdk_context())
            out_of_reach(self._writer)

    def let_go(self) -> None:
        """Send what has been held back, from now on as usual."""
        self.is_held = False
        if self._wanted:
            self.push()

    def discard(self) -> None:
        """Give up what has been held back: it must never be sent."""
        self._queue = []
        self._wanted = False

    def withdraw(self, operation_id: str) -> None:
        """Do not send what is queued of an operation."""
        self._queue = [update for update in self._queue if update.id != operation_id]

    def release(self) -> bool:
        """Hold the next batch back no longer; returns whether it was."""
        if self._held is None or self._held.done():
            return False
        self._held.set_result(None)
        return True

    def delivered(self) -> None:
        """The workflow has seen a completion, and may have something to add to the batch."""
        if self._held is not None:
            self._patience -= 1
            if self._patience <= 0:
                self.release()

    async def flush(self) -> None:
        """Wait until everything that was submitted is acknowledged or has failed."""
        self._unseen = ()
        while not self.is_idle and self.may_write:
            self.release()
            self.push()
            self._rest = rest = self._loop.create_future()
            await asyncio.wait([rest], timeout=self.left)
            if not rest.done():
                raise ServiceError(
                    "the service did not answer a checkpoint before the function's time was up"
                )

    async def close(self, seconds: float | None = None) -> None:
        """Accept nothing more; a call in flight is waited for, but not longer than this."""
        self._closed = True
        self.release()
        if self._slow is not None:
            self._slow.cancel()
        writer = self._writer
        if writer is not None:
            if self._go is not None:
                self._go.set_result(None)
            left = self.left
            if left is not None and seconds is not None:
                left = min(left, seconds)
            _, late = await asyncio.wait([writer], timeout=seconds if left is None else left)
            if late:
                # The next invocation sees in the log what became of the call.
                writer.cancel()
            else:
                await writer

    @property
    def left(self) -> float | None:
        """How long a call that is in flight may still be waited for."""
        if self.ends_at is None:
            return None
        return max(_SHORTEST_GRACE, self.ends_at - time.monotonic())

    async def load(self, marker: str | None) -> list[Operation]:
        """Read the pages of the state that follow this marker, as many as are within bounds."""
        from durable_execution_sdk.runtime.page_bounds import (  # noqa: PLC0415 - for few states
            PageBounds,
        )

        operations: list[Operation] = []
        bounds = PageBounds(self._arn, self.ends_at)
        while marker and self._token is not None and not self._closed:
            bounds.next(marker)
            page = await self._plane.get_state(
                StateRequest(
                    durable_execution_arn=self._arn,
                    checkpoint_token=self._token,
                    marker=marker,
                    max_items=1000,
                )
            )
            bounds.took(page)
            operations.extend(page.operations)
            marker = page.next_marker
        return operations

    def _push_what_is_slow(self) -> None:
        """Show that what has been left behind so long has begun."""
        self._slow = None
        if not self._queue:
            return
        left = self._left_behind_since + _SLOW_SECONDS - time.monotonic()
        if left <= 0:
            self.push()
        else:
            self._slow = self._loop.call_later(left, self._push_what_is_slow, context=sdk_context())

    async def _write(self) -> None:
        batch: list[OperationUpdate] = []
        try:
            while True:
                while self._wanted and self._token is not None and not self._closed:
                    if self._unseen and len(self._queue) < self.most_updates:
                        await self._hold_back()
                        if not self.may_write:
                            continue
                    batch = self._take()
                    if _takes_no_cancel:
                        batch = [each for each in batch if not self._is_futile(each)]
                    self.calls += 1
                    try:
                        response = await self._plane.checkpoint(
                            CheckpointRequest(
                                durable_execution_arn=self._arn,
                                checkpoint_token=self._token,
                                updates=batch,
                                client_token=f"{self._series}-{self.calls}",
                            )
                        )
                    except ServiceError as error:
                        batch = _without_cancellations(batch, error)
                        response = await self._call_again(batch, self._token)
                    self._token = response.checkpoint_token
                    operations: Sequence[Operation] = response.operations
                    if response.next_marker:
                        operations = [*operations, *await self.load(response.next_marker)]
                    self._receive(batch, operations)
                if self._closed:
                    break
                go: asyncio.Future[None] = asyncio.Future(loop=self._loop)
                self._go = go
                self._come_to_rest()
                await go
        except Exception as error:
            self._closed = True
            self._fail(error, batch)
        finally:
            self._writer = self._go = None
            self._come_to_rest()

    def _is_futile(self, update: OperationUpdate) -> bool:
        """Return whether the service is known to refuse this, which does no harm."""
        return update.action is _CANCEL and type(self._plane) in _takes_no_cancel

    async def _call_again(self, batch: list[OperationUpdate], token: str) -> CheckpointResponse:
        """Send a batch that was refused without what the service may have refused it for."""
        self.calls += 1
        response = await self._plane.checkpoint(
            CheckpointRequest(
                durable_execution_arn=self._arn,
                checkpoint_token=token,
                updates=batch,
                client_token=f"{self._series}-{self.calls}",
            )
        )
        _takes_no_cancel.add(type(self._plane))
        return response

    def _come_to_rest(self) -> None:
        self._is_busy = False
        if self._rest is not None:
            rest, self._rest = self._rest, None
            if not rest.done():
                rest.set_result(None)

    async def _hold_back(self) -> None:
        """Let the workflow see what is due, and add to the batch; but not for long."""
        self._patience = self.most_updates
        self._held = self._loop.create_future()
        await self._held
        self._held = None

    def _take(self) -> list[OperationUpdate]:
        """The next batch: as much of the queue as one call may carry, in order."""
        queue = self._queue
        taken: dict[str, OperationUpdate] = {}
        count = 0
        size = 0
        for update in queue:
            if count == self.most_updates:
                break
            if update.payload is not None or update.error is not None:
                size += _size(update)
            if size and count and size + (count + 1) * _UPDATE_OVERHEAD > MAX_BATCH_BYTES:
                break
            earlier = taken.setdefault(update.id, update)
            if earlier is not update:
                # A batch may hold two updates of one operation only as its START and what follows it.
                is_pair = earlier.action is _START and update.action is not _START
                if not is_pair or update.type not in _PAIRED_TYPES:
                    break
                taken[update.id] = update
            count += 1
        self._queue = queue[count:]
        self._wanted = count < len(queue)
        return queue[:count] if self._wanted else queue


def _without_cancellations(
    batch: list[OperationUpdate], error: ServiceError
) -> list[OperationUpdate]:
    """Return the rest of a refused batch; raises the error if cancelled waits can't be the cause."""
    rest = [update for update in batch if update.action is not _CANCEL]
    if len(rest) == len(batch) or error.is_stale_token or error.is_transient:
        raise error
    return rest


def _size(update: OperationUpdate) -> int:
    payload, error = update.payload, update.error
    size = 0
    if payload is not None:
        size = len(payload) if payload.isascii() else _bytes(payload)
    if error is not None:
        texts = (error.error_message, error.error_data, *(error.stack_trace or ()))
        size += sum(_bytes(text) for text in texts if text)
    return size


def _bytes(text: str) -> int:
    """The length in UTF-8, of what UTF-8 does not have too: the call says what is wrong with that."""
    return len(text.encode("utf-8", "surrogatepass"))
