"""Scopes: the counters from which operations take their ids, and the contexts that they belong to.

Replay has to find, for each operation that the code asks for, the record that the first run made for
the same operation. Nothing else tells them apart than their ids, so an id must follow from the code
alone, and never from how tasks happened to interleave.

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
finds recorded operations that no code asks for, and ``gate`` fails the execution before anything runs.
"""

from __future__ import annotations

import math
import threading
import uuid
from asyncio import Task
from typing import TYPE_CHECKING, Any

from durable_execution_sdk.errors import ContextMisuseError, DeterminismError
from durable_execution_sdk.protocol.updates import OperationUpdate
from durable_execution_sdk.runtime.completions import Completion
from durable_execution_sdk.runtime.current import CURRENT, task_on
from durable_execution_sdk.runtime.log.ids import (
    MAIN,
    Path,
    context_prefix,
    operation_id,
    place_below,
    place_of,
    root_operation_id,
    title_of,
)
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.tasks.identity import ITEMS, Row
from durable_execution_sdk.runtime.tasks.workflow_task import TaskScope, WorkflowTask

if TYPE_CHECKING:
    import random

__all__ = ["ContextState", "IdScope"]


def _unnumbered(running: Task[Any]) -> DeterminismError:
    # Named by its function: asyncio's own task names are numbered through the whole process.
    name = getattr(running.get_coro(), "__qualname__", running.get_name())
    return DeterminismError(
        f"the task {name!r} was made with asyncio.Task(...), or by a task factory of its own,"
        " so it has no place in the workflow from which its operations could take their ids: they would"
        " be taken for those of the task that made it. Make it with asyncio.create_task(...), or in an"
        " asyncio.TaskGroup"
    )


class ContextState:
    """The state of one durable context in one invocation: the handler's own context, or a child's.

    ``parent_id`` is the ParentId of the operations in it. A virtual context has no operation of its own,
    so its operations carry the id of the nearest context that has one. With ``rebuilt``, the log holds the
    end of the context but not its result, and the function only runs to compute the result again: an
    operation that has no end in the log starts nothing, writes nothing and never completes.
    """

    def __init__(
        self,
        run: InvocationRun,
        *,
        operation_id: str | None = None,
        name: str | None = None,
        parent: ContextState | None = None,
        virtual: bool = False,
        rebuilt: bool = False,
    ) -> None:
        self.run = run
        self.name = name
        self.parent = parent
        self.operation_id = operation_id
        self.parent_id: str | None = (
            parent.parent_id if parent is not None and virtual else operation_id
        )
        self.prefix = "" if operation_id is None else context_prefix(operation_id)
        self.is_closed = False
        # Until then its clean-up keeps the workflow from its rest.
        self.cleans_until = math.inf
        self.last_end: float = 0
        self.is_rebuilt: bool = rebuilt or (parent is not None and parent.is_rebuilt)
        self.children: dict[ContextState, None] = {}
        # The operations that have not settled, by sequence number, and the tasks that run in the context.
        # Both are in order of creation, so that a replay cancels in the same order.
        self.unsettled: dict[int, Completion[Any]] = {}
        self._tasks: dict[WorkflowTask[Any], None] = {}
        if parent is not None:
            parent.children[self] = None
        if run.gate is not None and not virtual:
            run.gate.entered(operation_id)

    @property
    def is_replaying(self) -> bool:
        """True if the code that runs now ran in an earlier invocation, as far as the log can tell.

        False in the body of a step, which replay does not run, and in other threads, whose position is unknown.
        """
        runner = CURRENT.get()
        if runner is None:
            return self.is_rebuilt or not self.run.position.is_new
        if not isinstance(runner, WorkflowTask) or threading.get_ident() != self.run.thread:
            return False
        return runner.scope.is_replaying

    @property
    def is_over(self) -> bool:
        """True if operations do nothing here any more, because only clean-up code still runs."""
        return self.is_closed or self.run.is_ending

    @property
    def is_recorded(self) -> bool:
        """True if this context and those around it have operations of their own, which record their ends."""
        context_state: ContextState | None = self
        while context_state is not None and context_state.parent_id == context_state.operation_id:
            context_state = context_state.parent
        return context_state is None

    @property
    def now(self) -> float:
        """The log's time in this context: the end time of the last delivered completion, in milliseconds.

        In optimistic mode a result may be delivered before the log has its end time. Whether the end of a nested
        operation has moved the clock then differs from replay, which does not run completed contexts. So there
        each context has its own clock, which the ends of its own operations and of those around it move.
        """
        completions = self.run.completions
        if not completions.tells_contexts:
            return completions.now
        latest = self.run.began_at
        context_state: ContextState | None = self
        while context_state is not None:
            latest = max(latest, context_state.last_end)
            context_state = context_state.parent
        return latest

    @property
    def title(self) -> str:
        """The name of this context in messages."""
        if self.operation_id is None:
            return "the handler's context"
        return f"the child context {self.name!r}" if self.name else "an unnamed child context"

    def scope(self) -> IdScope:
        """Return the scope of the task that runs.

        Raises ``ContextMisuseError`` in another thread, in the body of a step, inside another context or
        outside the workflow, and ``DeterminismError`` in a task that the SDK has not numbered.
        """
        watched: Any = CURRENT.get()
        task: object = watched
        if isinstance(task, WorkflowTask):
            if threading.get_ident() != self.run.thread:
                raise ContextMisuseError(
                    f"{self.title} was used in another thread: the order in which threads run is not"
                    " recorded, so operations can only be started by the workflow's own tasks. Start"
                    " them there; a plain function given to ctx.step runs in a thread by itself"
                )
            scope = task.scope
            running = task_on(self.run.loop)
            if running is not None and running is not watched.task:
                raise _unnumbered(running)
            if isinstance(scope, IdScope):
                if scope.context_state is self:
                    return scope
                if scope.context_state.run is not self.run:
                    raise ContextMisuseError(
                        f"{self.title} of an earlier invocation, or of another execution, was used"
                        " inside this one: something kept it, such as a global variable or a cache. Use the context"
                        " that this call of the function was given"
                    )
                raise ContextMisuseError(
                    f"{self.title} was used inside {scope.context_state.title}: an operation belongs to the"
                    " context whose function calls it; use the context that the function was given"
                )
        if task is not None:
            raise ContextMisuseError(
                f"{self.title} was used inside a step: a step's body is plain code and cannot start"
                " durable operations; move them into the workflow, or into a child context"
                " (ctx.run_in_child_context)"
            )
        raise ContextMisuseError(
            f"{self.title} was used outside its workflow: durable operations can only be started by"
            " the tasks that the handler runs, while it runs"
        )

    def submit(self, update: OperationUpdate) -> None:
        """Record an update, unless this context is over: the service refuses updates below a completed context."""
        if not self.is_closed:
            self.run.submit(update)

    def leave_behind(self, update: OperationUpdate) -> None:
        """Record an update that may wait for the next call, unless this context is over."""
        if not self.is_closed:
            self.run.leave_behind(update)

    def entered(self, task: WorkflowTask[Any]) -> None:
        """Note that this task runs in the context."""
        self._tasks[task] = None

    def left(self, task: WorkflowTask[Any]) -> None:
        """Note that this task has ended."""
        self._tasks.pop(task, None)

    def close(self) -> None:
        """End this context: cancel all operations and tasks in it, at any depth, except the running task."""
        self.is_closed = True
        if self.parent is not None:
            self.parent.children.pop(self, None)
        for child in list(self.children):
            child.close()
        for operation in list(self.unsettled.values()):
            operation.drop()
        left = [watched for watched in self._tasks if watched is not CURRENT.get()]
        if left and not self.run.is_ending:
            self.cleans_until = self.run.invoked.clean_up_end()
        for watched in left:
            watched.cancel()


class IdScope(TaskScope):
    """The counters of one task in one context; operations, tasks, timers and futures are numbered from them.

    Tasks, timers and futures are counted apart for each function that makes them (``identity.Row``).
    """

    __slots__ = (
        "_counts",
        "_drawn",
        "_maker",
        "_random",
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
        self.claimed = first - 1
        self._counts: dict[Any, int] = {}
        self._drawn = 0
        self._random: random.Random | None = None

    @property
    def is_replaying(self) -> bool:
        """True if the code that runs in this scope now ran in an earlier invocation: see ``journal.Position``."""
        if self.context_state.is_rebuilt:
            return True
        if self.context_state.run.position.is_new:
            return False
        scope: IdScope | None = self
        while scope is not None and not scope.has_news:
            scope = scope._maker  # noqa: SLF001 - one of its own kind
        return scope is None

    def count(self, kind: str, row: Row) -> int:
        """Count one more thing of this kind and row, and return its number, from 1."""
        key = (kind, row)
        number = self._counts[key] = self._counts.get(key, 0) + 1
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
        self.context_state.entered(task)

    def left(self, task: WorkflowTask[Any]) -> None:
        """Note that the scope's task has ended."""
        self.context_state.left(task)

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
            context = self.context
            return operation_id(f"{context}{number}") if context else root_operation_id(number)
        return self.path.operation_id(self.context, number)

    def next_timer_id(self, row: Row) -> tuple[str, int]:
        """Claim the id of the next timer that the code of this row sets, and return it with the timer's hash."""
        number = self.count("timer", row)
        timers = self.path.below(f"timer_{row.text}")
        place = self.place + row.number + number
        return timers.operation_id(self.context, number), place

    def is_next_recorded(self) -> bool:
        """Return ``True`` if the log holds the operation that will be claimed next."""
        following = self.path.operation_id(self.context, self.claimed + 1)
        return self.context_state.run.journal.get(following) is not None

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
        return f"{self.context_state.run.journal.arn}|{self.context}{self.path.text}"
