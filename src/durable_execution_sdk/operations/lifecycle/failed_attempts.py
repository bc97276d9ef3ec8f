"""Failed attempts: the retry strategy decides if there is another one.

Bodies that still run when the function's time is nearly up are interrupted.

The process is about to be frozen or killed. If nothing were recorded, the log would say that the attempt is under
way, the next invocation would begin it again, and a step that never fits into the function's time would do so for
ever. So the attempt is recorded as failed, with ``StepInterruptedError``, and the retry strategy decides:

    invocation 1    work STARTED ... the time is nearly up: RETRY in 5 s, the body is cancelled, PENDING
    invocation 2    work READY, STARTED ... RETRY in 10 s, PENDING
    ...
    invocation 6    work READY, STARTED ... the strategy allows no seventh attempt: FAIL

The record comes first and the body's clean-up after it, because the record has to be acknowledged in time and the
clean-up may take what is left. From the record on the body is inert: neither its value nor its error is recorded, and
no other attempt starts in this invocation.

A strategy may allow no other attempt, as ``NoRetry`` does, and a body may have begun late, after others had used up
the time. Such a step would fail only for the moment at which it began. So a body that may run again (at least once)
is not recorded as failed if its attempt was begun by code that ran in this invocation for the first time: it runs
again in the next one, and begins there as soon as replay ends. If it is interrupted there too, or if its attempt was due
when this invocation began, the function's whole time was not enough, and the step fails. A body that runs at most
once never runs again, and fails at once.
"""

from __future__ import annotations

from typing import Any

from durable_execution_sdk import retry
from durable_execution_sdk.errors import ConfigError, StepInterruptedError
from durable_execution_sdk.operations.lifecycle.attempts import AttemptOperation
from durable_execution_sdk.operations.lifecycle.strategy_calls import delay_of_retry, failed_attempt
from durable_execution_sdk.protocol.operations import OperationSubType
from durable_execution_sdk.runtime.current import cut_off
from durable_execution_sdk.runtime.error_objects import capture, shown

__all__ = ["TIME_UP", "interrupt", "retry_or_fail"]

# A part of the recorded message, by which tools tell these interruptions from those of crashes.
TIME_UP = "when the function's time was nearly up"


def interrupt(operation: AttemptOperation[Any]) -> bool:
    """Record an interrupted attempt, and cancel its body; return ``False`` if it runs again in the next invocation."""
    run, number, body = operation.run, operation.attempt_number, operation.body
    if body is None or operation.is_done or operation.is_void:
        return False
    has_whole_time = run.bodies.begun_first.get(operation.operation_id) == number
    threads = run.environment.loop.threads
    error = StepInterruptedError(
        f"{operation.label} still ran in attempt {number} {TIME_UP}; it was cancelled, and may"
        f" have had its effect. An invocation has {run.bodies.time_given:.3g} s for the bodies of steps: raise the function's"
        f" timeout, {_less_time(operation)}{threads.shortage if threads else ''}"
    )
    may_fail = operation.at_most_once or has_whole_time
    if not operation.in_context_of_body(operation.out_of_time, error, may_fail=may_fail):
        return False
    run.settings.logger.warning("%s", error)
    operation.is_void = True
    if operation.step_context is not None:
        cut_off(operation.step_context)
    body.cancel()
    run.bodies.leave(body)
    return True


def _less_time(operation: AttemptOperation[Any]) -> str:
    """Write what helps besides more time: checks and submitters have no ``StepConfig``."""
    is_submitter = hasattr(getattr(operation, "_config", None), "timeout_option")
    if operation.sub_type != OperationSubType.STEP or is_submitter:
        return "or let one call of its function do less"
    return "divide the step, or set StepConfig(needs=...), so that it starts with time enough"


def retry_or_fail(
    operation: AttemptOperation[Any],
    strategy: retry.RetryStrategy,
    error: BaseException,
    *,
    may_fail: bool = True,
) -> bool:
    """Ask the strategy about a failed attempt, and record a retry or, if it ``may_fail``, the failure.

    A strategy that raises or returns anything but a ``RetryDecision`` fails the step with ``ConfigError``. Returns
    ``False`` if nothing was recorded.
    """
    if operation.is_cancelled or operation.is_void:
        return False  # given up, or interrupted: its failure is not recorded
    number, label = operation.attempt_number, operation.label
    try:
        delay = delay_of_retry(strategy, error, number, label)
    except ConfigError as broken:
        operation.fail(broken)
        return True
    except KeyboardInterrupt:
        raise
    except BaseException as broken:
        subject = failed_attempt(number, label, error)
        failure = ConfigError(f"{subject}, and its retry strategy raised {shown(broken)}")
        failure.__cause__ = broken
        operation.fail(failure)
        return True
    if delay is not None:
        operation.retry(delay, error=capture(error))
    elif may_fail:
        operation.fail(error)
    return delay is not None or may_fail
