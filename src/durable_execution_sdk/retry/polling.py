"""Polling strategies of ``wait_for_condition``.

A strategy is any callable ``(state, attempt) -> WaitDecision``; ``attempt`` is the number of the check
that has just ended, from 1. The decision is recorded, so a strategy is not called on replay.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.first_use import Options, explained
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

__all__ = [
    "PollingStrategy",
    "WaitDecision",
    "WaitOutcome",
    "WaitStrategy",
    "poll_until",
    "poll_while",
]

FIRST_DELAY = Duration(5)
LONGEST_DELAY = Duration(300)

StateT = TypeVar("StateT")
StateT_contra = TypeVar("StateT_contra", contravariant=True)


class WaitOutcome(StrEnum):
    """Outcomes that a polling strategy can decide."""

    STOP = "STOP"
    CONTINUE = "CONTINUE"
    EXHAUSTED = "EXHAUSTED"


class WaitDecision(Options, frozen=True):
    """Decision of a polling strategy: stop, check again after ``delay_seconds``, or give up."""

    outcome: WaitOutcome
    delay_seconds: int = 0

    def __post_init__(self) -> None:
        """Raise ``ConfigError`` for a delay outside of 1 second to 366 days."""
        if self.outcome is WaitOutcome.CONTINUE:
            Duration(self.delay_seconds).checked("delay_seconds")

    @classmethod
    def stop(cls) -> WaitDecision:
        """Stop polling: the condition holds, and the state is the result."""
        return cls(WaitOutcome.STOP)

    @classmethod
    def continue_after(cls, delay: DurationLike) -> WaitDecision:
        """Check again after this delay, 1 second to 366 days."""
        seconds = check_delay("the delay before the next check", delay).seconds
        return cls(WaitOutcome.CONTINUE, seconds)

    @classmethod
    def exhausted(cls) -> WaitDecision:
        """Give up: the operation raises ``WaitForConditionError``."""
        return cls(WaitOutcome.EXHAUSTED)


class WaitStrategy(Protocol[StateT_contra]):
    """A function that decides after each check."""

    def __call__(self, state: StateT_contra, attempt: int, /) -> WaitDecision:
        """Decide about another check after check ``attempt`` (from 1) returned ``state``."""
        ...


class PollingStrategy(Struct, Generic[StateT], frozen=True, kw_only=True):
    """Polls with growing delays; created by ``poll_while`` and ``poll_until``.

    Args:
        predicate: a plain, quick function of the state.
        goal: the result of the predicate at which the condition holds.
        max_attempts: number of checks, the first one included; 1 or more.
        initial_delay: delay after the first check; 1 second to 366 days.
        max_delay: longest delay; at least ``initial_delay``.
        backoff_rate: the factor by which delays grow; 1 or more.
        jitter: random spread of each delay.
        random: draws from [0, 1); for tests.
    """

    predicate: Callable[[StateT], bool]
    goal: bool
    max_attempts: int = 60
    initial_delay: DurationLike = FIRST_DELAY
    max_delay: DurationLike = LONGEST_DELAY
    backoff_rate: float = 1.5
    jitter: JitterStrategy = JitterStrategy.FULL
    random: Callable[[], float] = chance

    def __post_init__(self) -> None:
        """Raise ``ConfigError`` for invalid options."""
        check_attempts(self.max_attempts)
        check_delays(self.initial_delay, self.max_delay)
        check_rate(self.backoff_rate)
        check_jitter(self.jitter)
        if not callable(self.predicate):
            raise ConfigError(f"predicate is a function of the state, not {self.predicate!r}")

    def __call__(self, state: StateT, attempt: int, /) -> WaitDecision:
        """Stop when the condition holds; give up when the attempts are used up."""
        if _truth(self.predicate(state)) is self.goal:
            return WaitDecision.stop()
        if attempt >= self.max_attempts:
            return WaitDecision.exhausted()
        seconds = exponential_delay(
            Duration.of(self.initial_delay),
            self.backoff_rate,
            Duration.of(self.max_delay),
            attempt,
        )
        return WaitDecision(WaitOutcome.CONTINUE, self.jitter.spread(seconds, self.random))


@explained
def poll_while(
    predicate: Callable[[StateT], bool],
    *,
    max_attempts: int = 60,
    initial_delay: DurationLike = FIRST_DELAY,
    max_delay: DurationLike = LONGEST_DELAY,
    backoff_rate: float = 1.5,
    jitter: JitterStrategy = JitterStrategy.FULL,
) -> PollingStrategy[StateT]:
    """Poll while ``predicate(state)`` is true; see ``PollingStrategy`` for the options."""
    return PollingStrategy(
        predicate=predicate,
        goal=False,
        max_attempts=max_attempts,
        initial_delay=initial_delay,
        max_delay=max_delay,
        backoff_rate=backoff_rate,
        jitter=jitter,
    )


@explained
def poll_until(
    predicate: Callable[[StateT], bool],
    *,
    max_attempts: int = 60,
    initial_delay: DurationLike = FIRST_DELAY,
    max_delay: DurationLike = LONGEST_DELAY,
    backoff_rate: float = 1.5,
    jitter: JitterStrategy = JitterStrategy.FULL,
) -> PollingStrategy[StateT]:
    """Poll until ``predicate(state)`` is true; see ``PollingStrategy`` for the options."""
    return PollingStrategy(
        predicate=predicate,
        goal=True,
        max_attempts=max_attempts,
        initial_delay=initial_delay,
        max_delay=max_delay,
        backoff_rate=backoff_rate,
        jitter=jitter,
    )


def _truth(result: object) -> bool:
    if isinstance(result, Coroutine):
        # A coroutine object is always true: polling would end at once, or never.
        result.close()
        raise ConfigError(
            "the predicate of a wait strategy is a plain function, not a coroutine function; "
            "do what must be awaited in the check"
        )
    return bool(result)
