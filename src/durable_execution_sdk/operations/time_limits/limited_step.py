"""Steps with time limits of their own: ``StepConfig(timeout=...)`` and ``StepConfig(needs=...)``.

They are a class of their own, so that steps without limits execute nothing for them.

**Timeout.** A timer runs from the beginning of an attempt. When it fires, the body is cancelled, and has the usual grace
to clean up: it is cancelled again after a part of that time, and abandoned in the end, so no code of it runs once
the failure is recorded. The thread of a plain function is disowned after a second at most. Then the attempt fails with
``StepTimeoutError``, even if the body has returned a value or raised an error meanwhile.

**Needs.** Before an attempt begins, the time that the invocation has left is compared with what the body needs. If it is
too short, nothing is recorded of the attempt, and the step waits (``postponement``) until the invocation has nothing
else to do. Then a WAIT of a second suspends it, and the next invocation begins the attempt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from durable_execution_sdk.errors import ConfigError, InvocationError, StepTimeoutError
from durable_execution_sdk.operations.lifecycle.argument_checks import check_arguments, counted
from durable_execution_sdk.operations.lifecycle.limits import seconds_of
from durable_execution_sdk.operations.step import Step, StepConfig, defaults_for
from durable_execution_sdk.operations.time_limits.postponement import Postponement, recall
from durable_execution_sdk.protocol.operations import Operation, OperationStatus
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.current import cut_off, sdk_context
from durable_execution_sdk.runtime.event_loop.threads import left_running
from durable_execution_sdk.runtime.unwinding import CANCELLATION_ROUNDS, abandon

__all__ = ["LimitedStep", "limited_step"]

_T = TypeVar("_T")

# Number of invocations in which an attempt may find too little time before the step fails.
_MOST_POSTPONED = 5
# The most seconds for which the thread of a plain function is waited for, and its share of the time for clean-up.
_THREAD_GRACE_SECONDS = 1.0
_THREAD_SHARE = 0.5


class LimitedStep(Step[_T]):
    """The operation of a step with a timeout, or with a need of time."""

    __slots__ = ("_alarm", "_has_time", "_late", "_limit", "_need", "_postponed")

    def __init__(
        self,
        scope: IdScope,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        name: str | None,
        config: StepConfig,
    ) -> None:
        self._limit = seconds_of("StepConfig.timeout", config.timeout)
        self._need = seconds_of("StepConfig.needs", config.needs)
        self._alarm: asyncio.TimerHandle | None = None
        # The error of an attempt whose time is up, until its end is recorded.
        self._late: StepTimeoutError | None = None
        self._has_time = self._need is None
        self._postponed: Postponement | None = None
        # As if it were a plain function, so that ``attempt`` runs it by ``call``.
        defaults = replace(
            defaults_for(function, config, scope.context_state.run), is_coroutine=False
        )
        name = name or defaults.name
        if self._need is not None:
            recall(scope, name)
        super().__init__(scope, defaults, args, name, config, defaults.serdes)

    @property
    def may_be_postponed(self) -> bool:
        """True if its attempts wait for an invocation with the time that they need."""
        return self._need is not None

    # The attempt begins, if there is time.

    def _start(self) -> None:
        self._late = None
        self._has_time = self._need is None
        # It can be given up from now on.
        self._is_running = True
        self._in_time(super()._start)

    def _run(self) -> None:
        self._in_time(super()._run)

    def meet_attempt(self) -> None:
        """Take note of an attempt that was under way or due, unless the last invocation left it for lack of time."""
        if self._need is None or not Postponement.was_last(self):
            super().meet_attempt()

    def advance(self, record: Operation) -> None:
        """Act on a record; one that is STARTED or READY changes nothing while the attempt is postponed."""
        if self._postponed is None or record.status == OperationStatus.PENDING:
            super().advance(record)

    def _in_time(self, begin: Callable[[], None]) -> None:
        """Begin the attempt if its body has the time that it needs; otherwise postpone it."""
        run = self.run
        if self.is_done:
            return
        if self._has_time:
            begin()
        elif run.gate is not None:
            # The time is looked at when the body could begin.
            run.gate.when_open(lambda: self._context.run(self._in_time, begin))
        elif run.bodies.leaves_at is None or run.bodies.leaves_at - time.monotonic() >= (
            self._need or 0
        ):
            self._has_time = True
            begin()
        else:
            number = Postponement.last_number(self)
            if run.bodies.time_given < (self._need or 0) or number >= _MOST_POSTPONED:
                self.fail(self._never_in_time(number))
            else:
                self._postponed = Postponement(self, number)

    def _never_in_time(self, number: int) -> ConfigError:
        left = max(0.0, (self.run.bodies.leaves_at or 0) - time.monotonic())
        reason = (
            f"{number} invocations were begun for it, and each had less left once replay and other code had run; this one"
            f" had {left:.3g} s of {self.run.bodies.time_given:.3g} s"
            if self.run.bodies.time_given >= (self._need or 0)
            else f"an invocation of this function has {self.run.bodies.time_given:.3g} s for the bodies of steps"
        )
        return ConfigError(
            f"{self.label} needs {self._need:g} s (StepConfig.needs), and {reason}. Raise the function's timeout, or"
            " divide the step"
        )

    # The attempt's time is limited.

    async def _run_body(self) -> None:
        if self._limit is not None:
            self._alarm = self.run.loop.call_later(
                self._limit, self._on_timeout, context=sdk_context()
            )
        try:
            await super()._run_body()
        finally:
            self._stop_alarm()

    async def call(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Call the function. What it returns after its time is up does not count."""
        try:
            result = await super().call(function, args)
        except asyncio.CancelledError:
            if self._late is not None:
                await self._leave_threads()
            raise
        if self._late is not None:
            raise self._late
        return result

    async def attempt(self) -> None:
        """Run the function once, by ``call``, and record its result or its error.

        Once its own time is up it raises that error, in place of the cancellation, so that plugins see the recorded one.
        """
        try:
            await super().attempt()
        except InvocationError:
            raise
        except (Exception, asyncio.CancelledError) as error:
            late = self._late
            is_cut = self.is_void or self.is_cancelled or self.run.is_ending
            if late is None or late is error or (is_cut and not isinstance(error, Exception)):
                raise
            context = error if isinstance(error, Exception) else None
        else:
            return
        late.__context__ = context
        raise late

    def out_of_time(self, error: BaseException, *, may_fail: bool) -> bool:
        """Ask the retry strategy about an attempt; if its own time was up, about that."""
        late, self._late = self._late, None
        if late is None:
            return super().out_of_time(error, may_fail=may_fail)
        if error is not late and isinstance(error, Exception):
            late.__context__ = error
        return super().out_of_time(late, may_fail=True)

    def drop(self, msg: object | None = None) -> bool:
        """End the handle; the attempt waits for no time any more, neither to begin nor to end."""
        self._stop_alarm()
        if self._postponed is not None:
            self._postponed.end()
            self._postponed, self.is_pending = None, False
        self.is_void = self.is_void or self._late is not None  # then the body cleans up already
        return super().drop(msg)

    def _stop_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()

    def _on_timeout(self) -> None:
        """Cancel the body, because the attempt has taken too long."""
        run, number = self.run, self.attempt_number
        if self._body is None or self.is_done or self.is_void or run.is_ending:
            return
        blocked = (
            "; the thread of an earlier attempt still ran, and no other attempt begins in this process before it has ended"
            if left_running(run.invoked.arn, self.operation_id)
            else ""
        )
        option = getattr(self._config, "timeout_option", "StepConfig.timeout")
        self._late = StepTimeoutError(
            f"{self.label} took longer than its timeout of {self._limit:g} s in attempt {number}, and may have had its"
            f" effect{blocked}. Raise {option} if it needs longer"
        )
        if self._step_context is not None:
            cut_off(self._step_context)
        self._cancel_body(self._seconds_to_clean_up(), CANCELLATION_ROUNDS)

    def _cancel_body(self, seconds: float, rounds: tuple[float, ...]) -> None:
        body = self._body
        if body is None or self.is_done or self.is_void or self.run.is_ending:
            return
        if rounds:
            body.cancel()
            self._alarm = self.run.loop.call_later(
                seconds * rounds[0], self._cancel_body, seconds, rounds[1:], context=sdk_context()
            )
            return
        self.run.settings.logger.warning(
            "%s ignored its cancellation in attempt %s and was abandoned: no code of it runs any more",
            self.label,
            self.attempt_number,
        )
        abandon(body)
        self.run.bodies.ended(body)
        assert self._late is not None
        self.in_context_of_body(self.attempt_failed, self._late)

    def _seconds_to_clean_up(self) -> float:
        return max(0.0, self.run.invoked.clean_up_end() - time.monotonic())

    async def _leave_threads(self) -> None:
        """Wait a little for the threads of the attempt, then disown them."""
        threads = self.run.environment.loop.threads
        if threads is None:
            return
        seconds = min(_THREAD_GRACE_SECONDS, self._seconds_to_clean_up() * _THREAD_SHARE)
        for name in await threads.leave(seconds, self._step_context):
            self.run.settings.logger.warning(
                "the thread of %s did not end when its time was up, and is left running; what it returns goes nowhere."
                " Let long functions look at StepContext.current().is_cancelled, and return",
                name,
            )


def limited_step(
    scope: IdScope,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    name: str | None,
    config: StepConfig,
) -> Handle[Any]:
    """Run a function as a step with time limits."""
    check_arguments("ctx.step", function, len(args), counted(args))
    return LimitedStep[Any](scope, function, args, name, config).handle
