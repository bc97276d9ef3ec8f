"""Handles, which workflow code awaits, and the futures on which its tasks block meanwhile."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator
from contextvars import Context, copy_context
from types import FrameType
from typing import Any, NoReturn, TypeVar

from durable_execution_sdk.errors import ContextMisuseError
from durable_execution_sdk.first_use import StaticGeneric
from durable_execution_sdk.runtime.completions import Claim
from durable_execution_sdk.runtime.current import StepContext, get_current
from durable_execution_sdk.runtime.tasks.numbered_task import refused_in_step

__all__ = ["Handle", "Signal", "Waiter", "Wake", "Watcher", "asyncio_function"]

_T = TypeVar("_T")
_S = TypeVar("_S")

# A method of the base class; to call it by this name is quicker than through ``super()``.
_result_of = asyncio.Future[Any].result


class Wake(asyncio.Future[None]):
    """A future that only the SDK or the workflow itself completes: no timer, thread or socket does."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The name of the operation or event, in messages."""
        raise NotImplementedError


class Signal(Wake):
    """A future that other code of the workflow completes, to wake the task that blocks on it."""

    __slots__ = ("_label",)

    def __init__(self, loop: asyncio.AbstractEventLoop, label: str) -> None:
        super().__init__(loop=loop)
        self._label = label

    @property
    def label(self) -> str:
        """The name of the event, in messages."""
        return self._label


class Waiter(Wake):
    """The future that one task blocks on while it awaits an operation.

    Each awaiting task has its own, so to cancel the task does not cancel the operation.
    """

    __slots__ = ("operation",)

    operation: Claim[Any]

    @property
    def label(self) -> str:
        """The name of the operation, in messages."""
        return self.operation.label

    def cancel(self, msg: Any | None = None) -> bool:
        """Stop waiting because the task was cancelled; give the operation up if no other task awaits it."""
        cancelled = super().cancel(msg)
        if cancelled:
            self.operation.left_by(self)
        return cancelled


class Watcher(StaticGeneric[_S]):
    """An object that is told that an operation is done, before any task moves."""

    # True if the end of the operation makes workflow code run by way of this object.
    makes_code_run: bool = True

    def take_note(self, handle: Handle[_S]) -> None:
        """Take note that the operation of this handle is done."""
        raise NotImplementedError


class Handle(asyncio.Future[_T]):
    """A durable operation that runs or has ended. It can be awaited, gathered and raced.

    It is a future, so everything in asyncio that takes one takes it. The outcome comes from the log
    alone: all that workflow code can do to the operation is to ``cancel`` it.
    """

    # A slot is quicker than the dictionary that every future has.
    __slots__ = ("_is_timed_out", "_operation")

    # Set by the operation when it makes the handle.
    _operation: Claim[_T]
    # True if a ``wait_for`` of Python 3.11 has just given the operation up, and is to see ``CancelledError`` once. Set
    # when code of asyncio gives it up.
    _is_timed_out: bool

    @property
    def name(self) -> str | None:
        """The name of the operation, if it has one."""
        return self._operation.name

    @property
    def operation_id(self) -> str:
        """The id of the operation: the same on every replay."""
        return self._operation.operation_id

    def __repr__(self) -> str:
        """Show the operation, and its state."""
        state = "cancelled" if self.cancelled() else "done" if self.done() else "pending"
        return f"<{self._operation.label} {state}>"

    def __hash__(self) -> int:
        """Return the number of the operation's place in the workflow, so that sets have the same order on replay."""
        return self._operation.place

    def __await__(self) -> Generator[Any, None, _T]:
        """Wait for the operation, in any task of the workflow.

        Raises the operation's error, ``CancelledError`` if it was cancelled by ``cancel()``, and
        ``OperationCancelledError`` if it was given up. Inside a step it raises ``ContextMisuseError``.
        """
        operation = self._operation
        if not operation.is_done:
            if operation.is_due:
                operation.completions.deliver_at_once(operation)
            if not operation.is_done:
                yield from operation.new_waiter()
        try:
            result: _T = _result_of(self)
        except asyncio.CancelledError:
            if operation.is_given_up:
                raise operation.cancelled_error() from None
            raise
        return result

    def result(self) -> _T:
        """Return the result, as for any future; raise ``OperationCancelledError`` if the operation was given up."""
        try:
            result: _T = _result_of(self)
        except asyncio.CancelledError:
            operation = self._operation
            if not operation.is_given_up or (
                getattr(self, "_is_timed_out", False)
                and asyncio_function(sys._getframe(1)) == "wait_for"  # noqa: SLF001
            ):
                self._is_timed_out = False
                raise
            raise operation.cancelled_error() from None
        except asyncio.InvalidStateError:
            if asyncio_function(sys._getframe(1)) == "wait_for":  # noqa: SLF001
                # ``wait_for`` has timed out while the operation goes on; it turns this into ``TimeoutError``.
                raise asyncio.CancelledError from None
            raise
        return result

    def exception(self) -> BaseException | None:
        """Return the error, as for any future; ``OperationCancelledError`` if the operation was given up."""
        if self.cancelled() and self._operation.is_given_up:
            return self._operation.cancelled_error()
        return super().exception()

    def add_done_callback(
        self, fn: Callable[[Any], object], /, *, context: Context | None = None
    ) -> None:
        """Add a callback, as for any future. Inside a step it raises ``ContextMisuseError``."""
        operation = self._operation
        if isinstance(get_current(), StepContext):
            raise refused_in_step(operation.label, "awaited")
        operation.callbacks_added += 1
        # The C code of asyncio takes None for the context of the code that completes the future, which is the SDK's.
        super().add_done_callback(fn, context=copy_context() if context is None else context)

    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        """Remove a callback, as for any future."""
        removed = super().remove_done_callback(fn)
        self._operation.callbacks_added -= removed
        return removed

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the operation, and the tasks that await it, as for any future.

        A wait ends early instead, and the tasks that await it go on as if its time were up. Both are recorded,
        so that replay does the same. Returns ``False`` if the workflow has seen the end of the operation, or
        has cancelled it already.
        """
        return self._operation.cancel(msg, sys._getframe(1))  # noqa: SLF001 - asyncio calls it too

    def set_result(self, result: _T, /) -> NoReturn:
        """Raise ``ContextMisuseError``: the result comes from the log alone."""
        raise self._closed("result")

    def set_exception(self, exception: type | BaseException, /) -> NoReturn:
        """Raise ``ContextMisuseError``: the error comes from the log alone."""
        raise self._closed("exception")

    def _closed(self, outcome: str) -> ContextMisuseError:
        return ContextMisuseError(
            f"set_{outcome} was called on {self._operation.label}: the outcome of an operation comes from"
            " the log, so that replay sees the same, and code cannot set it. Return or raise in the"
            " function of the operation, or call handle.cancel() to give it up; for an outcome that"
            " comes from elsewhere use ctx.create_callback()"
        )


def asyncio_function(frame: FrameType) -> str | None:
    """Return the name of the function of ``asyncio.tasks`` that this frame runs; ``None`` for other code."""
    is_asyncio = frame.f_globals.get("__name__") == "asyncio.tasks"
    return frame.f_code.co_name if is_asyncio else None
