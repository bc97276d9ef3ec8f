"""The run of one invocation, from its event to its outcome."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn

from durable_execution_sdk.errors import (
    ExecutionError,
    InvocationError,
    OperationError,
    ServiceError,
)
from durable_execution_sdk.ports.data_plane import DataPlane
from durable_execution_sdk.protocol.data_plane import Invocation, Outcome, OutcomeStatus
from durable_execution_sdk.protocol.ids import execution_operation_id
from durable_execution_sdk.protocol.limits import MAX_RETURNED_RESULT_BYTES
from durable_execution_sdk.protocol.operations import Operation, OperationType
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate
from durable_execution_sdk.runtime.contexts import ContextState, IdScope
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.error_objects import capture
from durable_execution_sdk.runtime.event_loop.loop import Environment
from durable_execution_sdk.runtime.event_loop.ordering import order_anyio
from durable_execution_sdk.runtime.event_loop.threads import warn_of as warn_of_earlier_threads
from durable_execution_sdk.runtime.instrumentation import measured, reported, reporter, watch
from durable_execution_sdk.runtime.log.checkpointer import Checkpointer
from durable_execution_sdk.runtime.log.journal import Journal
from durable_execution_sdk.runtime.logging import install_filter
from durable_execution_sdk.runtime.run import InvocationRun, Invoked, MakeRun
from durable_execution_sdk.runtime.settings import Settings
from durable_execution_sdk.runtime.timers import start_timer
from durable_execution_sdk.runtime.unwinding import leave_nothing_behind
from durable_execution_sdk.runtime.verdicts import Abort, Complete, Suspend, Verdict

__all__ = ["run_invocation"]

# The largest result that fits into the response of an invocation (API reference, section 3.1).
_LONGEST_ESCAPE = len(r"\ud83d\ude00")

Main = Callable[[ContextState, str | None], Awaitable[str | None]]


async def run_invocation(
    environment: Environment,
    plane: DataPlane,
    invocation: Invocation,
    invoked: Invoked,
    settings: Settings,
    main: Main,
    make: MakeRun = InvocationRun,
) -> Outcome:
    """Replay the log, run the workflow from there, and return the outcome.

    ``make`` makes the workflow; tests and tools pass another class. Raises if Lambda is to invoke again.
    """
    try:
        journal = Journal(
            invoked.arn,
            # No other reference is kept, so that records can be dropped once the workflow has seen them.
            await _all_operations(plane, invocation, invoked, settings),
            invocation.updated_operation_ids or (),
        )
    except ServiceError as error:
        return _refused(error)
    if journal.execution is None or journal.execution.execution_details is None:
        raise InvocationError(
            f"the state of {invoked.arn} has no EXECUTION operation, whose id would be"
            f" {execution_operation_id(invoked.arn)!r}, so there is no input to run with"
        )
    payload = journal.execution.execution_details.input_payload
    report = reporter(settings.observers, journal, invoked, plane)
    if report is None:
        workflow = make(environment, plane, invoked, journal, settings, start_timer)
        return await _run_and_leave(workflow, main, payload)
    plane = measured(plane, report)
    workflow = make(environment, plane, invoked, journal, settings, start_timer)
    watch(workflow, report)
    return await reported(report, lambda: _run_and_leave(workflow, main, payload))


async def _run_and_leave(workflow: InvocationRun, main: Main, payload: str | None) -> Outcome:
    environment = workflow.environment
    install_filter(workflow.settings.logger)
    environment.observe(workflow)
    environment.loop.max_threads = workflow.settings.max_threads
    warn_of_earlier_threads(workflow.settings.logger)
    order_anyio()
    try:
        return await _run(workflow, workflow.settings, main, payload)
    finally:
        await leave_nothing_behind(workflow)
        await environment.leave_callbacks()
        environment.observe(None)


async def _all_operations(
    plane: DataPlane, invocation: Invocation, invoked: Invoked, settings: Settings
) -> list[Operation]:
    state = invocation.initial_execution_state
    operations = list(state.operations)
    if state.next_marker:
        reader = Checkpointer(
            plane,
            invocation.durable_execution_arn,
            invocation.checkpoint_token,
            loop=asyncio.get_running_loop(),
            receive=_unused,
            fail=_unused,
        )
        reader.ends_at = _last_moment(invoked, settings)
        try:
            async with asyncio.timeout(reader.left):
                operations += await reader.load(state.next_marker)
        except TimeoutError as error:
            raise InvocationError(
                f"the state of {invoked.arn} could not be read before the function's time was up:"
                " the service is slow or silent, or the function's timeout too short"
            ) from error
    return operations


def _last_moment(invoked: Invoked, settings: Settings) -> float | None:
    """Return the monotonic time after which the service is not waited for any more."""
    deadline = invoked.ends_at
    if deadline is None:
        return None
    return deadline - settings.margin_of(deadline - time.monotonic()) / 2


def _unused(*_: object) -> NoReturn:
    raise AssertionError("a reader writes nothing")


async def _run(
    workflow: InvocationRun, settings: Settings, main: Main, payload: str | None
) -> Outcome:
    root = ContextState(workflow, rebuilt=workflow.is_rehearsal)
    workflow.on_stop = root.close
    deadline = workflow.invoked.ends_at
    if deadline is not None:
        left = deadline - time.monotonic()
        margin = settings.margin_of(left)
        workflow.leave_after(left - margin, margin)
        workflow.checkpointer.ends_at = _last_moment(workflow.invoked, settings)

    async def body() -> str | None:
        return await main(root, payload)

    task = workflow.tasks.start(body(), IdScope(root, root.prefix))
    task.add_done_callback(workflow.tell_end, context=sdk_context())
    await workflow.ended
    if task.done() and not task.cancelled():
        task.exception()  # marks it as retrieved, so that asyncio does not log it
    if workflow.gate is not None:
        _leave_through(workflow, task)
    outcome = _of_verdict(workflow.verdict) if workflow.verdict else _of_task(task)
    workflow.is_ending = True
    if not root.is_closed:
        root.close()
    await _flush(workflow)
    if workflow.refusal is not None:
        # A refusal of the last updates takes precedence over the result of the workflow's code.
        return _of_verdict(workflow.refusal)
    return await _within_limits(workflow, outcome)


def _leave_through(workflow: InvocationRun, task: asyncio.Task[str | None]) -> None:
    """Open the gate for updates that were left behind, unless the code has diverged from the log."""
    has_returned = task.done() and not task.cancelled() and task.exception() is None
    if workflow.verdict is None:
        workflow.position.found_cut()
        if has_returned:
            workflow.returned_too_early(None)
    goes_on = workflow.verdict is None or isinstance(workflow.verdict, Complete)
    if goes_on and workflow.gate is not None and not workflow.gate.divergence():
        workflow.open_gate()
    else:
        workflow.checkpointer.discard()


async def _flush(workflow: InvocationRun) -> None:
    """Wait until everything that was submitted is acknowledged, but not beyond the function's time."""
    if workflow.invoked.ends_at is None:
        await workflow.checkpointer.flush()
        return
    try:
        async with asyncio.timeout_at(workflow.time_to_leave(math.inf)):
            await workflow.checkpointer.flush()
    except TimeoutError:
        workflow.refusal = Abort(
            InvocationError(
                "the function's time is nearly up and the service has yet to acknowledge the last"
                " updates: this invocation ends so that Lambda invokes again"
            ),
            fatal=False,
        )


def _of_verdict(verdict: Verdict) -> Outcome:
    match verdict:
        case Suspend():
            return Outcome(status=OutcomeStatus.PENDING)
        case Complete(succeeded=True):
            return Outcome(status=OutcomeStatus.SUCCEEDED, result="")
        case Complete(error=error):
            return _failed(error or ExecutionError("the execution was completed as failed"))
        case Abort(error=error, fatal=True):
            return _failed(error)
        case Abort(error=error):
            raise error


def _of_task(task: asyncio.Task[str | None]) -> Outcome:
    if task.cancelled():
        return _failed(asyncio.CancelledError("the handler cancelled its own task"))
    error = task.exception()
    if error is None:
        return Outcome(status=OutcomeStatus.SUCCEEDED, result=task.result())
    # An error from the log is a failure of the execution, even if its class is an ``InvocationError`` too.
    kind = type(error)
    if issubclass(kind, InvocationError) and not issubclass(kind, OperationError):
        raise error
    return _failed(error)


def _refused(error: ServiceError) -> Outcome:
    if error.is_transient or error.is_stale_token or error.is_about_credentials:
        raise error
    return _failed(error)


def _failed(error: BaseException) -> Outcome:
    return Outcome(status=OutcomeStatus.FAILED, error=capture(error))


async def _within_limits(workflow: InvocationRun, outcome: Outcome) -> Outcome:
    """Record a result that does not fit into the response as the end of the EXECUTION instead.

    Its size is that of a text within JSON, in which quotes are escaped, and in Lambda's older runtimes
    every character that is not ASCII.
    """
    result = outcome.result
    if result is None or len(result) * _LONGEST_ESCAPE <= MAX_RETURNED_RESULT_BYTES:
        return outcome
    import json  # noqa: PLC0415 - only for results of this size

    if len(json.dumps(result)) - 2 <= MAX_RETURNED_RESULT_BYTES:
        return outcome
    workflow.checkpointer.submit(
        OperationUpdate(
            id=workflow.journal.execution_id,
            type=OperationType.EXECUTION,
            action=OperationAction.SUCCEED,
            payload=result,
        )
    )
    await _flush(workflow)
    if workflow.refusal is not None:
        return _of_verdict(workflow.refusal)
    return Outcome(status=OutcomeStatus.SUCCEEDED, result="")
