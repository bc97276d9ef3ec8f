"""``with_retry``: one CONTEXT that holds a CONTEXT for each attempt of a block, and WAITs between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from durable_execution_sdk.duration import Duration, DurationLike, check_time_limit
from durable_execution_sdk.errors import ChildContextError
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.operations.child import ChildConfig, run_in_child_context
from durable_execution_sdk.operations.lifecycle.argument_checks import (
    check_config,
    check_serdes,
    check_strategy,
)
from durable_execution_sdk.operations.lifecycle.strategy_calls import delay_of_retry
from durable_execution_sdk.operations.virtual_child import Body
from durable_execution_sdk.operations.wait import wait
from durable_execution_sdk.retry import RetryStrategy
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope, current_scope
from durable_execution_sdk.serdes import SerDes

__all__ = ["WithRetryConfig", "with_retry"]


class WithRetryConfig(Options, frozen=True, kw_only=True):
    """The options of ``with_retry``.

    ``retry_strategy`` decides about failed attempts. ``None`` is the handler's default, 6 attempts in all.
    ``serdes`` and ``summary_generator`` are those of ``ChildConfig``.

    ``attempt_timeout`` is the time limit of each attempt, and ``timeout`` that of all of them and the waits between:
    see ``ChildConfig.timeout``. An attempt that takes longer has failed with ``ChildContextTimeoutError``, about
    which the strategy decides.
    """

    retry_strategy: RetryStrategy | None = None
    serdes: SerDes[Any] | None = None
    summary_generator: Callable[[Any], str] | None = None
    attempt_timeout: DurationLike | None = None
    timeout: DurationLike | None = None

    def __post_init__(self) -> None:
        """Check the options. Raises ``ConfigError``."""
        check_strategy("WithRetryConfig.retry_strategy", self.retry_strategy)
        check_serdes("WithRetryConfig.serdes", self.serdes)
        if self.attempt_timeout is not None:
            check_time_limit("WithRetryConfig.attempt_timeout", self.attempt_timeout)
        if self.timeout is not None:
            check_time_limit("WithRetryConfig.timeout", self.timeout)
        ChildConfig(summary_generator=self.summary_generator)


def with_retry(
    scope: IdScope,
    attempt: Body,
    name: str | None,
    config: WithRetryConfig | None,
    serdes: SerDes[object],
) -> Handle[Any]:
    """Run a function in a context of its own until an attempt succeeds or the strategy ends it."""
    check_config("ctx.with_retry", config, WithRetryConfig)
    chosen = config or WithRetryConfig()
    strategy = scope.context_state.run.settings.retry_by(chosen.retry_strategy)
    once = ChildConfig(
        serdes=chosen.serdes,
        summary_generator=chosen.summary_generator,
        timeout=chosen.attempt_timeout,
    )
    same = chosen.timeout is chosen.attempt_timeout
    together = once if same else replace(once, timeout=chosen.timeout)

    async def body(context_state: ContextState) -> Any:
        number = 1
        while True:
            try:
                return await run_in_child_context(
                    current_scope(context_state), attempt, f"attempt {number}", once, serdes
                )
            except ChildContextError as error:
                delay = _delay(current_scope(context_state), strategy, error, number)
                if delay is None:
                    raise
            await wait(current_scope(context_state), delay, f"before attempt {number + 1}")
            number += 1

    return run_in_child_context(scope, body, name, together, serdes)


def _delay(
    scope: IdScope, strategy: RetryStrategy, error: ChildContextError, number: int
) -> Duration | None:
    """Return the delay before another attempt; ``None`` for no more attempts.

    If the log holds the wait already, the strategy is not asked again.
    """
    if scope.is_next_recorded():
        return Duration(1)  # not used: the wait is recorded with its length
    delay = delay_of_retry(strategy, error, number, "a ctx.with_retry")
    return None if delay is None else Duration(delay)
