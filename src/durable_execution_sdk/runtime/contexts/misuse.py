"""The error for the use of a context where it starts no operations. Loaded at the first such use."""

from __future__ import annotations

import threading
from asyncio import Task
from typing import Any

from durable_execution_sdk.errors import ContextMisuseError, DeterminismError
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.current import HANDED_OVER_BY, task_on
from durable_execution_sdk.runtime.tasks import WorkflowTask

__all__ = ["misuse_of", "no_context"]


def misuse_of(
    context_state: ContextState, current: object
) -> ContextMisuseError | DeterminismError:
    """Return the error for a use of a context by the code that runs now, of which ``CURRENT`` holds ``current``."""
    title = context_state.title
    watched: Any = current
    if isinstance(current, WorkflowTask):
        if threading.get_ident() != context_state.run.thread:
            return ContextMisuseError(
                f"{title} was used in another thread: the order in which threads run is not"
                " recorded, so operations can only be started by the workflow's own tasks. Start"
                " them there; a plain function given to ctx.step runs in a thread by itself"
            )
        running = task_on(context_state.run.loop)
        if running is not None and running is not watched.task:
            return _unnumbered(running)
        if running is None and HANDED_OVER_BY.get() is watched:
            return ContextMisuseError(
                f"{title} was used in a callback that another thread has handed to the event loop, with"
                " loop.call_soon_threadsafe for instance: the moment at which it runs is not recorded, so its"
                " operations could get the numbers of others on replay. Do the thread's work in a step, and start"
                " the operation after it"
            )
        own: object = getattr(watched.scope, "context_state", None)
        if isinstance(own, ContextState):
            return _in_another(context_state, own)
    if current is not None:
        return ContextMisuseError(
            f"{title} was used inside a step: a step's body is plain code and cannot start"
            " durable operations; move them into the workflow, or into a child context"
            " (ctx.run_in_child_context)"
        )
    return ContextMisuseError(
        f"{title} was used outside its workflow: durable operations can only be started by"
        " the tasks that the handler runs, while it runs"
    )


def no_context(current: object) -> ContextMisuseError:
    """Return the error of ``DurableContext.current()`` for code of which ``CURRENT`` holds ``current``."""
    if isinstance(current, WorkflowTask):
        return ContextMisuseError(
            "DurableContext.current() was called in another thread, or in a callback or a task that the SDK has not"
            " numbered: operations can only be started by the workflow's own tasks. A framework runs a plain function"
            " in a thread of its own: make it async def, so that it runs in the workflow's task, or do its work in a"
            " step and start the operation after it"
        )
    if current is not None:
        return ContextMisuseError(
            "DurableContext.current() was called inside a step: a step's body is plain code and cannot start durable"
            " operations. Call it in the workflow's own code; a tool of an agent runs there if it is marked with"
            " durable_execution_sdk.agents.in_workflow. In a step, use StepContext.current()"
        )
    return ContextMisuseError(
        f"DurableContext.current() was called where no workflow runs, in the thread"
        f" {threading.current_thread().name!r}: a context exists only in the tasks of a function that is decorated"
        " with @durable_execution, while it runs. Call it there, or in a function that it awaits; a thread of a"
        " framework has none"
    )


def _in_another(context_state: ContextState, own: ContextState) -> ContextMisuseError:
    """Return the error for a use inside the function of another context, of this invocation or of another."""
    if own.run is not context_state.run:
        return ContextMisuseError(
            f"{context_state.title} of an earlier invocation, or of another execution, was used"
            " inside this one: something kept it, such as a global variable or a cache. Use the context"
            " that this call of the function was given"
        )
    return ContextMisuseError(
        f"{context_state.title} was used inside {own.title}: an operation belongs to the"
        " context whose function calls it; use the context that the function was given"
    )


def _unnumbered(running: Task[Any]) -> DeterminismError:
    # Named by its function: asyncio's own task names are numbered through the whole process.
    name = getattr(running.get_coro(), "__qualname__", running.get_name())
    return DeterminismError(
        f"the task {name!r} was made with asyncio.Task(...), or by a task factory of its own,"
        " so it has no place in the workflow from which its operations could take their ids: they would"
        " be taken for those of the task that made it. Make it with asyncio.create_task(...), or in an"
        " asyncio.TaskGroup"
    )
