"""Inboxes: messages that other programs send to a running execution, in the order in which they were accepted."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, Self, TypeVar
from weakref import WeakKeyDictionary

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import (
    ConfigError,
    ContextMisuseError,
    InboxClosedError,
    InboxTimeoutError,
    OperationError,
    SerDesError,
)
from durable_execution_sdk.operations.inboxes.callbacks import Slot
from durable_execution_sdk.operations.inboxes.queue import MessageQueue
from durable_execution_sdk.operations.inboxes.reader import MessageReader
from durable_execution_sdk.operations.inboxes.timeout import inbox_timeout
from durable_execution_sdk.operations.lifecycle.argument_checks import checked_name
from durable_execution_sdk.protocol.inboxes import MAX_INBOX_NAME_CHARACTERS, Envelope
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope, current_scope
from durable_execution_sdk.serdes.foreign import name_of

__all__ = ["Inbox", "inbox"]

_T = TypeVar("_T")
_Taken = tuple[Slot, Envelope | OperationError]

_TIMEOUT = "inbox.get(timeout=...)"
_MOST_OPEN = 1_000


class Inbox(Generic[_T]):
    """The messages of one name that are sent to this execution; ``ctx.inbox`` opens it.

    ``async for message in inbox`` takes one after the other, until the inbox is closed. Each message is taken once,
    in the order in which they were accepted; of several tasks that wait, the one that called first gets the next. A
    task that is cancelled while it waits takes none, so a timeout loses no message.
    """

    def __init__(
        self, context_state: ContextState, reader: MessageReader[_T], queue: MessageQueue
    ) -> None:
        self._context_state = context_state
        self._reader = reader
        self._queue = queue
        # The messages that tasks have taken which do nothing else than to take one.
        self._taken: WeakKeyDictionary[asyncio.Task[Any], _Taken] = WeakKeyDictionary()

    @property
    def name(self) -> str:
        """The name to which messages are sent."""
        return self._queue.name

    def __repr__(self) -> str:
        """Show the name."""
        return f"<Inbox {self.name!r}>"

    async def get(self, *, timeout: DurationLike | None = None) -> _T:  # noqa: ASYNC109 - durable
        """Wait for the next message, and take it.

        ``timeout`` is a durable timer of a second or more: it goes on while no invocation runs. A message costs one
        operation, and a timer that is waited for another one.

        Raises:
            InboxTimeoutError: no message came in time; it is a ``TimeoutError`` too.
            InboxMessageError: the message does not fit the type of the inbox. The next call takes the next one.
            InboxClosedError: the inbox was closed, and all messages were taken.
        """
        _check_place(current_scope(self._context_state))
        queue = self._queue
        if timeout is None:
            return self._read(await queue.take())
        limit = Duration.of(timeout, _TIMEOUT).checked(_TIMEOUT)
        timer = inbox_timeout(self.name, limit)
        try:
            async with timer:
                taken = await queue.take()
        except TimeoutError:
            if not timer.expired():
                raise
            raise self._timeout_error(limit) from None
        return self._read(taken)

    def give_back(self, task: asyncio.Future[Any]) -> None:
        """Take back the message that a task has got by ``get`` alone, since no code will see what the task returns."""
        taken = self._taken.pop(task, None) if isinstance(task, asyncio.Task) else None
        if taken is not None:
            self._queue.give_back(*taken)

    def close(self) -> Handle[None]:
        """Accept no more messages. Those that were accepted before can still be taken; then the inbox ends.

        ``async for`` over the inbox ends after them, and ``get`` raises ``InboxClosedError``. It costs one operation.
        Without it, messages that were accepted and not taken are lost when the execution ends.
        """
        scope = current_scope(self._context_state)
        _check_place(scope)
        return self._queue.close()

    def __aiter__(self) -> Self:
        """Iterate over the messages."""
        return self

    async def __anext__(self) -> _T:
        """Take the next message; the iteration ends once the inbox is closed and empty."""
        try:
            return await self.get()
        except InboxClosedError:
            raise StopAsyncIteration from None

    def _read(self, taken: _Taken) -> _T:
        slot, content = taken
        task = asyncio.current_task()
        if task is not None and getattr(task.get_coro(), "cr_code", None) in _TAKES_ONE:
            self._taken[task] = taken
        if isinstance(content, OperationError):
            raise content
        try:
            return self._reader.read(slot.number, content)
        except SerDesError as error:
            raise slot.message_error(
                f"{error}. The message counts as taken: catch this InboxMessageError, and get the next one"
            ) from error

    def _timeout_error(self, limit: Duration) -> InboxTimeoutError:
        return InboxTimeoutError(
            f"no message came to the inbox {self.name!r} within {limit}; one that comes later is not lost: get() takes"
            " it"
        )


_inbox_class: type[Inbox[Any]] = Inbox
# The code of the coroutines that take one message and do nothing else.
_TAKES_ONE = (_inbox_class.get.__code__, _inbox_class.__anext__.__code__)


def inbox(scope: IdScope, name: str, type_: Any, window: int) -> Inbox[Any]:
    """Open an inbox, or return the one of this name that the code has opened."""
    context_state = scope.context_state
    _check_place(scope)
    chosen, size = _checked(name), _checked_window(window)
    run = context_state.run
    inboxes: dict[str, Inbox[Any]] = run.inboxes or {}
    run.inboxes = inboxes
    known = inboxes.get(chosen)
    if known is not None:
        return _same(known, type_, size)
    reader = MessageReader[Any](chosen, type_)
    queue = MessageQueue(context_state, reader, size)
    scope.has_news = scope.has_news or queue.is_new
    inboxes[chosen] = opened = Inbox(context_state, reader, queue)
    return opened


def _check_place(scope: IdScope) -> None:
    """Raise ``ContextMisuseError`` outside the tasks of the handler's context, which each replay runs as a whole."""
    context_state = scope.context_state
    if context_state.parent is None and not scope.path.to_items:
        return
    where = (
        "in a task that iterates over the items of a map"
        if scope.path.to_items
        else (f"in {context_state.title}")
    )
    raise ContextMisuseError(
        f"an inbox was used {where}: replay does not run that code once it has ended, and would not know which messages"
        " it has taken. Open the inbox and take its messages in the handler's context, and pass them on as arguments"
    )


def _same(known: Inbox[Any], type_: object, window: int) -> Inbox[Any]:
    """Return an inbox that is open; raise ``ConfigError`` if it was opened with other options."""
    other = known._reader.type_, known._queue.window  # noqa: SLF001 - of this module
    if other == (type_, window):
        return known
    raise ConfigError(
        f"ctx.inbox({known.name!r}, ...) was called with the type {name_of(type_)} and window={window}, and this"
        f" execution has opened it with {name_of(other[0])} and window={other[1]}: give both calls the same, or keep"
        " the inbox in a variable"
    )


def _checked(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise ConfigError(
            f'ctx.inbox takes the name of the inbox, as in ctx.inbox("orders", Order), not {name!r}'
        )
    text = checked_name(name, "inbox")
    assert text is not None
    if len(text) > MAX_INBOX_NAME_CHARACTERS:
        raise ConfigError(
            f"{text[:20]!r}... cannot name an inbox: a name has at most {MAX_INBOX_NAME_CHARACTERS} characters, and this"
            f" one has {len(text)}"
        )
    return text


def _checked_window(window: object) -> int:
    if isinstance(window, int) and not isinstance(window, bool) and 1 <= window <= _MOST_OPEN:
        return window
    raise ConfigError(
        f"ctx.inbox(window=...) is the number of messages that may lie in the inbox, 1 to {_MOST_OPEN:,}, not {window!r}"
    )
