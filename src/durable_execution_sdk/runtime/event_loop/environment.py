"""The execution environment: the loop, generators and threads that warm invocations in one thread reuse.

Async generators that code leaves unfinished are closed here. The garbage collector finalizes such a
generator at any moment, in the middle of any code. asyncio's own hook makes a task for that in the context
of that code. It may be a workflow of another execution, which would then have one task more. Here the task
runs in the SDK's context, hidden from workflow code.

``asyncio.gather`` returns a future whose hash is its address, which would differ from one replay to the next.
Here those of workflow code get a hash by their place. They also keep the message of a cancellation, which
``gather`` loses where its last operand ended otherwise: a scope of anyio would not know the cancellation that
it has asked for, and let it out.
"""

from __future__ import annotations

import asyncio
import asyncio.tasks
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from typing import Any, TypeVar
from weakref import WeakSet

from durable_execution_sdk.errors import ContextMisuseError
from durable_execution_sdk.runtime.current import CURRENT, StepContext, sdk_context
from durable_execution_sdk.runtime.event_loop import WorkflowLoop
from durable_execution_sdk.runtime.event_loop.observer import (
    LoopObserver,
    owner_of_future,
    place_of_future,
)
from durable_execution_sdk.runtime.tasks import (
    WorkflowTask,
)
from durable_execution_sdk.runtime.tasks.numbered_task import limit_all_tasks, out_of_reach

__all__ = ["Environment", "environment"]

_T = TypeVar("_T")
_Generator = AsyncGenerator[Any, Any]

# Seconds for tasks to unwind after the main task itself was interrupted.
_UNWINDING_SECONDS = 1.0
# Turns of the loop for callbacks at the end: a transport closes its socket in the second one.
_LAST_TURNS = 3


class Generators:
    """The async generators that were started on one loop and have not ended."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, refuse: Callable[[ContextMisuseError], None]
    ) -> None:
        """Take the function that fails an execution whose generator uses a context while it is closed."""
        self._loop = loop
        self._refuse = refuse
        self._begun: WeakSet[_Generator] = WeakSet()
        # Those that the collector has found, until the loop closes them; the set above has lost them by then.
        self._collected: list[_Generator] = []
        self.closing: set[asyncio.Task[object]] = set()

    def watch(self) -> None:
        """Note generators that are started from now on, until the loop stops, which has hooks of its own."""
        sys.set_asyncgen_hooks(firstiter=self._begun.add, finalizer=self._finalize)

    @property
    def are_unfinished(self) -> bool:
        """True if there are any generators, or tasks that close them."""
        return bool(self._begun or self._collected or self.closing)

    def close_all(self) -> bool:
        """Close the generators that the invocation has left unfinished: none may outlive it.

        Returns ``True`` if there are any: a task closes each.
        """
        unfinished = [each for each in self._begun if not getattr(each, "ag_running", False)]
        for generator in unfinished:
            self._close(generator)
        return self._close_collected() or bool(unfinished)

    def _finalize(self, generator: _Generator) -> None:
        # The garbage collector may run in any thread.
        if not self._loop.is_closed():
            self._collected.append(generator)
            self._loop.call_soon_threadsafe(self._close_collected, context=sdk_context())

    def _close_collected(self) -> bool:
        """Close the generators that the collector has found; return ``True`` if there are any."""
        has_any = bool(self._collected)
        while self._collected:  # closing one may let the collector find another
            self._close(self._collected.pop(0))
        return has_any

    def _close(self, generator: _Generator) -> None:
        self._begun.discard(generator)
        closing: Any = self._closed(generator)
        closing.__qualname__ = f"the clean-up of {_name_of(generator)}"  # the name in messages
        task = asyncio.Task(closing, loop=self._loop, context=sdk_context())
        out_of_reach(task)
        self.closing.add(task)
        task.add_done_callback(self.closing.discard)

    async def _closed(self, generator: _Generator) -> None:
        try:
            await generator.aclose()
        except ContextMisuseError as error:
            self._refuse(
                ContextMisuseError(
                    f"{_name_of(generator)} was left unfinished, and starts operations when it is closed ({error})."
                    " The collector closes it at any moment, so replay could not repeat that: close it"
                    " in workflow code, async with contextlib.aclosing(...) as items"
                )
            )


def _name_of(generator: _Generator) -> str:
    return getattr(generator, "__qualname__", "an async generator")


class Environment:
    """The loop, generators and threads for the invocations that run in one thread of the process."""

    def __init__(self) -> None:
        self.loop = WorkflowLoop()
        self.generators = Generators(self.loop, self._fail)
        order_gather()
        limit_all_tasks()

    def run(self, main: Coroutine[object, object, _T]) -> _T:
        """Run a coroutine to its end. Ctrl-C and ``sys.exit`` unwind all tasks first, so that nothing is left.

        It runs in a copy of the context with ``CURRENT`` cleared: in a thread that workflow code has started,
        the caller's context is that of the workflow.
        """
        return copy_context().run(self._run, main)

    def _run(self, main: Coroutine[object, object, _T]) -> _T:
        CURRENT.set(None)
        task = asyncio.Task(main, loop=self.loop)
        out_of_reach(task)
        try:
            return self.loop.run_until_complete(task)
        except (KeyboardInterrupt, SystemExit):
            try:
                if task.done():
                    self._abandon()
                else:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        self.loop.run_until_complete(task)
            except (KeyboardInterrupt, SystemExit):
                self.close()
            raise

    def _abandon(self) -> None:
        """Unwind the other tasks after the main task was interrupted itself, and close the loop."""
        left = self.tasks_left()
        self.observe(None)
        for task in left:
            task.cancel()
        if left:
            self.loop.run_until_complete(asyncio.wait(left, timeout=_UNWINDING_SECONDS))
        self.loop.run_until_complete(self.leave_threads(_UNWINDING_SECONDS))
        self.close()

    def observe(self, observer: LoopObserver | None) -> None:
        """Notify this observer from now on when the loop is idle."""
        self.loop.idle_selector.tell(observer)

    def _fail(self, error: Exception) -> None:
        if (observer := self.loop.idle_selector.observer) is not None:
            observer.fail(error)

    def tasks_left(self) -> set[asyncio.Task[object]]:
        """Return the tasks that still run on the loop, besides the current one; only for the SDK's own code."""
        left = asyncio.all_tasks(self.loop) | self.generators.closing
        if (observer := self.loop.idle_selector.observer) is not None:
            left.update(observer.bodies_left())
        return left - {asyncio.current_task(self.loop)}

    async def leave_callbacks(self) -> None:
        """Cancel the timers and callbacks that are left, so that none of them runs in a later invocation.

        Callbacks that steps have scheduled last, such as to close a connection, get their turn first.
        """
        for _ in range(_LAST_TURNS):
            if not self._callbacks_left(StepContext):
                break
            await asyncio.sleep(0)
        for handle in (*self.loop.scheduled, *self._callbacks_left((StepContext, WorkflowTask))):
            handle.cancel()
        self.loop.leave_settings()

    def _callbacks_left(self, runner: type | tuple[type, ...]) -> list[asyncio.Handle]:
        """Return the callbacks that will run next and whose context belongs to such a runner."""
        left: list[asyncio.Handle] = []
        for handle in self.loop.ready:
            context: Context | None = getattr(handle, "_context", None)
            if context is not None and isinstance(context.get(CURRENT), runner):
                left.append(handle)
        return left

    async def leave_threads(self, seconds: float) -> list[str]:
        """Wait for plain functions for so many seconds, then disown the rest; return the names of those."""
        threads, self.loop.threads = self.loop.threads, None
        return [] if threads is None else await threads.leave(seconds)

    def close(self) -> None:
        """Close the loop."""
        if not self.loop.is_closed():
            self.loop.close()


class _Owner:
    """Closes a thread's environment when the thread or the interpreter ends.

    Only the thread itself refers to it. The environment may live much longer, by a reference in the
    traceback of an exception.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    def __del__(self) -> None:
        if not self.environment.loop.is_running():
            self.environment.close()


_owners = threading.local()


def environment() -> Environment:
    """Return this thread's environment, which is made on first use and kept for warm invocations."""
    owner: _Owner | None = getattr(_owners, "owner", None)
    if owner is None or owner.environment.loop.is_closed():
        owner = _owners.owner = _Owner(Environment())
    return owner.environment


_cancellation = threading.local()


@contextmanager
def one_cancellation() -> Generator[dict[object, bool | None]]:
    """Let the cancellations within go through each future of ``gather`` once; yield those reached, with their answers.

    Tasks that gather one another are reached by many ways, whose number doubles with each; asyncio takes them all.
    """
    outer: dict[object, bool | None] | None = getattr(_cancellation, "reached", None)
    reached: dict[object, bool | None] = {} if outer is None else outer
    _cancellation.reached = reached
    try:
        yield reached
    finally:
        _cancellation.reached = outer


def order_gather() -> None:
    """Give the futures that ``asyncio.gather`` makes in workflow code a reproducible hash, and their message."""
    tasks_module: Any = asyncio.tasks
    original: Any = getattr(tasks_module, "_GatheringFuture", None)
    if original is None or original.__module__ == __name__:
        return

    class GatheringFuture(original):  # type: ignore[misc]  # a class that is no public one
        """The future that ``asyncio.gather`` returns."""

        def __init__(self, children: Any, *, loop: Any) -> None:
            original.__init__(self, children, loop=loop)
            self.place_in_sets: int | None = place_of_future(2)
            self.owner = owner_of_future()
            self.message: object = None

        def __hash__(self) -> int:
            return object.__hash__(self) if self.place_in_sets is None else self.place_in_sets

        def cancel(self, msg: object = None) -> bool:
            """Cancel the operands, and keep the message, by which anyio tells its own cancellations."""
            if self.owner is None:
                return bool(original.cancel(self, msg))
            with one_cancellation() as reached:
                if self not in reached:
                    reached[self] = None
                    reached[self] = bool(original.cancel(self, msg)) or self.cancelled()
                    if reached[self]:
                        self.message = msg
                answer = reached[self]
                # While its operands are cancelled: one of them waits for it, and it ends the circle.
                return super(original, self).cancel(msg) if answer is None else answer

        def set_exception(self, exception: Any) -> None:
            """Fail. ``gather`` takes the message from its last operand, which lacks it if that ended by itself."""
            is_cancelled = isinstance(exception, asyncio.CancelledError)
            if is_cancelled and self.message is not None and not exception.args:
                exception.args = (self.message,)
            original.set_exception(self, exception)

    tasks_module._GatheringFuture = GatheringFuture  # noqa: SLF001 - ``gather`` looks it up there
