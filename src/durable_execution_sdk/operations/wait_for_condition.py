"""``wait_for_condition``: one STEP whose attempts are checks, with the state as its payload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

from durable_execution_sdk.duration import DurationLike, check_time_limit
from durable_execution_sdk.errors import (
    OperationError,
    WaitForConditionError,
    WaitForConditionTimeoutError,
)
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.operations.lifecycle.argument_checks import (
    check_required_strategy,
    check_serdes,
)
from durable_execution_sdk.operations.lifecycle.attempts import AttemptOperation
from durable_execution_sdk.operations.lifecycle.strategy_calls import decide
from durable_execution_sdk.protocol.operations import Operation, OperationSubType
from durable_execution_sdk.protocol.updates import OperationAction
from durable_execution_sdk.retry import WaitDecision, WaitOutcome, WaitStrategy
from durable_execution_sdk.runtime.bodies import with_resources
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.current import set_retry_payload
from durable_execution_sdk.serdes import SerDes, SerDesContext

__all__ = ["WaitForConditionConfig", "wait_for_condition"]

_S = TypeVar("_S")


class WaitForConditionConfig(Options, Generic[_S], frozen=True, kw_only=True):
    """The options of ``wait_for_condition``.

    ``initial_state`` is the argument of the first check. ``wait_strategy(state, attempt)`` decides after each
    check; ``poll_while(...)`` and ``poll_until(...)`` make the usual ones (60 attempts, 5 s, factor 1.5, at
    most 300 s, full jitter). ``serdes`` writes the state; by default the check's return annotation decides.

    ``timeout``, 1 s to 366 days, limits the time of all checks and the waits between them; then the handle raises
    ``WaitForConditionTimeoutError``, and a check that runs is cancelled. It costs one operation more, unless the
    condition was met within 0.2 s.
    """

    initial_state: _S
    wait_strategy: WaitStrategy[_S]
    serdes: SerDes[_S] | None = None
    timeout: DurationLike | None = None

    def __post_init__(self) -> None:
        """Check the options. Raises ``ConfigError``."""
        option, example = (
            "WaitForConditionConfig.wait_strategy",
            "poll_until(lambda state: state.done)",
        )
        check_required_strategy(option, self.wait_strategy, example)
        check_serdes("WaitForConditionConfig.serdes", self.serdes)
        if self.timeout is not None:
            check_time_limit("WaitForConditionConfig.timeout", self.timeout)


class _Reading:
    """A serdes that keeps the text that it reads: the payload without what middleware has made of it."""

    def __init__(self, serdes: SerDes[Any]) -> None:
        self._serdes = serdes
        self.text = ""

    def serialize(self, value: Any, context: SerDesContext, /) -> str:
        """Write the value by the serdes."""
        return self._serdes.serialize(value, context)

    def deserialize(self, payload: str, context: SerDesContext, /) -> Any:
        """Keep the text, and read it by the serdes."""
        self.text = payload
        return self._serdes.deserialize(payload, context)


class WaitForCondition(AttemptOperation[_S]):
    """The operation of a poll."""

    __slots__ = ("_check_state", "_config", "_last_state", "_serdes")

    error_class: ClassVar[type[OperationError]] = WaitForConditionError

    def __init__(
        self,
        scope: IdScope,
        check: Callable[..., Any],
        name: str | None,
        config: WaitForConditionConfig[_S],
        serdes: SerDes[Any],
    ) -> None:
        super().__init__(scope, name, OperationSubType.WAIT_FOR_CONDITION)
        self._check_state = check
        self._config = config
        self._serdes = serdes
        self.at_most_once = self.waits_for_start = False
        self._last_state: str | None = self.details.result
        self.begin()

    def advance(self, record: Operation) -> None:
        """Keep the state of the last check: the answer to the START of the next one may not contain it."""
        details = record.step_details
        if details is not None and details.result is not None:
            self._last_state = details.result
        super().advance(record)

    async def attempt(self) -> None:
        """Run the check once, and let the strategy decide on the new state."""
        state = await self.call(self._check_state, (self._state_so_far(),))
        payload = self.encode(self._serdes, state, "state")
        # The strategy gets the state as it is read from the log, as the next check will.
        self._apply(self._decided(self.decode(self._serdes, payload)), payload)

    def attempt_failed(self, error: BaseException) -> None:
        """Fail the operation: a check that raises is not retried."""
        self.fail(error)

    def out_of_time(self, error: BaseException, *, may_fail: bool) -> bool:
        """Let the strategy decide about another check with the last state, as if this one had not changed it.

        Before the first state there is nothing that it could look at: then the handler's retry strategy decides.
        """
        if self._last_state is None:
            from durable_execution_sdk.operations.lifecycle.failed_attempts import retry_or_fail  # noqa: PLC0415 - only then

            strategy = self.run.settings.retry_by(None)
            return retry_or_fail(self, strategy, error, may_fail=may_fail)
        try:
            decision = self._decided(self.decode(self._serdes, self._last_state))
        except Exception as broken:
            self.fail(broken)
            return True
        if decision.outcome is WaitOutcome.CONTINUE:
            self.retry(decision.delay_seconds, payload=self._last_state)
        elif may_fail:
            self.fail(error)
        return may_fail or decision.outcome is WaitOutcome.CONTINUE

    def interrupt(self) -> bool:
        """Record that the function's time has cut off the check, and cancel it."""
        from durable_execution_sdk.operations.lifecycle.failed_attempts import interrupt  # noqa: PLC0415 - only then

        return interrupt(self)

    def value(self, record: Operation) -> _S:
        """Return the state that ended the poll."""
        payload = record.step_details.result if record.step_details else None
        state: _S = self.decode(self._serdes, payload)
        return state

    def _state_so_far(self) -> Any:
        """Return the argument of the check, and show the check's body the text of it."""
        if self._last_state is None:
            return self._config.initial_state
        serdes = self._serdes if self.run.settings.middleware is None else _Reading(self._serdes)
        state = self.decode(serdes, self._last_state)
        assert self._step_context is not None
        text = serdes.text if isinstance(serdes, _Reading) else self._last_state
        set_retry_payload(self._step_context, text)
        return state

    def _decided(self, state: Any) -> WaitDecision:
        number = self.attempt_number
        strategy = self._config.wait_strategy
        return decide(strategy, state, number, WaitDecision, f"check {number} of {self.label}")

    def _apply(self, decision: WaitDecision, payload: str) -> None:
        match decision.outcome:
            case WaitOutcome.STOP:
                self._is_running = False
                self.submit(self.update(OperationAction.SUCCEED, payload=payload))
            case WaitOutcome.CONTINUE:
                self.retry(decision.delay_seconds, payload=payload)
            case WaitOutcome.EXHAUSTED:
                self.fail(
                    WaitForConditionError(
                        f"{self.label} gave up after {self.attempt_number} checks without its"
                        " condition; the last state was " + payload[:200]
                    )
                )


def wait_for_condition(
    scope: IdScope,
    check: Callable[..., Any],
    name: str | None,
    config: WaitForConditionConfig[Any],
) -> Handle[Any]:
    """Start a poll: check a state until the strategy stops."""
    # An annotation that can't be read is refused before the operation has its id.
    serdes = config.serdes or scope.context_state.run.settings.serdes_for(check)
    operation = WaitForCondition(scope, with_resources(check) or check, name, config, serdes)
    handle = operation.handle
    if config.timeout is not None:
        from durable_execution_sdk.operations.lifecycle.time_limits import limit_time  # noqa: PLC0415 - rarely needed

        limit_time(
            scope.context_state,
            operation,
            operation.record,
            config.timeout,
            WaitForConditionTimeoutError,
        )
    return handle
