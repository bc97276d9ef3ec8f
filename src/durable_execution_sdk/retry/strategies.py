"""What happens after a failed attempt: another one after a delay, or giving up.

A strategy is any callable ``(error, attempt) -> RetryDecision``; ``attempt`` is the number of the
attempt that has just failed, from 1. Strategies keep no state, so they can be shared. A strategy is
asked once per failure; its decision is recorded, and replay does not ask again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError
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


class RetryDecision(Struct, frozen=True):
    """Try again after ``delay_seconds`` (1 to 31,622,400), or give up."""

    retry: bool
    delay_seconds: int = 0

    def __post_init__(self) -> None:
        """Refuse a delay that the service would not take."""
        if self.retry:
            Duration(self.delay_seconds).checked("delay_seconds")

    @classmethod
    def after(cls, delay: DurationLike) -> RetryDecision:
        """Try again after this delay."""
        return cls(retry=True, delay_seconds=check_delay("the retry delay", delay).seconds)

    @classmethod
    def stop(cls) -> RetryDecision:
        """Give up: the error is final."""
        return cls(retry=False)


class RetryStrategy(Protocol):
    """Decides after each failed attempt; any such function will do."""

    def __call__(self, error: Exception, attempt: int, /) -> RetryDecision:
        """Whether to try again after attempt ``attempt`` (from 1) raised ``error``."""
        ...


class NoRetry(Struct, frozen=True):
    """The first failure is final."""

    def __call__(self, _error: Exception, _attempt: int, /) -> RetryDecision:
        """Give up."""
        return RetryDecision.stop()


class FixedDelay(Struct, frozen=True, kw_only=True):
    """Waits equally long between attempts.

    Args:
        max_attempts: all attempts, the first one included; 1 or more.
        delay: 1 second to 366 days.
        jitter: how the delay is spread at random.
        retryable: which errors are retried: classes, or a filter; every error by default.
        random: draws from [0, 1); for tests.
    """

    max_attempts: int = 6
    delay: DurationLike = Duration(5)
    jitter: JitterStrategy = JitterStrategy.NONE
    retryable: Retryable = None
    random: Callable[[], float] = chance

    def __post_init__(self) -> None:
        """Check the options."""
        check_attempts(self.max_attempts)
        check_delay("delay", self.delay)
        check_jitter(self.jitter)
        check_retryable(self.retryable)

    def __call__(self, error: Exception, attempt: int, /) -> RetryDecision:
        """Try again, until the attempts are used up."""
        if attempt >= self.max_attempts or not is_retryable(self.retryable, error):
            return RetryDecision.stop()
        seconds = Duration.of(self.delay).seconds
        return RetryDecision(retry=True, delay_seconds=self.jitter.spread(seconds, self.random))


class LinearBackoff(Struct, frozen=True, kw_only=True):
    """Waits longer each time by the same amount: 5 s, 10 s, 15 s.

    Args:
        max_attempts: all attempts, the first one included; 1 or more.
        initial_delay: after the first attempt; 1 second to 366 days.
        increment: what each further delay adds; 0 or more.
        max_delay: no delay is longer; at least ``initial_delay``.
        jitter: how each delay is spread at random.
        retryable: which errors are retried: classes, or a filter; every error by default.
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
        """Check the options."""
        check_attempts(self.max_attempts)
        check_delays(self.initial_delay, self.max_delay)
        Duration.of(self.increment, "increment").checked("increment", minimum=0)
        check_jitter(self.jitter)
        check_retryable(self.retryable)

    def __call__(self, error: Exception, attempt: int, /) -> RetryDecision:
        """Try again after a longer delay, until the attempts are used up."""
        if attempt >= self.max_attempts or not is_retryable(self.retryable, error):
            return RetryDecision.stop()
        added = Duration.of(self.increment).seconds * (attempt - 1)
        seconds = Duration.of(self.initial_delay).seconds + added
        seconds = min(seconds, Duration.of(self.max_delay).seconds)
        return RetryDecision(retry=True, delay_seconds=self.jitter.spread(seconds, self.random))


class ExponentialBackoff(Struct, frozen=True, kw_only=True):
    """Waits longer each time by a factor: 5 s, 10 s, 20 s, 40 s, 60 s. The default for steps.

    Args:
        max_attempts: all attempts, the first one included; 1 or more.
        initial_delay: after the first attempt; 1 second to 366 days.
        max_delay: no delay is longer; at least ``initial_delay``.
        backoff_rate: the factor; 1 or more.
        jitter: how each delay is spread at random.
        retryable: which errors are retried: classes, or a filter; every error by default.
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
        """Check the options."""
        check_attempts(self.max_attempts)
        check_delays(self.initial_delay, self.max_delay)
        check_rate(self.backoff_rate)
        check_jitter(self.jitter)
        check_retryable(self.retryable)

    def __call__(self, error: Exception, attempt: int, /) -> RetryDecision:
        """Try again after a longer delay, until the attempts are used up."""
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
    """A function of yours as a strategy; ``custom_retry`` makes one."""

    func: Callable[[Exception, int], RetryDecision | DurationLike | None]

    def __call__(self, error: Exception, attempt: int, /) -> RetryDecision:
        """Ask the function, and check its answer."""
        answer = self.func(error, attempt)
        if answer is None:
            return RetryDecision.stop()
        if isinstance(answer, RetryDecision):
            return answer
        return RetryDecision.after(answer)


def custom_retry(
    func: Callable[[Exception, int], RetryDecision | DurationLike | None],
) -> CustomRetry:
    """A strategy from ``func(error, attempt)``: the delay before the next attempt, or ``None``.

    ``attempt`` is the number of the attempt that failed, from 1. The function may also return a
    ``RetryDecision``. It must be a plain function, and quick.
    """
    if not callable(func):
        raise ConfigError(f"custom_retry takes a function (error, attempt), not {func!r}")
    return CustomRetry(func)
