"""The messages of one inbox in one invocation: its callbacks, and the tasks that wait for a message.

An inbox is built on callbacks, since these are all that the service lets others answer. Message n is the answer to
callback n (``protocol.inboxes``). A window of them is open: callbacks 1 to ``window`` from the start, and one more as
each message is taken. So up to ``window`` messages may lie there, also while no invocation runs, and a sender finds
one that is open without the help of the workflow.

The state of the queue follows from two things that replay repeats, the deliveries of the callbacks and the calls of the
code. A delivery puts message n in the line once all before it have come. A message whose id was seen before is dropped
there: its sender has sent it again, because it never learned that the first one was accepted.

A task that waits blocks on a signal, and takes the message only when it runs again. A task that is cancelled in between
takes none, and wakes the next one. So a timeout loses no message.

The ids are a row of their own, because a window of another size must shift none. Nor may it change the order in which
two ends in one millisecond are delivered, so the sequence numbers of all callbacks are set aside when the inbox is
opened. On replay all that are recorded are claimed there, and the gate misses none after the window was made smaller.

A callback counts as pending only while a task waits for its message. An inbox that no task awaits keeps no deadlocked
workflow alive, and the service is not asked about it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from durable_execution_sdk.errors import InboxClosedError, OperationError
from durable_execution_sdk.operations.inboxes.callbacks import Closing, Line, Slot
from durable_execution_sdk.operations.inboxes.reader import MessageReader
from durable_execution_sdk.protocol.inboxes import CLOSED, Envelope, row_text
from durable_execution_sdk.runtime.completions.handle import Handle, Signal
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.log.ids import Path

__all__ = ["MessageQueue"]

# More than an execution can have.
_SEQUENCE_NUMBERS = 1_000_000


class MessageQueue(Line):
    """The messages of an inbox that have come and were not taken, and the tasks that wait for one."""

    def __init__(
        self, context_state: ContextState, reader: MessageReader[Any], window: int
    ) -> None:
        self.run = run = context_state.run
        self.reader = reader
        self.name = name = reader.inbox
        self.window = window
        self.closing: Handle[None] | None = None
        self.is_closed = False
        self._context_state = context_state
        row = row_text(name)
        self._path = Path(row, (f"the inbox {name!r}",))
        self._scope = IdScope(context_state, "", self._path)
        # Replay claims what is recorded before it is opened, so ``ctx.budget`` is told of the callbacks one by one.
        del context_state.scopes[self._scope]
        context_state.operations += window
        self._first_sequence = run.completions.claims
        run.completions.claims += _SEQUENCE_NUMBERS
        # The callbacks whose messages are not in the line yet, and the ids of the messages that were.
        self._slots: dict[int, Slot] = {}
        self._ids: set[str] = set()
        self._opened = self._passed = 0
        self._next = 1
        self._line: deque[tuple[Slot, Envelope | OperationError]] = deque()
        self._waiting: deque[Signal] = deque()
        self._open(max(window, _last_recorded(run.journal.unclaimed, row)))

    @property
    def is_new(self) -> bool:
        """True if the log did not hold the first callback."""
        return 1 in self._slots and self._slots[1].record is None

    @property
    def _is_free(self) -> bool:
        """True if there is a message that no waiting task has been woken for."""
        return len(self._line) > sum(
            signal.done() and not signal.cancelled() for signal in self._waiting
        )

    def waits_for(self, number: int) -> bool:
        """Return ``True`` if a task waits for the message with this number."""
        return number == self._next and any(not signal.done() for signal in self._waiting)

    def mark(self) -> None:
        """Let the callback of the next message count as pending while a task waits for it."""
        slot = self._slots.get(self._next)
        if slot is not None:
            slot.mark(is_awaited=self.waits_for(self._next))

    async def take(self) -> tuple[Slot, Envelope | OperationError]:
        """Wait for the next message that no task has taken, and take it; tasks are served in the order of their calls."""
        if self._waiting or not self._line:
            await self._wait()
        if not self._line:
            raise self._closed_error()
        slot, content = self._line.popleft()
        self._pass()
        return slot, content

    def give_back(self, slot: Slot, content: Envelope | OperationError) -> None:
        """Put a message back in its place: it is the next one, or one of the next."""
        later = (n for n, (other, _) in enumerate(self._line) if other.number > slot.number)
        self._line.insert(next(later, len(self._line)), (slot, content))
        self._passed -= 1
        self._wake()

    def close(self) -> Handle[None]:
        """Begin to close the inbox, unless that was done; no more callbacks are opened."""
        if self.closing is None:
            path = Path(f"{self._path.text}{CLOSED}-", self._path.parts)
            self.closing = Closing(IdScope(self._context_state, "", path), self).handle
        return self.closing

    def arrived(self, slot: Slot) -> None:
        """Put a message in the line, and those after it that have come before it."""
        if slot.number in self._slots:
            while (following := self._slots.get(self._next)) and following.content is not None:
                self._put(following)
            self._wake()
            self.mark()

    def closed(self) -> None:
        """Take no more messages: those that come from now on were sent too late."""
        self.is_closed = True
        for number in sorted(self._slots):
            if self._slots[number].content is not None:
                self._put(self._slots[number])
        for signal in self._waiting:
            if not signal.done():
                signal.set_result(None)
        for slot in self._slots.values():
            slot.mark(is_awaited=False)
        self._slots.clear()

    def _put(self, slot: Slot) -> None:
        content = slot.content
        assert content is not None
        del self._slots[slot.number]
        self._next = slot.number + 1
        if isinstance(content, Envelope):
            if content.id in self._ids:
                self._pass()
                return
            self._ids.add(content.id)
        self._line.append((slot, content))

    def _pass(self) -> None:
        """Open another callback: a message was taken or dropped."""
        self._passed += 1
        if self.closing is None:
            self._context_state.operations += 1
            self._open(self._passed + self.window)

    def _open(self, last: int) -> None:
        completions = self.run.completions
        claims = completions.claims
        while self._opened < last:
            completions.claims = self._first_sequence + self._opened
            self._opened += 1
            self._slots[self._opened] = Slot(self._scope, self, self._opened)
        completions.claims = claims

    async def _wait(self) -> None:
        if self.is_closed:
            return
        signal = Signal(self.run.loop, f"a message of the inbox {self.name!r}")
        self._waiting.append(signal)
        self._wake()
        self.mark()
        try:
            slot = self._slots.get(self._next)
            if not signal.done() and slot is not None and slot.is_due and not slot.is_done:
                self.run.completions.deliver_at_once(slot)
            await signal
        except BaseException:
            self._waiting.remove(signal)
            self._wake()  # it may have been woken for a message, which is another task's now
            self.mark()
            raise
        self._waiting.remove(signal)
        self.mark()

    def _wake(self) -> None:
        """Wake as many tasks as there are messages."""
        for signal in self._waiting:
            if not self._is_free:
                return
            if not signal.done():
                signal.set_result(None)

    def _closed_error(self) -> InboxClosedError:
        closing = self.closing
        return InboxClosedError(
            f"the inbox {self.name!r} is closed, and all messages that it had accepted were taken: an `async for` over it"
            " ends here, and get() is not to be called again",
            operation_id=closing.operation_id if closing else None,
            operation_name=closing.name if closing else None,
        )


def _last_recorded(unclaimed: set[str], row: str) -> int:
    """Return the number of the last callback of an inbox that the log holds; 0 if it holds none."""
    numbers = [each[len(row) :] for each in unclaimed if each.startswith(row)]
    return max((int(number) for number in numbers if number.isdecimal()), default=0)
