"""Operations whose body runs in attempts: steps and polls (both are STEPs on the wire)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from typing import Any, ClassVar, TypeVar

from msgspec.structs import replace

from durable_execution_sdk.errors import InvocationError, OperationError, StepError
from durable_execution_sdk.operations.lifecycle import SUCCEEDED, DurableOperation
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.limits import LONGEST_TIMER_SECONDS
from durable_execution_sdk.protocol.operations import (
    GIVEN_UP,
    Operation,
    OperationStatus,
    OperationType,
    StepDetails,
)
from durable_execution_sdk.protocol.updates import OperationAction, StepOptions
from durable_execution_sdk.runtime.bodies import Attempting
from durable_execution_sdk.runtime.current import CURRENT, StepContext, cut_off, running_task
from durable_execution_sdk.runtime.event_loop.threads import (
    LEFT_RUNNING,
    call,
    earlier_threads_end,
)
from durable_execution_sdk.runtime.verdicts import Abort

__all__ = ["AttemptOperation"]

_T = TypeVar("_T")
_R = TypeVar("_R")


class AttemptOperation(DurableOperation[_T], Attempting[_T]):
    """A STEP, which runs its body until an attempt succeeds or the strategy ends it."""

    __slots__ = (
        "_body",
        "_context",
        "_is_running",
        "_step_context",
        "at_most_once",
        "waits_for_start",
    )

    kind = OperationType.STEP
    error_class: ClassVar[type[OperationError]] = StepError

    # True if a body that was cut off is not run again in the same attempt.
    at_most_once: bool
    # True if the body runs only once its START is acknowledged.
    waits_for_start: bool

    def begin(self) -> None:
        """Start, or go on from the record in the log."""
        # True from an attempt's START until its outcome is on its way into the log.
        self._is_running = False
        record = self.record
        if self.was_over and record is not None:
            if record.status == SUCCEEDED:  # nothing else is to be done for most replayed steps
                self.become_due(record.end_timestamp or self.run.completions.now)
            else:
                self.complete(record)
            return
        self._body: asyncio.Task[None] | None = None
        self._step_context: StepContext | None = None
        if self.is_void:
            return
        # The body sees the context variables of the call, even if it is started later.
        self._context = copy_context()
        if record is None:
            self._start()
            return
        self.run.bodies.begun_first[self.operation_id] = self.attempt_number
        if record.status == OperationStatus.STARTED:
            self.meet_attempt()
            self._is_running = True
            if not self.at_most_once:
                self._run()
            elif self.run.gate is None:
                self.interrupted()
            else:
                self.run.gate.when_open(self.interrupted)
        else:
            journal, is_due = self.run.journal, record.status == OperationStatus.READY
            if is_due and record.id not in journal.updated_ids:
                self.meet_attempt()  # the last invocation knew that it was due
            self.advance(record)

    def meet_attempt(self) -> None:
        """Take note that an attempt was under way, or was due already, when the last invocation ended."""
        self.run.position.met_attempt(self)

    def advance(self, record: Operation) -> None:
        """Act on a record that is PENDING (a retry is due later), READY (it is due) or STARTED."""
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
        """Handle an at-most-once body that was cut off: it may not run again in this attempt."""
        raise NotImplementedError

    async def attempt(self) -> None:
        """Run the body once and record its outcome."""
        raise NotImplementedError

    def attempt_failed(self, error: BaseException) -> None:
        """Record the error that the body raised."""
        raise NotImplementedError

    def out_of_time(self, error: BaseException, *, may_fail: bool) -> bool:
        """Record that the function's time has cut off the attempt.

        Returns ``False`` if another attempt is not allowed and the operation may not fail yet.
        """
        raise NotImplementedError

    def in_context_of_body(
        self, function: Callable[..., _R], *args: object, **options: object
    ) -> _R:
        """Call a function that may run code of the user's, such as a retry strategy, where it runs after any attempt.

        As workflow code it could draw random values and start operations, which no replay would repeat.
        """
        context = self._context.copy()
        context.run(CURRENT.set, self._step_context or self._new_step_context())
        return context.run(function, *args, **options)

    @property
    def body(self) -> asyncio.Task[None] | None:
        """The task of the body that runs, or that ran last."""
        return self._body

    @property
    def step_context(self) -> StepContext | None:
        """The data of the attempt for its body, once that has begun."""
        return self._step_context

    @property
    def attempt_number(self) -> int:
        """The number of this attempt, from 1. The log counts those that have ended."""
        return 1 if self.record is None else (self.details.attempt or 0) + 1

    @property
    def details(self) -> StepDetails:
        """The step's details in the log; empty if there is no record."""
        return (self.record and self.record.step_details) or StepDetails()

    def recorded_error(self, record: Operation) -> ErrorObject | None:
        """Return the error of the last attempt."""
        return record.step_details.error if record.step_details else None

    @property
    def can_be_given_up(self) -> bool:
        """True as long as its context may write."""
        return not self.context_state.is_over

    def abandon(self, why: ErrorObject = GIVEN_UP) -> None:
        """Record that the operation is given up, unless its attempt has an outcome already."""
        if self._is_running:
            if self.record is not None and self.record.status == OperationStatus.READY:
                # Another attempt was about to begin: the FAIL replaces its START.
                self.run.checkpointer.withdraw(self.operation_id)
            self.leave_behind(self.update(OperationAction.FAIL, error=why))

    @property
    def has_yet_to_fail(self) -> bool:
        """True if a retry is PENDING, so that the service accepts an end only at READY, or an outcome is under way."""
        is_settled = self._is_running or self.was_over or self.is_void
        return not (is_settled or self.context_state.is_over)

    def see_too_late(self, record: Operation) -> None:
        """Record the end of an operation that was given up between two attempts, once it is READY."""
        if record.status in (OperationStatus.STARTED, OperationStatus.PENDING):
            return
        if record.status == OperationStatus.READY and not self.context_state.is_over:
            self.run.leave_behind(self.update(OperationAction.FAIL, error=GIVEN_UP))
        self._leave()

    def drop(self, msg: object | None = None) -> bool:
        """End the handle, and cancel the body."""
        dropped = super().drop(msg)
        if dropped and not self.was_over and self._body is not None:
            if self._step_context is not None:
                cut_off(self._step_context)
            if not self.is_void:  # it cleans up already: see ``failed_attempts``
                self._body.cancel()
            if not self.run.is_ending:
                self.run.bodies.leave(self._body)
        return dropped

    def retry(
        self, delay_seconds: int, payload: str | None = None, error: ErrorObject | None = None
    ) -> None:
        """Record that another attempt is due after a delay."""
        delay = min(max(delay_seconds, 1), LONGEST_TIMER_SECONDS)
        update = self.update(OperationAction.RETRY, payload, error)
        self._is_running = False
        self.submit(replace(update, step_options=StepOptions(next_attempt_delay_seconds=delay)))

    def fail(self, error: BaseException) -> None:
        """Record that the operation has failed, without another attempt."""
        from durable_execution_sdk.runtime.error_objects import capture  # noqa: PLC0415 - at the first failure

        self._is_running = False
        self.submit(self.update(OperationAction.FAIL, error=capture(error)))

    def call(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Awaitable[Any]:
        """Call a function as a body, through the middleware if there is any."""
        middleware = self.run.settings.middleware
        if middleware is None:
            return call(function, args)
        return middleware.step(CURRENT.get(), partial(call, function, args))

    def _start(self) -> None:
        """Record a new attempt, and run it: at once, or when its START is acknowledged."""
        self._is_running = True
        run, start = self.run, self.update(OperationAction.START)
        if self.waits_for_start or run.is_eager:
            run.submit(start)
        else:
            run.leave_behind(start)
            self._run()

    def _run(self) -> None:
        if not (self.run.position.has_news or self.run.gate):
            self.run.position.body_begins()
        self._body = self.run.bodies.start(self, self._run_body())

    def _end_invocation(self, error: InvocationError) -> None:
        if not (self.is_cancelled or self.is_void):
            self.run.end(Abort(error, fatal=False))

    async def _run_body(self) -> None:  # noqa: PLR0912 - one clause for each way to end
        """Run an attempt in its task, and pass every outcome on: to the log, or to the invocation's verdict."""
        run, task = self.run, self._body
        self._step_context = context = self._new_step_context()
        CURRENT.set(context)
        try:
            try:
                if LEFT_RUNNING:
                    await earlier_threads_end(run.invoked.arn, self.operation_id)
                if run.watcher is None:
                    await self.attempt()
                else:
                    await run.watcher.step(self, self.attempt_number, self.attempt)
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
            run.stop(Abort(error, fatal=True))  # the outcome could not be recorded
        except BaseException as error:
            # ``SystemExit`` and the like: the attempt fails, so that it is not repeated without end, and
            # the exception ends the invocation.
            if not isinstance(error, (KeyboardInterrupt, GeneratorExit)) and not self.is_cancelled:
                self.attempt_failed(error)
            run.stop(Abort(error, fatal=False))
            if isinstance(error, KeyboardInterrupt):
                raise
        finally:
            run.bodies.ended(task)

    def _is_of_the_body(self, error: BaseException, task: object) -> bool:
        """Return ``True`` if the body itself raised this, and ``False`` if its task is being ended."""
        if isinstance(error, GeneratorExit):  # a coroutine that is closed does not run
            return running_task() is task
        return not (self.is_cancelled or self.is_void or self.run.is_ending)

    def _new_step_context(self) -> StepContext:
        run = self.run
        return StepContext(
            operation_id=self.operation_id,
            operation_name=self.name,
            parent_id=self.context_state.parent_id,
            attempt=self.attempt_number,
            durable_execution_arn=run.invoked.arn,
            request_id=run.invoked.request_id,
            logger=run.settings.logger,
            ends_at=run.invoked.ends_at,
        )
