"""The bodies of steps: functions of the user's that are no workflow code.

A body that runs keeps the invocation open. One that was given up may still clean up, but does not keep the
invocation open. The watcher reports each run of a user's function to plugins.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.operations import (
    OperationSubTypeName,
)
from durable_execution_sdk.runtime.completions.completion import Completion
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.log.gate import Gate
from durable_execution_sdk.runtime.tasks.numbered_task import out_of_reach

__all__ = ["FINDERS", "Attempting", "Bodies", "BodyWatcher", "with_resources"]

_S = TypeVar("_S")
_T = TypeVar("_T")


class Attempting(Completion[_T]):
    """An operation whose body runs."""

    __slots__ = ()

    at_most_once: bool

    @property
    def attempt_number(self) -> int:
        """The number of the attempt, from 1."""
        raise NotImplementedError

    def interrupt(self) -> bool:
        """Record that the function's time has cut off the attempt, and cancel the body.

        Returns ``False`` if nothing was recorded: the body goes on, and runs again in the next invocation.
        """
        raise NotImplementedError


class HeldBack:
    """Holds back bodies that would start when the function's time is nearly up."""

    async def passed_by(self, _body: Coroutine[object, object, None]) -> None:
        """Wait for ever: the invocation ends before."""
        await asyncio.get_running_loop().create_future()

    def when_open(self, callback: Callable[[], None]) -> None:
        """Call nothing: it never opens."""


class Bodies:
    """The bodies of one invocation that have not ended. ``gate`` holds back those that start while it is closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.gate: Gate | HeldBack | None = None
        self._loop = loop
        # The monotonic time at which they are interrupted, if it is limited, and the seconds until then at the beginning.
        self.leaves_at: float | None = None
        self.time_given = math.inf
        # The numbers of the attempts that were under way or due when the invocation began, by operation id.
        self.begun_first: dict[str, int] = {}
        self.running: dict[asyncio.Task[None] | None, Attempting[Any]] = {}
        # Bodies that were given up and have not ended; they do not keep the invocation open.
        self._left: dict[asyncio.Task[None] | None, Attempting[Any]] = {}

    def start(
        self, operation: Attempting[Any], body: Coroutine[object, object, None]
    ) -> asyncio.Task[None]:
        """Run the body of a step: plain code, which keeps the invocation open until it ends."""
        # A name of its own spares asyncio making one up.
        held = None if self.gate is None else self.gate.passed_by(body)
        name = operation.name or operation.operation_id
        task = asyncio.Task(held or body, loop=self._loop, name=name)
        if held is not None:
            # A task that is cancelled before its first step has not started the body.
            task.add_done_callback(lambda _: body.close(), context=sdk_context())
        out_of_reach(task)
        self.running[task] = operation
        return task

    def ended(self, task: asyncio.Task[None] | None) -> None:
        """Remove a finished body. A body cancelled before its first step never calls this; see ``is_any_running``."""
        if self.running.pop(task, None) is None:
            self._left.pop(task, None)

    def leave(self, task: asyncio.Task[None]) -> None:
        """Let a cancelled body clean up without keeping the invocation open."""
        operation = self.running.pop(task, None)
        if operation is not None and not task.done():
            self._left[task] = operation

    def interrupt(self) -> list[str]:
        """Interrupt all bodies that run, and start no more; return the names of those that are recorded as interrupted."""
        self.gate = HeldBack()
        under_way = [each for task, each in self.running.items() if _is_under_way(task)]
        return [operation.label for operation in under_way if operation.interrupt()]

    def is_any_running(self) -> bool:
        """Return ``True`` if the body of a step runs or is about to; drop those that have ended."""
        while self.running:
            task = next(iter(self.running))
            if _is_under_way(task):
                return True  # One is enough to know: there may be thousands.
            del self.running[task]
        return False

    def tasks_left(self) -> list[asyncio.Task[object]]:
        """Return the tasks of bodies that have not ended, given up or not."""
        bodies = (*self.running, *self._left)
        return [task for task in bodies if task is not None and not task.done()]

    def labels(self) -> set[str]:
        """Return the names, in messages, of the operations whose bodies keep the invocation open."""
        return {each.label for task, each in self.running.items() if _is_under_way(task)}

    def operation_of(self, task: asyncio.Task[Any]) -> Attempting[Any] | None:
        """Return the operation whose body runs in a task; ``None`` if it is no body's."""
        return self.running.get(task) or self._left.get(task)


def _is_under_way(body: asyncio.Task[None] | None) -> bool:
    return body is not None and not body.done()


# ``operations.resources`` puts its function here when it is loaded, without which no function has resources.
FINDERS: list[Callable[[Callable[..., Any]], WithResources | None]] = []


def with_resources(function: Callable[..., Any]) -> WithResources | None:
    """Return a function as it is called with the resources that it needs; ``None`` if it needs none."""
    return FINDERS[0](function) if FINDERS else None


if TYPE_CHECKING:

    class WithResources(Protocol):
        """A function as it is called with its resources: see ``operations.resources``."""

        function: Callable[..., Any]

        @property
        def names(self) -> Iterable[str]:
            """The parameters that are resources."""
            ...

        def refusal(self, operation: str) -> ConfigError:
            """Return the error for an operation whose functions get no resources."""
            ...

        def __call__(self, *args: Any) -> Awaitable[Any]:
            """Call the function with its other arguments."""
            ...

    class Observable(Protocol):
        """An operation that runs a function of the user's."""

        operation_id: str
        name: str | None
        is_cancelled: bool

        @property
        def kind(self) -> str:
            """Its type."""
            ...

        @property
        def sub_type(self) -> OperationSubTypeName:
            """Its subtype."""
            ...

        @property
        def context_state(self) -> Enclosing:
            """The context that it belongs to."""
            ...

    class Enclosing(Protocol):
        """The context of an operation."""

        parent_id: str | None

        @property
        def is_replaying(self) -> bool:
            """True if the code that runs now has run before."""
            ...


class BodyWatcher:
    """Runs functions of the user's, and reports each run."""

    async def step(
        self, operation: Observable, number: int, body: Callable[[], Awaitable[None]]
    ) -> None:
        """Run an attempt of a step."""
        raise NotImplementedError

    async def context(self, operation: Observable, body: Callable[[], Awaitable[_T]]) -> _T:
        """Run the function of a context."""
        raise NotImplementedError

    async def virtual_context(
        self, operation: Observable, body: Callable[[_S], Awaitable[_T]], inner: _S
    ) -> _T:
        """Run the function of a context without an operation."""
        raise NotImplementedError
