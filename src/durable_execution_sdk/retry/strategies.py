"""Retry strategies: decide after a failed attempt to retry after a delay, or to give up.

A strategy is any callable ``(error, attempt) -> RetryDecision``; ``attempt`` is the number of the
attempt that has just failed, from 1. Strategies have no state, so they can be shared. A strategy is
called once per failure; its decision is recorded, so it is not called on replay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.retry.backoff import (
    JitterStrategy,
    chance,
    check_attempts,
    check_delay,
    check_delays,
    check_jitter,
    check_rate,
    exponential_delay,
)
from durable_execution_sdk.retry.filters import Retryable, check_retryable, is_retryable

__all__ = [
    "CustomRetry",
    "ExponentialBackoff",
    "FixedDelay",
    "LinearBackoff",
    "NoRetry",
    "RetryDecision",
    "RetryStrategy",
    "custom_retry",
]


class RetryDecision(Options, frozen=True):
    """Decision of a retry strategy: retry after ``delay_seconds`` (1 to 31,622,400), or give up."""

    retry: bool
    delay_seconds: int = 0

    def __post_init__(self) -> None:
        """Raise ``ConfigError`` for a delay outside of 1 second to 366 days."""
        if self.retry:
            Duration(self.delay_seconds).checked("delay_seconds")

    @classmethod
    def after(cls, delay: DurationLike) -> RetryDecision:
        """Retry after this delay, 1 second to 366 days."""
        return cls(retry=True, delay_seconds=check_delay("the retry delay", delay).seconds)

    @classmethod
    def stop(cls) -> RetryDecision:
        """Give up: the error is final."""
        return cls(retry=False)


class RetryStrategy(Protocol):
    """A function that decides after each failed attempt."""

    def __call__(self, error: Exception, attempt: int, /) -> RetryDecision:
        """Decide about a retry after attempt ``attempt`` (from 1) raised ``error``."""
        ...


class NoRetry(Options, frozen=True):
    """Gives up at the first failure."""

    def __call__(self, _error: Exception, _attempt: int, /) -> RetryDecision:
        """Give up."""
        return RetryDecision.stop()


class FixedDelay(Options, frozen=True, kw_only=True):
    """Retries after a constant delay.

    Args:
        max_attempts: number of attempts, the first one included; 1 or more.
        delay: 1 second to 366 days.
        jitter: random spread of the delay.
        retryable: the errors that are retried: classes, or a filter; every error by default.
        random: draws from [0, 1); for tests.
    """

    max_attempts: int = 6
    delay: DurationLike = Duration(5)
    jitter: JitterStrategy = JitterStrategy.NONE
    retryable: Retryable = None
    random: Callable[[], float] = chance

    def __post_init__(self) -> None:
        """Raise ``ConfigError`` for invalid options."""
        check_attempts(self.max_attempts)
        check_delay("delay", self.delay)
        check_jitter(self.jitter)
        check_retryable(self.retryable)

    def __call__(self, error: Exception, attempt: int, /) -> RetryDecision:
        """Retry until the attempts are used up."""
        if attempt >= self.max_attempts or not is_retryable(self.retryable, error):
            return RetryDecision.stop()
        seconds = Duration.of(self.delay).seconds
        return RetryDecision(retry=True, delay_seconds=self.jitter.spread(seconds, self.random))


class LinearBackoff(Options, frozen=True, kw_only=True):
    """Retries after delays that grow by a constant amount: 5 s, 10 s, 15 s.

    Args:
        max_attempts: number of attempts, the first one included; 1 or more.
        initial_delay: delay after the first attempt; 1 second to 366 days.
        increment: amount by which delays grow; 0 or more.
        max_delay: longest delay; at least ``initial_delay``.
        jitter: random spread of each delay.
        retryable: the errors that are retried: classes, or a filter; every error by default.
        random: draws from [0, 1); for tests.
    """

    max_attempts: int = 6
    initial_delay: DurationLike = Duration(5)
    increment: DurationLike = Duration(5)
    max_delay: DurationLike = Duration(60)
    jitter: JitterStrategy = JitterStrategy.FULL
    retryable: Retryable = None
    random: Callable[[], float] = chance

    def __post_init__(self) -> None:
        """Raise ``ConfigError`` for invalid options."""
        check_attempts(self.max_attempts)
        check_delays(self.initial_delay, self.max_delay)
        Duration.of(self.increment, "increment").checked("increment", minimum=0)
        check_jitter(self.jitter)
        check_retryable(self.retryable)

    def __call__(self, error: Exception, attempt: int, /) -> RetryDecision:
        """Retry after a longer delay, until the attempts are used up."""
        if attempt >= self.max_attempts or not is_retryable(self.retryable, error):
            return RetryDecision.stop()
        increments = Duration.of(self.increment).seconds * (attempt - 1)
        seconds = Duration.of(self.initial_delay).seconds + increments
        seconds = min(seconds, Duration.of(self.max_delay).seconds)
        return RetryDecision(retry=True, delay_seconds=self.jitter.spread(seconds, self.random))


class ExponentialBackoff(Options, frozen=True, kw_only=True):
    """Retries after delays that grow by a constant factor: 5 s, 10 s, 20 s, 40 s, 60 s.

    This is the default of steps.

    Args:
        max_attempts: number of attempts, the first one included; 1 or more.
        initial_delay: delay after the first attempt; 1 second to 366 days.
        max_delay: longest delay; at least ``initial_delay``.
        backoff_rate: factor by which delays grow; 1 or more.
        jitter: random spread of each delay.
        retryable: the errors that are retried: classes, or a filter; every error by default.
        random: draws from [0, 1); for tests.
    """

    max_attempts: int = 6
    initial_delay: DurationLike = Duration(5)
    max_delay: DurationLike = Duration(60)
    backoff_rate: float = 2.0
    jitter: JitterStrategy = JitterStrategy.FULL
    retryable: Retryable = None
    random: Callable[[], float] = chance

    def __post_init__(self) -> None:
        """Raise ``ConfigError`` for invalid options."""
        check_attempts(self.max_attempts)
        check_delays(self.initial_delay, self.max_delay)
        check_rate(self.backoff_rate)
        check_jitter(self.jitter)
        check_retryable(self.retryable)

    def __call__(self, error: Exception, attempt: int, /) -> RetryDecision:
        """Retry after a longer delay, until the attempts are used up."""
        if attempt >= self.max_attempts or not is_retryable(self.retryable, error):
            return RetryDecision.stop()
        seconds = exponential_delay(
            Duration.of(self.initial_delay),
            self.backoff_rate,
            Duration.of(self.max_delay),
            attempt,
        )
        return RetryDecision(retry=True, delay_seconds=self.jitter.spread(seconds, self.random))


class CustomRetry(Struct, frozen=True):
    """A retry strategy from a user's function; created by ``custom_retry``."""

    func: Callable[[Exception, int], RetryDecision | DurationLike | None]

    def __call__(self, error: Exception, attempt: int, /) -> RetryDecision:
        """Call the function, and convert its return value to a decision."""
        decision = self.func(error, attempt)
        if decision is None:
            return RetryDecision.stop()
        if isinstance(decision, RetryDecision):
            return decision
        return RetryDecision.after(decision)


def custom_retry(
    func: Callable[[Exception, int], RetryDecision | DurationLike | None],
) -> CustomRetry:
    """Return a strategy that calls ``func(error, attempt)``.

    The function returns the delay before the next attempt, ``None`` to give up, or a ``RetryDecision``.
    ``attempt`` is the number of the attempt that failed, from 1. The function must be plain (not async)
    and quick, because it runs on the workflow's event loop.
    """
    if not callable(func):
        raise ConfigError(f"custom_retry takes a function (error, attempt), not {func!r}")
    return CustomRetry(func)
