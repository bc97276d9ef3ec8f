"""Contexts, and the tasks that use them: who may claim an operation, and with which id."""

from __future__ import annotations

import math
import threading
import uuid
from asyncio import Task
from typing import TYPE_CHECKING, Any

from durable_execution_sdk.errors import ContextMisuseError, DeterminismError
from durable_execution_sdk.model.update import OperationUpdate
from durable_execution_sdk.runtime.current import CURRENT, task_on
from durable_execution_sdk.runtime.delivery import Handle
from durable_execution_sdk.runtime.identity import ITEMS, Row
from durable_execution_sdk.runtime.ids import MAIN, Path, context_prefix, operation_id, place_of
from durable_execution_sdk.runtime.tasks import WorkflowTask
from durable_execution_sdk.runtime.workflow import Workflow

if TYPE_CHECKING:
    import random

__all__ = ["Frame", "Scope"]


def _unnumbered(running: Task[Any]) -> DeterminismError:
    # By its function: the names that asyncio gives to tasks are numbered through the whole process.
    name = getattr(running.get_coro(), "__qualname__", running.get_name())
    return DeterminismError(
        f"the task {name!r} was made with asyncio.Task(...), or by a task factory of its own,"
        " so it has no place in the workflow from which its operations could take their ids: they would"
        " be taken for those of the task that made it. Make it with asyncio.create_task(...), or in an"
        " asyncio.TaskGroup"
    )


class Frame:
    """One durable context of one invocation: the handler's own, or a child's.

    ``parent_id`` is what its operations carry as ParentId. A virtual context has no operation of its
    own, so its operations carry that of the nearest context that has one. ``rebuilt``: the log holds
    the end of the context, and its function only runs to build the result again. What has not ended
    in there by now never will.
    """

    def __init__(
        self,
        workflow: Workflow,
        *,
        operation_id: str | None = None,
        name: str | None = None,
        parent: Frame | None = None,
        virtual: bool = False,
        rebuilt: bool = False,
    ) -> None:
        self.workflow = workflow
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
        self.children: dict[Frame, None] = {}
        # Both in order, so that everything is cancelled in the same order again: the operations that
        # have not settled, by their number, and the tasks that run in here.
        self.handles: dict[int, Handle[Any]] = {}
        self._tasks: dict[WorkflowTask[Any], None] = {}
        if parent is not None:
            parent.children[self] = None
        if workflow.gate is not None and not virtual:
            workflow.gate.entered(operation_id)

    @property
    def is_replaying(self) -> bool:
        """Whether the code that runs now has run before, as far as the log can tell.

        The body of a step has not, and in another thread nobody can tell, so nothing is held back.
        """
        runner = CURRENT.get()
        if runner is None:
            return self.is_rebuilt or not self.workflow.position.is_new
        if not isinstance(runner, WorkflowTask) or threading.get_ident() != self.workflow.thread:
            return False
        scope: Any = runner.scope
        replaying: bool = scope.is_replaying
        return replaying

    @property
    def is_over(self) -> bool:
        """Whether operations do nothing here any more: only clean-up code still runs."""
        return self.is_closed or self.workflow.is_ending

    @property
    def now(self) -> float:
        """The log's time here: the end of the completion that was delivered last, in milliseconds.

        In optimistic mode not all ends are known when they are seen, so the ends within a context that has
        completed, which replay does not see, may not tell the code around it the time.
        """
        order = self.workflow.order
        if not order.tells_contexts:
            return order.now
        latest = self.workflow.began_at
        frame: Frame | None = self
        while frame is not None:
            latest = max(latest, frame.last_end)
            frame = frame.parent
        return latest

    @property
    def title(self) -> str:
        """What messages call this context."""
        if self.operation_id is None:
            return "the handler's context"
        return f"the child context {self.name!r}" if self.name else "an unnamed child context"

    def scope(self) -> Scope:
        """Where the running task claims its operations; refuses whoever may not use this context."""
        watched: Any = CURRENT.get()
        task: object = watched
        if isinstance(task, WorkflowTask):
            if threading.get_ident() != self.workflow.thread:
                raise ContextMisuseError(
                    f"{self.title} was used in another thread: the order in which threads run is not"
                    " recorded, so operations can only be started by the workflow's own tasks. Start"
                    " them there; a plain function given to ctx.step runs in a thread by itself"
                )
            scope: Any = task.scope
            running = task_on(self.workflow.loop)
            if running is not None and running is not watched.task:
                raise _unnumbered(running)
            if isinstance(scope, Scope):
                if scope.frame is self:
                    return scope
                if scope.frame.workflow is not self.workflow:
                    raise ContextMisuseError(
                        f"{self.title} of an earlier invocation, or of another execution, was used"
                        " inside this one: something kept it, such as a global variable or a cache. Use the context"
                        " that this call of the function was given"
                    )
                raise ContextMisuseError(
                    f"{self.title} was used inside {scope.frame.title}: an operation belongs to the"
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
        """Record an update, unless this context is over: orphans may not checkpoint."""
        if not self.is_closed:
            self.workflow.submit(update)

    def leave_behind(self, update: OperationUpdate) -> None:
        """Record an update with the next one that somebody waits for, unless this context is over."""
        if not self.is_closed:
            self.workflow.leave_behind(update)

    def entered(self, task: WorkflowTask[Any]) -> None:
        """This task runs in the context."""
        self._tasks[task] = None

    def left(self, task: WorkflowTask[Any]) -> None:
        """This task has ended."""
        self._tasks.pop(task, None)

    def close(self) -> None:
        """This context is over: what is unfinished in it, at any depth, is cancelled."""
        self.is_closed = True
        if self.parent is not None:
            self.parent.children.pop(self, None)
        for child in list(self.children):
            child.close()
        for handle in list(self.handles.values()):
            handle.drop()
        left = [watched for watched in self._tasks if watched is not CURRENT.get()]
        if left and not self.workflow.is_ending:
            self.cleans_until = self.workflow.clean_up_end()
        for watched in left:
            watched.cancel()


class Scope:
    """One task's use of one context: the counters that its operations take their ids from.

    Each kind of thing is counted apart, and tasks, timers and futures also by the code that makes them,
    so that nothing made behind workflow code shifts the number of anything else (``identity.py``).
    """

    __slots__ = (
        "_counts",
        "_drawn",
        "_maker",
        "_random",
        "claimed",
        "context",
        "frame",
        "has_news",
        "path",
        "place",
    )

    def __init__(
        self,
        frame: Frame,
        context: str,
        path: Path = MAIN,
        *,
        first: int = 1,
        maker: Scope | None = None,
    ) -> None:
        """``maker`` is the scope whose code made this one."""
        self.frame = frame
        # Whether it has claimed an operation that the log did not hold when the invocation began.
        self.has_news = False
        self._maker = maker
        # What the texts of all ids in this context start with, and the tasks that lead here.
        self.context = context
        self.path = path
        # Hashes of what this scope makes start here, so that those of two scopes differ.
        self.place = place_of(f"{context}{path.text}")
        self.claimed = first - 1
        self._counts: dict[Any, int] = {}
        self._drawn = 0
        self._random: random.Random | None = None

    @property
    def is_replaying(self) -> bool:
        """Whether the code that runs here now has run before: see ``Position``."""
        if self.frame.is_rebuilt:
            return True
        if self.frame.workflow.position.is_new:
            return False
        scope: Scope | None = self
        while scope is not None and not scope.has_news:
            scope = scope._maker  # noqa: SLF001 - one of its own kind
        return scope is None

    def count(self, kind: str, row: Row) -> int:
        """The number of one more thing of this kind and row, from 1."""
        key = (kind, row)
        number = self._counts[key] = self._counts.get(key, 0) + 1
        return number

    def spawn(self, row: Row) -> tuple[Scope, int]:
        """The scope of the next task of this row that the task of this one makes, and its place."""
        number = self.count("task", row)
        title = f"task {row.text.rpartition('_')[0]} {number}"
        path = self.path.below(f"{row.text}_{number}", title)
        return Scope(self.frame, self.context, path, maker=self), self.place + row.number + number

    def spawn_items(self) -> Scope:
        """The scope of the task that goes through the items of a map."""
        number = self.count("task", ITEMS)
        path = self.path.through_items(self.context, number)
        return Scope(self.frame, self.context, path, maker=self)

    def entered(self, task: WorkflowTask[Any]) -> None:
        """The task begins."""
        self.frame.entered(task)

    def left(self, task: WorkflowTask[Any]) -> None:
        """The task has ended."""
        self.frame.left(task)

    @property
    def now(self) -> float:
        """The log's time, in milliseconds."""
        return self.frame.now

    def next_id(self) -> str:
        """Claim the next operation's id."""
        self.claimed = number = self.claimed + 1
        if self.path is MAIN:
            return operation_id(f"{self.context}{number}")
        return self.path.operation_id(self.context, number)

    def next_timer_id(self, row: Row) -> tuple[str, int]:
        """Claim the id of the next timer that this code sets, and its place."""
        number = self.count("timer", row)
        timers = self.path.below(f"timer_{row.text}", "")
        place = self.place + row.number + number
        return timers.operation_id(self.context, number), place

    def is_next_recorded(self) -> bool:
        """Tell if the log holds the operation that will be claimed next."""
        following = self.path.operation_id(self.context, self.claimed + 1)
        return self.frame.workflow.journal.get(following) is not None

    @property
    def position(self) -> str:
        """Where the operation that was claimed last stands, for people."""
        tasks = "".join(f"{title} in " for title in reversed(self.path.titles))
        return f"operation {self.claimed} of {tasks}{self.frame.title}"

    def uuid4(self) -> uuid.UUID:
        """The next of this scope's ids: the same on every replay, different in every execution."""
        self._drawn += 1
        seed = f"{self._seed}|uuid{self._drawn}"
        return uuid.UUID(bytes=bytes.fromhex(operation_id(seed)[:32]), version=4)

    def random(self) -> random.Random:
        """This scope's generator: the same numbers on every replay."""
        if self._random is None:
            import random  # noqa: PLC0415 - rarely needed, and a cold start should not pay for it

            self._random = random.Random(self._seed)  # noqa: S311 - replayable is what it is for
        return self._random

    @property
    def _seed(self) -> str:
        return f"{self.frame.workflow.journal.arn}|{self.context}{self.path.text}"
