"""The cancel scopes of anyio in workflow code: the order in which they cancel, and how often.

A scope cancels its tasks and the scopes in it in the order of a set, which differs on each replay.

A cancelled scope delivers its cancellation again at each turn of the loop, until all that is in it has ended. So
the loop is never idle, however long that takes: a circle of tasks that await one another, or a saga whose
compensations run, would keep the processor busy and the invocation open. But a task of workflow code needs another
delivery only after it has moved. So here a cancellation is delivered again only after a turn in which a task has
moved.

This module is loaded only where anyio is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, MutableSet
from contextvars import copy_context
from typing import Any

import anyio._backends._asyncio as backend

from durable_execution_sdk.runtime.current import CURRENT
from durable_execution_sdk.runtime.tasks import WorkflowTask, WorkflowTasks
from durable_execution_sdk.runtime.tasks.numbered_task import NumberedTask

__all__ = ["adapt_anyio"]


def adapt_anyio() -> None:
    """Give anyio's cancel scopes an order, and let them cancel again only after a task of workflow code has moved."""
    scope: Any = backend.CancelScope
    original: Callable[..., None] = scope.__init__
    if getattr(original, "keeps_order", False):
        return

    def initialize(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        self._child_scopes = OrderedSet(self._child_scopes)
        self._tasks = OrderedSet(self._tasks)

    initialize.keeps_order = True  # type: ignore[attr-defined]
    scope.__init__ = initialize
    deliver_at_each_turn: Callable[[Any, Any], bool] = scope._deliver_cancellation  # noqa: SLF001 - not public

    def deliver(self: Any, origin: Any) -> bool:
        is_repeated = deliver_at_each_turn(self, origin)
        if origin is self and is_repeated:
            _repeat_after_a_move(self)
        return is_repeated

    scope._deliver_cancellation = deliver  # noqa: SLF001


def _repeat_after_a_move(scope: Any) -> None:
    """Put off the next delivery of a scope of workflow code until a task has moved."""
    caller: object = CURRENT.get()
    watched: Any = caller
    if (
        not isinstance(caller, WorkflowTask)
        or type(scope._host_task) is not NumberedTask  # noqa: SLF001
        or asyncio.current_task() is not None  # code has just cancelled the scope
    ):
        return
    tasks: WorkflowTasks = watched.owner
    context = copy_context()
    scope._cancel_handle.cancel()  # noqa: SLF001
    scope._cancel_handle = None  # noqa: SLF001 - otherwise the end of a shield would not deliver

    def repeat() -> None:
        if scope._cancel_handle is None:  # noqa: SLF001
            scope._cancel_handle = tasks.loop.call_soon(  # noqa: SLF001
                scope._deliver_cancellation,  # noqa: SLF001
                scope,
                context=context,
            )

    tasks.at_next_move(repeat)


class OrderedSet(MutableSet[Any]):
    """A set whose iteration follows the order of insertion."""

    __slots__ = ("_members",)

    def __init__(self, members: Iterable[Any] = ()) -> None:
        self._members: dict[Any, None] = dict.fromkeys(members)

    def __contains__(self, member: object) -> bool:
        return member in self._members

    def __iter__(self) -> Iterator[Any]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def add(self, value: Any) -> None:
        """Add a member, at the end."""
        self._members[value] = None

    def discard(self, value: Any) -> None:
        """Remove a member if it is in the set."""
        self._members.pop(value, None)
