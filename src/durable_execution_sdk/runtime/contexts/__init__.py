"""The state of one durable context in one invocation."""

from __future__ import annotations

import math
import threading
from typing import Any

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.protocol.updates import OperationUpdate
from durable_execution_sdk.runtime.completions.completion import Completion
from durable_execution_sdk.runtime.current import StepContext, get_current, running_call
from durable_execution_sdk.runtime.event_loop.environment import one_cancellation
from durable_execution_sdk.runtime.log.ids import context_prefix
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.tasks import WorkflowTask

__all__ = ["ContextState"]


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
        # The monotonic time until which timers of clean-up code in it keep the invocation open.
        self.cleans_until = math.inf
        self.last_end: float = 0
        self.is_rebuilt: bool = rebuilt or (parent is not None and parent.is_rebuilt)
        self.children: dict[ContextState, None] = {}
        # The operations that have not settled, by sequence number, and the tasks that run in the context.
        # Both are in order of creation, so that a replay cancels in the same order.
        self.unsettled: dict[int, Completion[Any]] = {}
        self._tasks: dict[WorkflowTask[Any], None] = {}
        # For ``ctx.budget``, which explains them (``runtime.contexts.budget``): the scopes that claim operations here, the
        # operations besides, the bytes that code has seen here, and what contexts that were given up had of both.
        self.scopes: dict[Any, None] = {}
        self.operations = 0
        self.stored_bytes = 0
        self.unseen_operations = 0
        self.unseen_bytes = 0
        if parent is not None:
            parent.children[self] = None
        else:
            run.bytes_in_contexts = self.bytes_in_all
        if run.gate is not None and not virtual:
            run.gate.entered(operation_id)

    @property
    def is_replaying(self) -> bool:
        """True if the code that runs now ran in an earlier invocation, as far as the log can tell.

        False in the body of a step, which replay does not run. A call in a thread ran if the log holds its end.
        """
        runner = get_current()
        if threading.get_ident() != self.run.thread:
            call = None if isinstance(runner, StepContext) else running_call()
            if call is not None:
                return call.is_replayed
            if runner is not None:
                return False
        if runner is None:
            return self.is_rebuilt or not self.run.position.is_new
        return isinstance(runner, WorkflowTask) and runner.scope.is_replaying

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

        In optimistic mode a result may be delivered before the log has its end time, and replay does not run
        completed contexts. With one clock for all, the ends of operations in a child context would move it on the
        first run and not on replay. So in that mode each context has a clock of its own, which only the ends of its
        own operations, and of those of the contexts around it, move.
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

    def diverged(self, at: str, fact: str, unrecorded: str) -> DeterminismError:
        """Return the error for code that does not do what the log holds, though it asks for the same operations."""
        from durable_execution_sdk.runtime.log.divergence import (  # noqa: PLC0415 - only for errors
            Change,
            divergence,
            seen_last,
        )

        return divergence(
            at, fact, Change.CONTENT, before=seen_last(self.run.journal), unrecorded=unrecorded
        )

    def submit(self, update: OperationUpdate) -> None:
        """Record an update, unless this context is over: the service refuses updates below a completed context."""
        if not self.is_closed:
            self.run.submit(update)

    def leave_behind(self, update: OperationUpdate) -> None:
        """Record an update that may wait for the next call, unless this context is over."""
        if not self.is_closed:
            self.run.leave_behind(update)

    @property
    def counted_operations(self) -> int:
        """The operations that code has asked for here, their retries, and what ended contexts had: see ``runtime.contexts.budget``."""
        claimed: int = sum(scope.operations for scope in self.scopes)
        return self.operations + claimed

    @property
    def operations_around(self) -> int:
        """The counted operations here and in the contexts around this one."""
        around = self.parent.operations_around if self.parent is not None else 0
        return around + self.counted_operations

    def bytes_in_all(self) -> int:
        """Return the bytes that code has seen here, and in the contexts in it that run."""
        return self.stored_bytes + sum(child.bytes_in_all() for child in self.children)

    def take_over(self, inner: ContextState) -> None:
        """Count what is in a virtual context as being in this one, now that it ends."""
        self.operations += inner.counted_operations
        self.stored_bytes += inner.stored_bytes
        self.unseen_operations += inner.unseen_operations
        self.unseen_bytes += inner.unseen_bytes

    def release(self, operation: Completion[Any]) -> None:
        """Forget an operation in this context that has settled or was dropped: no news of it is of use any more."""
        self.unsettled.pop(operation.sequence, None)
        self.run.registered.pop(operation.operation_id, None)
        self.run.journal.release(operation.operation_id)

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
        left = [watched for watched in self._tasks if watched is not get_current()]
        if not left:
            return
        if not self.run.is_ending:
            self.cleans_until = self.run.invoked.clean_up_end()
        with one_cancellation():
            for watched in left:
                watched.cancel()
