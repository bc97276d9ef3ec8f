"""Scopes: the counters of a context's tasks, from which operations take their ids.

Replay has to find, for each operation that the code asks for, the record that the first run made for
the same operation. Only ids tell operations apart, so an id must follow from the code alone, and never
from how tasks happened to interleave.

The rules:

- An id is claimed in the call (``ctx.step(...)``), not when the operation is awaited.
- A *scope* is one asyncio task in one durable context. Each scope counts its operations from 1. The
  context's own task has the scope without a path; a task that workflow code makes gets a new scope.
- A new scope is named after the task's coroutine function and counted apart for each function: it is the
  k-th task that *this scope* made of *this function* (``identity.row_of``). The digits in the name are a
  digest of the function's module and qualified name.
- Timers and futures are counted in the same way, by the function that makes them. Items of a map and
  branches of a parallel take their ids from their index instead.

An example, in the module ``orders``::

    async def charge(ctx, order):
        await ctx.step(reserve, order)
        await ctx.step(pay, order)

    @durable_execution
    async def handle(orders, ctx):
        await ctx.step(load)
        async with asyncio.TaskGroup() as group:
            for order in orders:
                group.create_task(charge(ctx, order))
        await ctx.step(close)

With two orders, the log holds these operations, for every order in which their bodies end::

    load       hash of "1"               the handler's own task, operation 1
    reserve    charge_83762f58_1-1       its first task of charge, operation 1
    pay        charge_83762f58_1-2
    reserve    charge_83762f58_2-1       its second task of charge, operation 1
    pay        charge_83762f58_2-2
    close      hash of "2"               the handler's own task, operation 2

In a child context, the texts begin with the id of the context's operation, or with its start.

What goes wrong without it:

- With one counter for the context, the tasks take their numbers in the order in which they run. If each
  begins with something that is not recorded, such as a thread, that order differs on replay, and the two
  orders get each other's payment without an error.
- With numbers for tasks in the order of their creation alone, a task that a library, a finalizer or
  another version of Python makes shifts the numbers of all later ones. Counted by function, it takes a
  number in a row of its own. On Python 3.11 ``asyncio.wait_for`` makes a task where later versions do
  not; there the task takes over its caller's scope.
- Objects in a set are ordered by their hash, which is an address. ``asyncio.wait`` returns sets, so
  tasks, futures and operations hash by their place (``IdScope.place`` and their number).

The price: to rename or move a coroutine function that tasks are made of changes their ids. Replay then
finds recorded operations that no code asks for, and the gate (``log.gate``) fails the execution before
anything runs.
"""

from __future__ import annotations

import uuid
from threading import get_ident
from typing import TYPE_CHECKING, Any

from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.current import HANDED_OVER_BY, get_current, task_on
from durable_execution_sdk.runtime.log.ids import (
    MAIN,
    Path,
    known_root_id,
    operation_id,
    place_below,
    place_of,
    root_operation_id,
    title_of,
)
from durable_execution_sdk.runtime.tasks import TaskScope, WorkflowTask
from durable_execution_sdk.runtime.tasks.identity import ITEMS, Row

if TYPE_CHECKING:
    import random

__all__ = ["IdScope", "current_scope"]


def current_scope(context_state: ContextState) -> IdScope:
    """Return the scope of the task that runs, for an operation in this context.

    Raises ``ContextMisuseError`` in another thread, in the body of a step, inside another context or
    outside the workflow, and ``DeterminismError`` in a task that the SDK has not numbered.
    """
    watched: Any = get_current()
    run = context_state.run
    if watched.__class__ is WorkflowTask and get_ident() == run.thread:
        scope: IdScope = watched.scope  # type: ignore[assignment]  # the only class of them
        running = task_on(run.loop)
        if (
            running is watched.task or (running is None and HANDED_OVER_BY.get() is not watched)
        ) and scope.context_state is context_state:
            return scope
    from durable_execution_sdk.runtime.contexts.misuse import misuse_of  # noqa: PLC0415 - only for errors

    raise misuse_of(context_state, watched)


class IdScope(TaskScope):
    """The counters of one task in one context; operations, tasks, timers and futures are numbered from them.

    Tasks, timers and futures are counted apart for each function that makes them (``identity.Row``).
    """

    __slots__ = (
        "_before",
        "_counts",
        "_drawn",
        "_maker",
        "_random",
        "_users",
        "claimed",
        "context",
        "context_state",
        "has_news",
        "path",
        "place",
    )

    def __init__(
        self,
        context_state: ContextState,
        context: str,
        path: Path = MAIN,
        *,
        first: int = 1,
        maker: IdScope | None = None,
        place: int | None = None,
    ) -> None:
        """Start counting operations at ``first``. ``maker`` is the scope of the task that made this one.

        ``place`` is the number at which the hashes of the scope's things start; it is computed if left out.
        """
        self.context_state = context_state
        # True once it has claimed an operation that the log did not hold when the invocation began.
        self.has_news = False
        self._maker = maker
        # The start of the texts of all ids in this context, and the chain of tasks that leads here.
        self.context = context
        self.path = path
        # The hashes of the things that this scope makes start here, so that those of two scopes differ.
        self.place = place_of(f"{context}{path.text}") if place is None else place
        self.claimed = self._before = first - 1
        # The number of tasks that run in it; on Python 3.11 that of ``asyncio.wait_for`` is one of two.
        self._users = 0
        context_state.scopes[self] = None
        # Made at the first use, since most tasks make none of these things.
        self._counts: dict[str, int] | None = None
        self._drawn = 0
        self._random: random.Random | None = None

    @property
    def is_replaying(self) -> bool:
        """True if the code that runs in this scope now ran in an earlier invocation: see ``position.Position``."""
        if self.context_state.is_rebuilt:
            return True
        if self.context_state.run.position.is_new:
            return False
        scope: IdScope | None = self
        while scope is not None and not scope.has_news:
            scope = scope._maker  # noqa: SLF001 - one of its own kind
        return scope is None

    @property
    def is_over(self) -> bool:
        """True if operations do nothing here any more, because only clean-up code still runs."""
        return self.context_state.is_over

    @property
    def runs_in(self) -> object:
        """The part of the workflow that a replay runs or leaves out as a whole.

        That is the context or, in a task that iterates over the items of a map, that task: replay runs neither a
        context that has ended nor such a task of a map that has ended.
        """
        return self.context_state, self.path.to_items

    def count(self, kind: str, row: Row) -> int:
        """Count one more thing of this kind and row, and return its number, from 1."""
        counts = self._counts = self._counts or {}
        key = f"{kind} {row.text}"
        number = counts[key] = counts.get(key, 0) + 1
        return number

    def spawn(self, row: Row) -> tuple[IdScope, int]:
        """Return the scope of the next task of this row that this scope's task makes, and the task's hash."""
        number = self.count("task", row)
        place = self.place + row.number + number
        path = self.path.below(f"{row.text}_{number}")
        scope = IdScope(
            self.context_state, self.context, path, maker=self, place=place_below(place)
        )
        return scope, place

    def spawn_items(self) -> IdScope:
        """Return the scope of a task that iterates over the items of a map."""
        number = self.count("task", ITEMS)
        path = self.path.through_items(self.context, number)
        return IdScope(self.context_state, self.context, path, maker=self)

    def entered(self, task: WorkflowTask[Any]) -> None:
        """Note that the scope's task begins."""
        self._users += 1
        self.context_state.entered(task)

    def left(self, task: WorkflowTask[Any]) -> None:
        """Note that the scope's task has ended."""
        context_state = self.context_state
        context_state.left(task)
        self._users -= 1
        if not self._users and self in context_state.scopes:
            del context_state.scopes[self]
            context_state.operations += self.claimed - self._before

    @property
    def operations(self) -> int:
        """The number of operations that it has claimed."""
        return self.claimed - self._before

    @property
    def now(self) -> float:
        """The log's time, in milliseconds."""
        return self.context_state.now

    @property
    def title(self) -> str:
        """The name of the context in messages."""
        return self.context_state.title

    def next_id(self) -> str:
        """Claim the next operation's id."""
        self.claimed = number = self.claimed + 1
        if self.path is MAIN:
            if context := self.context:
                return operation_id(f"{context}{number}")
            return known_root_id(number) or root_operation_id(number)
        return self.path.operation_id(self.context, number)

    def next_timer_id(self, row: Row) -> tuple[str, int]:
        """Claim the id of the next timer that the code of this row sets, and return it with the timer's hash."""
        number = self.count("timer", row)
        timers = self.path.below(f"timer_{row.text}")
        place = self.place + row.number + number
        return timers.operation_id(self.context, number), place

    def next_thread_end(self, row: Row) -> tuple[str, int, int]:
        """Claim the end of the next call in a thread; return its id, its hash and its sequence number."""
        number = self.count("thread", row)
        ends = self.path.below(f"thread_{row.text}")
        end_id = ends.operation_id(self.context, number)
        run = self.context_state.run
        run.journal.unclaimed.discard(end_id)
        run.completions.claims = run.completions.thread_claims[end_id] = run.completions.claims + 1
        return end_id, self.place + row.number + number, run.completions.claims

    def is_next_recorded(self) -> bool:
        """Return ``True`` if the log holds the operation that will be claimed next."""
        return self.context_state.run.journal.get(self.following_id) is not None

    @property
    def following_id(self) -> str:
        """The id of the operation that will be claimed next."""
        return self.path.operation_id(self.context, self.claimed + 1)

    @property
    def position(self) -> str:
        """The place of the operation that was claimed last, for messages."""
        tasks = "".join(f"{title_of(part)} in " for part in reversed(self.path.parts))
        return f"operation {self.claimed} of {tasks}{self.context_state.title}"

    def uuid4(self) -> uuid.UUID:
        """Return the next random UUID of this scope: the same on every replay, different in each execution."""
        self._drawn += 1
        seed = f"{self._seed}|uuid{self._drawn}"
        return uuid.UUID(bytes=bytes.fromhex(operation_id(seed)[:32]), version=4)

    def random(self) -> random.Random:
        """Return the random generator of this scope, which yields the same numbers on every replay."""
        if self._random is None:
            import random  # noqa: PLC0415 - rarely needed, and a cold start should not pay for it

            self._random = random.Random(self._seed)  # noqa: S311 - replayable is what it is for
        return self._random

    @property
    def _seed(self) -> str:
        return f"{self.context_state.run.journal.seed}|{self.context}{self.path.text}"
