"""The run of one invocation, from its event to its outcome."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from durable_execution_sdk.errors import (
    ExecutionError,
    InvocationError,
    OperationError,
    ServiceError,
)
from durable_execution_sdk.protocol.data_plane import Invocation, Outcome, OutcomeStatus
from durable_execution_sdk.protocol.ids import execution_operation_id
from durable_execution_sdk.protocol.limits import MAX_RETURNED_RESULT_BYTES
from durable_execution_sdk.protocol.operations import Operation, OperationType
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.deadline import Deadline, margin_of
from durable_execution_sdk.runtime.event_loop.environment import Environment
from durable_execution_sdk.runtime.event_loop.threads import warn_of as warn_of_earlier_threads
from durable_execution_sdk.runtime.log import Journal
from durable_execution_sdk.runtime.logging import install_filter
from durable_execution_sdk.runtime.run import InvocationRun, MakeRun
from durable_execution_sdk.runtime.scheduler import Scheduler
from durable_execution_sdk.runtime.settings import Invoked, Settings
from durable_execution_sdk.runtime.unwinding import leave_nothing_behind
from durable_execution_sdk.runtime.verdicts import Abort, Complete, Suspend, Verdict

if TYPE_CHECKING:
    from durable_execution_sdk.ports import DataPlane

__all__ = ["run_invocation"]

_FORK = "/durable-execution/fork-"  # in the ARN of what may be a fork: see ``fork.envelope``
# The most characters that JSON makes of one character of a text.
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
    environment.generators.watch()
    if invocation.time_offset_milliseconds:
        from durable_execution_sdk.ports.shifted_time import ShiftedTimePlane  # noqa: PLC0415 - never on Lambda

        plane = ShiftedTimePlane(plane, invocation.time_offset_milliseconds)
    try:
        plane, invoked, journal = await _open_log(plane, invocation, invoked, settings)
    except ServiceError as error:
        return _refused(error)
    except ExecutionError as error:
        return _failed(error)  # of a fork, which cannot begin
    if journal is None:
        return Outcome(status=OutcomeStatus.PENDING)
    if journal.execution is None or journal.execution.execution_details is None:
        raise InvocationError(
            f"the state of {invoked.arn} has no EXECUTION operation, whose id would be"
            f" {execution_operation_id(invoked.arn)!r}, so there is no input to run with"
        )
    payload = journal.execution.execution_details.input_payload
    if settings.observers is None:
        run = make(environment, plane, invoked, journal, settings)
        return await _run_and_leave(run, main, payload)
    from durable_execution_sdk.runtime.instrumentation import (  # noqa: PLC0415 - only with plugins
        measured,
        reported,
        reporter,
        watch,
    )

    report = reporter(settings, settings.observers, journal, journal.execution, invoked, plane)
    run = make(environment, measured(plane, report), invoked, journal, settings)
    watch(run, report)
    return await reported(report, lambda: _run_and_leave(run, main, payload))


async def _run_and_leave(run: InvocationRun, main: Main, payload: str | None) -> Outcome:
    environment = run.environment
    install_filter(run.settings.logger)
    scheduler = Scheduler(run, _start_timer)
    deadline = Deadline(run, scheduler)
    environment.observe(scheduler)
    environment.loop.max_threads = run.settings.max_threads
    warn_of_earlier_threads(run.settings.logger)
    if "anyio" in sys.modules:
        from durable_execution_sdk.runtime.event_loop.anyio_scopes import adapt_anyio  # noqa: PLC0415 - see there
        from durable_execution_sdk.runtime.event_loop.anyio_threads import order_anyio_threads  # noqa: PLC0415

        adapt_anyio()
        order_anyio_threads()
    try:
        return await _run(run, deadline, main, payload)
    finally:
        await leave_nothing_behind(run, deadline)
        await environment.leave_callbacks()
        environment.observe(None)


def _start_timer(*arguments: Any) -> asyncio.TimerHandle | None:
    """Start a timer of asyncio in workflow code; the module is loaded with the first one, which few workflows have."""
    from durable_execution_sdk.runtime.timers import start_timer  # noqa: PLC0415

    return start_timer(*arguments)


async def _open_log(
    plane: DataPlane, invocation: Invocation, invoked: Invoked, settings: Settings
) -> tuple[DataPlane, Invoked, Journal | None]:
    """Return the log, and the data plane and token to go on with; no log if a fork is paused that has yet to begin."""
    updated = invocation.updated_operation_ids or ()
    named_by = invocation.forked_from_arn or invoked.arn
    ends_at = _last_moment(invoked, settings)
    operations = await _all_operations(plane, invocation, invoked, ends_at)
    # One look at a name, so that only forks, and executions that are named like one, load more.
    if _FORK in named_by:
        from durable_execution_sdk.runtime.log.forks import log_of_fork  # noqa: PLC0415 - for forks only

        fork = await log_of_fork(plane, invoked, named_by, operations, updated, ends_at)
        if fork is not None:
            return fork
    # Without another reference to the list, records can be dropped once the workflow has seen them.
    journal = Journal(invoked.arn, operations, updated)
    journal.seed = named_by
    return plane, invoked, journal


async def _all_operations(
    plane: DataPlane, invocation: Invocation, invoked: Invoked, ends_at: float | None
) -> list[Operation]:
    state = invocation.initial_execution_state
    if not state.next_marker:
        return list(state.operations)
    from durable_execution_sdk.runtime.log.state_pages import read_in_time  # noqa: PLC0415 - for few states

    marker = state.next_marker
    others = await read_in_time(plane, invoked.arn, invoked.token, marker, ends_at)
    return [*state.operations, *others]


def _last_moment(invoked: Invoked, settings: Settings) -> float | None:
    """Return the monotonic time after which the service is not waited for any more."""
    end = invoked.ends_at
    return None if end is None else end - margin_of(settings, end - time.monotonic()) / 2


async def _run(run: InvocationRun, deadline: Deadline, main: Main, payload: str | None) -> Outcome:
    root = ContextState(run, rebuilt=run.is_rehearsal)
    run.on_stop = root.close
    ends_at = run.invoked.ends_at
    if ends_at is not None:
        left = ends_at - time.monotonic()
        run.margin = margin_of(run.settings, left)
        deadline.leave_after(left - run.margin)
        run.outside.has_deadline = True
        run.checkpointer.ends_at = _last_moment(run.invoked, run.settings)
    run.position.stays_for_new_end = run.outside.stays_for_new_end
    run.position.may_wait_for_service = run.unsettled.may_wait_for_service

    async def body() -> str | None:
        return await main(root, payload)

    task = run.tasks.start(body(), IdScope(root, root.prefix))
    task.add_done_callback(run.tell_end, context=sdk_context())
    try:
        await run.ended
    except asyncio.CancelledError:
        run.tasks.is_cut = True  # by Ctrl-C, or by the end of the process
        raise
    if task.done() and not task.cancelled():
        task.exception()  # marks it as retrieved, so that asyncio does not log it
    if run.gate is not None:
        _leave_through(run, task)
    outcome = _of_verdict(run.verdict) if run.verdict else _of_task(task)
    run.is_ending = True
    if not root.is_closed:
        root.close()
    await _flush(run)
    if run.refusal is not None:
        # A refusal of the last updates takes precedence over the result of the workflow's code.
        return _of_verdict(run.refusal)
    return await _within_limits(run, outcome)


def _leave_through(run: InvocationRun, task: asyncio.Task[str | None]) -> None:
    """Open the gate for updates that were left behind, unless the code has diverged from the log."""
    if run.verdict is None:
        run.position.found_cut()
    goes_on = run.verdict is None or isinstance(run.verdict, Complete)
    if goes_on and run.gate is not None and not run.gate.divergence():
        run.open_gate()
        return
    run.checkpointer.discard()
    has_returned = task.done() and not task.cancelled() and task.exception() is None
    if run.verdict is None and has_returned:
        run.returned_too_early(None)


async def _flush(run: InvocationRun) -> None:
    """Wait until everything that was submitted is acknowledged, but not beyond the function's time."""
    if run.invoked.ends_at is None:
        await run.checkpointer.flush()
        return
    try:
        async with asyncio.timeout_at(run.invoked.time_to_leave(math.inf, run.margin)):
            await run.checkpointer.flush()
    except TimeoutError:
        run.refusal = Abort(
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
    from durable_execution_sdk.runtime.error_objects import capture  # noqa: PLC0415 - at the first failure

    return Outcome(status=OutcomeStatus.FAILED, error=capture(error))


async def _within_limits(run: InvocationRun, outcome: Outcome) -> Outcome:
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
    run.checkpointer.submit(
        OperationUpdate(
            id=run.journal.execution_id,
            type=OperationType.EXECUTION,
            action=OperationAction.SUCCEED,
            payload=result,
        )
    )
    await _flush(run)
    if run.refusal is not None:
        return _of_verdict(run.refusal)
    return Outcome(status=OutcomeStatus.SUCCEEDED, result="")
