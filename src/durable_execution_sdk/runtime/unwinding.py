"""The end of an invocation: everything that it started ends, or is abandoned for good.

Tasks are cancelled and get time to clean up, and so do the tasks that their clean-up starts, and the async
generators that they leave unfinished, which are closed after them. A task that catches its cancellation is
cancelled a few times more and then abandoned: no code of it ever runs again. All this ends before the
function's time.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from durable_execution_sdk.runtime.deadline import Deadline
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.settings import GRACE_SECONDS
from durable_execution_sdk.runtime.tasks import WorkflowTask
from durable_execution_sdk.runtime.tasks.numbered_task import cancel

__all__ = ["CANCELLATION_ROUNDS", "abandon", "keep_for_good", "leave_nothing_behind"]

# Shares of the clean-up time that pass after each round of cancellations.
CANCELLATION_ROUNDS = (0.6, 0.2, 0.1)
# What clean-up starts has the rest of its round, and so on: so many times, as code may start again all that ends.
_GENERATIONS = 20
# Seconds for which threads are waited for.
_THREAD_GRACE_SECONDS = 1.0
# Seconds for tasks that were killed, which need a turn of the loop, and then for the generators that they leave.
_LAST_SECONDS = 0.05

# References to abandoned tasks and others, kept for good: their destruction would run code of theirs.
_abandoned: list[object] = []


async def leave_nothing_behind(run: InvocationRun, deadline: Deadline) -> None:
    """Cancel all tasks of the invocation, of workflow code and of bodies, and wait for their threads.

    Logs a warning that names threads that were disowned and tasks that were abandoned.
    """
    run.is_ending = True
    ends_at = run.invoked.time_to_leave(GRACE_SECONDS, run.margin)
    environment = run.environment
    left = environment.tasks_left()
    is_over = not (left or run.checkpointer.has_writer or environment.generators.are_unfinished)
    await run.checkpointer.close(max(0.0, ends_at - time.monotonic()))
    await deadline.stop()
    if is_over:
        run.unwind()
    else:
        await _end_tasks(run, left - environment.generators.closing, ends_at)
    disowned = await environment.leave_threads(
        min(_THREAD_GRACE_SECONDS, ends_at - time.monotonic())
    )
    if disowned:
        run.settings.logger.warning(
            "plain functions of %s did not end when they were given up, and their threads are left"
            " running; what they return goes nowhere: %s. Let long functions look at"
            " StepContext.current().is_cancelled, and return",
            run.invoked.arn,
            ", ".join(disowned),
        )


async def _end_tasks(
    run: InvocationRun, running: set[asyncio.Task[object]], ends_at: float
) -> None:
    seconds = ends_at - time.monotonic()
    warned: set[asyncio.Task[object]] = set()
    for number, share in enumerate(CANCELLATION_ROUNDS):
        round_ends_at = time.monotonic() + share * seconds
        left = _left_of(run)
        for task in left:
            # A task that is cleaning up already, or was only started to clean up, gets time before.
            if task in warned or (number == 0 and task in running and not task.cancelling()):
                _cancel(task)
        for _ in range(_GENERATIONS):
            if not left:
                return
            warned |= left
            await _wait_for(left, round_ends_at - time.monotonic())
            if not all(task.done() for task in left) or time.monotonic() >= round_ends_at:
                break
            left = _left_of(run)
    await _end_stubborn_tasks(run)


async def _end_stubborn_tasks(run: InvocationRun) -> None:
    """Kill the tasks that are left, close the generators that they went through, and abandon what does not end."""
    environment = run.environment
    for watched in list(run.tasks.live):
        watched.kill()
    left = environment.tasks_left()
    for task in left:
        cancel(task)
    names = {task: _title_of(run, task) for task in left}
    await _wait_for(left, _LAST_SECONDS)
    if environment.generators.close_all():
        await _wait_for(environment.generators.closing - left, _LAST_SECONDS)
    for task in environment.tasks_left():
        names.setdefault(task, _title_of(run, task))
        abandon(task)
    if names:
        run.settings.logger.warning(
            "tasks of %s ignored their cancellation and were abandoned: %s",
            run.invoked.arn,
            ", ".join(sorted(names.values())),
        )


def _cancel(task: asyncio.Task[object]) -> None:
    coroutine: object = task.get_coro()
    if isinstance(coroutine, WorkflowTask):
        coroutine.cancel()
    else:
        cancel(task)


def _left_of(run: InvocationRun) -> set[asyncio.Task[object]]:
    """Return the tasks that have not ended. If there are none, close the async generators first."""
    run.unwind()
    environment = run.environment
    left = environment.tasks_left()
    if not left and environment.generators.close_all():
        left = environment.tasks_left()
    return left


async def _wait_for(tasks: set[asyncio.Task[object]], seconds: float) -> None:
    if tasks:
        done, _ = await asyncio.wait(tasks, timeout=max(0.0, seconds))
        for task in done:
            if not task.cancelled():
                task.exception()


def abandon(task: asyncio.Task[object]) -> None:
    """Make sure that a task never runs again, by removing its wake-ups from its future and from the loop.

    asyncio has no interface for this. The attributes used here exist in tasks, futures and loops of each
    of its versions, those written in C and those in Python.
    """
    inner: Any = task
    waits_for = inner._fut_waiter  # noqa: SLF001
    callbacks: list[tuple[object, object]] = getattr(waits_for, "_callbacks", None) or []
    for callback, _ in list(callbacks):
        if getattr(callback, "__self__", None) is task:
            waits_for.remove_done_callback(callback)
    for handle in inner.get_loop().ready:
        if getattr(handle._callback, "__self__", None) is task:  # noqa: SLF001
            handle.cancel()
    inner._log_destroy_pending = False  # noqa: SLF001
    asyncio._unregister_task(task)  # noqa: SLF001 - asyncio documents it, for makers of tasks
    keep_for_good(task)


def keep_for_good(code: object) -> None:
    """Keep a task, or a coroutine, past the end of the process: to destroy it, the interpreter would run code of it."""
    _abandoned.append(code)
    try:
        from ctypes import py_object, pythonapi  # noqa: PLC0415 - rarely needed
    except ImportError:  # a Python that was built without it
        return
    pythonapi.Py_IncRef(py_object(code))


def _title_of(run: InvocationRun, task: asyncio.Task[object]) -> str:
    """Return the name of a task in messages: a step's own name, otherwise that of the coroutine."""
    operation = run.bodies.operation_of(task)
    if operation is not None:
        return operation.label
    coroutine: object = task.get_coro()
    if isinstance(coroutine, WorkflowTask):
        watched: WorkflowTask[object] = coroutine
        return watched.scope.title if watched.is_of_the_sdk else watched.name
    for name in ("__qualname__", "__name__"):
        if hasattr(coroutine, name):
            return str(getattr(coroutine, name))
    return task.get_name()
