"""Operations whose body runs in attempts: steps and polls (both are STEPs on the wire)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from types import FunctionType
from typing import Any, ClassVar, Generic, TypeVar

from msgspec.structs import replace

from durable_execution_sdk.duration import LONGEST_TIMER_SECONDS
from durable_execution_sdk.errors import (
    ConfigError,
    ContextMisuseError,
    ExecutionError,
    InvocationError,
    OperationError,
    StepError,
)
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.operation import (
    GIVEN_UP,
    Operation,
    OperationStatus,
    OperationType,
    StepDetails,
)
from durable_execution_sdk.model.update import OperationAction, StepOptions
from durable_execution_sdk.operations.lifecycle import DurableOperation
from durable_execution_sdk.operations.options import decide, shown
from durable_execution_sdk.retry import RetryDecision, RetryStrategy
from durable_execution_sdk.runtime.current import CURRENT
from durable_execution_sdk.runtime.failure import capture
from durable_execution_sdk.runtime.step_context import StepContext, cut_off
from durable_execution_sdk.runtime.suspension import Aborted
from durable_execution_sdk.runtime.threads import LEFT_RUNNING, after_earlier_threads

__all__ = ["AttemptOperation", "is_coroutine_function", "retry_or_fail"]

_T = TypeVar("_T")

# Another attempt would end the same way.
_NEVER_RETRIED = (ExecutionError, ContextMisuseError, ConfigError)


class AttemptOperation(DurableOperation[_T], Generic[_T]):
    """A STEP: it runs its body until an attempt succeeds or the strategy gives up."""

    __slots__ = (
        "_body",
        "_context",
        "_is_running",
        "_step_context",
        "at_most_once",
        "waits_for_start",
    )

    kind: ClassVar[OperationType] = OperationType.STEP
    error_class: ClassVar[type[OperationError]] = StepError

    # Whether a body that was cut off is not run again in the same attempt.
    at_most_once: bool
    # Whether it runs once its START is acknowledged, and not before.
    waits_for_start: bool

    def begin(self) -> None:
        """Go on from what the log holds."""
        # True from an attempt's START until its outcome is on its way into the log.
        self._is_running = False
        self._body: asyncio.Task[None] | None = None
        self._step_context: StepContext | None = None
        record = self.record
        if self.is_void:
            return
        if record is not None and self.was_over:
            self.complete(record)
            return
        # A body sees the context variables of the call, whoever comes to start it.
        self._context = copy_context()
        if record is None:
            self._start()
        elif record.status == OperationStatus.STARTED:
            if self.at_most_once:
                self.interrupted()
            else:
                self._is_running = True
                self._run()
        else:
            self.advance(record)

    def advance(self, record: Operation) -> None:
        """An attempt was recorded as started, is to be retried later, or is due."""
        if record.status == OperationStatus.PENDING:
            self._is_running = False
            details = record.step_details
            self.pend(details.next_attempt_timestamp if details else None)
        elif record.status == OperationStatus.READY and not self._is_running:
            self.is_pending = False
            self._body = None
            self._context.run(self._start)
        elif record.status == OperationStatus.STARTED and self._is_running and self._body is None:
            self._context.run(self._run)

    def interrupted(self) -> None:
        """An at-most-once body was cut off; it may not run again in this attempt."""
        raise NotImplementedError

    async def attempt(self) -> None:
        """Run the body once and record what came of it."""
        raise NotImplementedError

    def attempt_failed(self, error: BaseException) -> None:
        """Record that the body raised."""
        raise NotImplementedError

    @property
    def attempt_number(self) -> int:
        """Which attempt this is, from 1: the log counts those that have ended."""
        return 1 if self.record is None else (self.details.attempt or 0) + 1

    @property
    def details(self) -> StepDetails:
        """What the log holds of the step."""
        return (self.record and self.record.step_details) or StepDetails()

    def recorded_error(self, record: Operation) -> ErrorObject | None:
        """The error of the last attempt."""
        return record.step_details.error if record.step_details else None

    @property
    def can_be_given_up(self) -> bool:
        """True as long as its context may write."""
        return not self.frame.is_over

    def abandon(self) -> None:
        """Record that the operation is given up, unless its attempt has an outcome already."""
        if self._is_running:
            if self.record is not None and self.record.status == OperationStatus.READY:
                # Another attempt was about to begin: this comes in its place.
                self.workflow.checkpointer.withdraw(self.operation_id)
            self.leave_behind(self.update(OperationAction.FAIL, error=GIVEN_UP))

    @property
    def has_yet_to_fail(self) -> bool:
        """True if the service has yet to make it READY: before that, it takes no end of it."""
        is_settled = self._is_running or self.was_over or self.is_void
        return not (is_settled or self.frame.is_over)

    def see_too_late(self, record: Operation) -> None:
        """Record the end of an operation that was given up between two attempts, now that it can be."""
        if record.status in (OperationStatus.STARTED, OperationStatus.PENDING):
            return
        if record.status == OperationStatus.READY and not self.frame.is_over:
            self.workflow.leave_behind(self.update(OperationAction.FAIL, error=GIVEN_UP))
        self._leave()

    def drop(self, msg: Any | None = None) -> bool:
        """End the handle, and cancel the body."""
        dropped = super().drop(msg)
        if dropped and self._body is not None:
            if self._step_context is not None:
                cut_off(self._step_context)
            self._body.cancel()
            self.workflow.leave_body(self._body)
        return dropped

    def retry(
        self, delay_seconds: int, payload: str | None = None, error: ErrorObject | None = None
    ) -> None:
        """Record that another attempt is due after a delay."""
        delay = min(max(delay_seconds, 1), LONGEST_TIMER_SECONDS)
        options = StepOptions(next_attempt_delay_seconds=delay)
        update = self.update(OperationAction.RETRY, payload, error)
        self._is_running = False
        self.submit(replace(update, step_options=options))

    def fail(self, error: BaseException) -> None:
        """Record that the operation has failed for good."""
        self._is_running = False
        self.submit(self.update(OperationAction.FAIL, error=capture(error)))

    def call(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Awaitable[Any]:
        """Call a body, through the middleware if there is any."""
        middleware = self.workflow.settings.middleware
        if middleware is None:
            return self._call(function, args)
        return middleware.step(CURRENT.get(), partial(self._call, function, args))

    async def _call(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Call a body, in a thread if it is a plain function."""
        if is_coroutine_function(function):
            return await function(*args)
        result = await asyncio.to_thread(_call_plain, function, args)
        return await result if inspect.isawaitable(result) else result

    def _start(self) -> None:
        """Record a new attempt, and run it: at once, or when its START is acknowledged."""
        self._is_running = True
        start = self.update(OperationAction.START)
        workflow = self.workflow
        if self.waits_for_start or workflow.is_eager:
            workflow.submit(start)
        else:
            workflow.leave_behind(start)
            self._run()

    def _run(self) -> None:
        if LEFT_RUNNING:
            arn, operation_id = self.workflow.invoked.arn, self.operation_id
            body = after_earlier_threads(arn, operation_id, self._run_body)
        else:
            body = self._run_body()
        self._body = self.workflow.start_body(self, body)

    def _end_invocation(self, error: InvocationError) -> None:
        if not self.cancelled():
            self.workflow.end(Aborted(error, fatal=False))

    async def _run_body(self) -> None:
        """What the task of an attempt runs: whatever comes of the body, somebody is told."""
        workflow, task = self.workflow, self._body
        self._step_context = context = self._new_step_context()
        CURRENT.set(context)
        try:
            try:
                if workflow.watcher is None:
                    await self.attempt()
                else:
                    await workflow.watcher.step(self, self.attempt_number, self.attempt)
            except OperationError as error:
                self.attempt_failed(error)  # an InvocationError from the log is one too
            except InvocationError as error:
                self._end_invocation(error)
            except Exception as error:
                self.attempt_failed(error)
            except (asyncio.CancelledError, GeneratorExit) as error:
                if self._is_of_the_body(error, task):
                    self.attempt_failed(error)
        except Exception as error:
            workflow.stop(Aborted(error, fatal=True))  # it could not even be recorded
        except BaseException as error:
            # The attempt counts as failed, so that the body does not run for ever; then what it asked for.
            if not isinstance(error, (KeyboardInterrupt, GeneratorExit)) and not self.cancelled():
                self.attempt_failed(error)
            workflow.stop(Aborted(error, fatal=False))
            if isinstance(error, KeyboardInterrupt):
                raise
        finally:
            workflow.body_ended(task)

    def _is_of_the_body(self, error: BaseException, task: object) -> bool:
        """Tell what the body raised, a failure like any other, from the end of the task that runs it."""
        if isinstance(error, GeneratorExit):  # a coroutine that is closed does not run
            return _running_task() is task
        return not (self.cancelled() or self.workflow.is_ending)

    def _new_step_context(self) -> StepContext:
        workflow = self.workflow
        return StepContext(
            operation_id=self.operation_id,
            operation_name=self.name,
            parent_id=self.frame.parent_id,
            attempt=self.attempt_number,
            durable_execution_arn=workflow.invoked.arn,
            request_id=workflow.invoked.request_id,
            logger=workflow.settings.logger,
            ends_at=workflow.invoked.ends_at,
        )


def retry_or_fail(
    operation: AttemptOperation[Any], strategy: RetryStrategy, error: BaseException
) -> None:
    """Ask the strategy about a failed attempt, and record what it says."""
    if operation.cancelled():
        return  # given up: its failure is nobody's
    # By the type: an instance may lie about its class.
    if not issubclass(type(error), _NEVER_RETRIED):
        number = operation.attempt_number
        told = f"attempt {number} of {operation.label} failed ({shown(error)})"
        try:
            decision = decide(strategy, error, number, RetryDecision, told)
        except ConfigError as broken:
            operation.fail(broken)
            return
        except KeyboardInterrupt:
            raise
        except BaseException as broken:
            failure = ConfigError(f"{told}, and its retry strategy raised {shown(broken)}")
            failure.__cause__ = broken
            operation.fail(failure)
            return
        if decision.retry:
            operation.retry(decision.delay_seconds, error=capture(error))
            return
    operation.fail(error)


def _running_task() -> object:
    """The task that runs, if there is one."""
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs
        return None


def _call_plain(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        return function(*args)
    except StopIteration as error:
        # No future can hold one; a coroutine function that raises it gets the same.
        raise RuntimeError("the function raised StopIteration") from error


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Whether a body is to be awaited, rather than run in a thread."""
    if type(function) is FunctionType and function.__code__.co_flags & inspect.CO_COROUTINE:
        return True
    return inspect.iscoroutinefunction(_innermost(function))


def _innermost(function: Callable[..., Any]) -> Any:
    inner: Any = function
    while isinstance(inner, partial):
        inner = inner.func
    if not inspect.isroutine(inner) and not inspect.isclass(inner):
        return type(inner).__call__  # an instance: what is called is its class's method
    return inner
