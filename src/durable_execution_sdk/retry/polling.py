"""When to look again: strategies for ``wait_for_condition``.

A strategy is any callable ``(state, attempt) -> WaitDecision``; ``attempt`` is the number of the
check that has just been made, from 1. Its decision is recorded, and replay does not ask again.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

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

__all__ = ["Polling", "WaitDecision", "WaitOutcome", "WaitStrategy", "wait_until", "wait_while"]

FIRST_DELAY = Duration(5)
LONGEST_DELAY = Duration(300)

StateT = TypeVar("StateT")
StateT_contra = TypeVar("StateT_contra", contravariant=True)


class WaitOutcome(StrEnum):
    """What a wait strategy can decide."""

    STOP = "STOP"
    CONTINUE = "CONTINUE"
    EXHAUSTED = "EXHAUSTED"


class WaitDecision(Struct, frozen=True):
    """The condition holds, look again after ``delay_seconds``, or give up."""

    outcome: WaitOutcome
    delay_seconds: int = 0

    def __post_init__(self) -> None:
        """Refuse a delay that the service would not take."""
        if self.outcome is WaitOutcome.CONTINUE:
            Duration(self.delay_seconds).checked("delay_seconds")

    @classmethod
    def stop(cls) -> WaitDecision:
        """The condition holds: the state is the result."""
        return cls(WaitOutcome.STOP)

    @classmethod
    def continue_after(cls, delay: DurationLike) -> WaitDecision:
        """Look again after this delay, 1 second to 366 days."""
        seconds = check_delay("the delay before the next check", delay).seconds
        return cls(WaitOutcome.CONTINUE, seconds)

    @classmethod
    def exhausted(cls) -> WaitDecision:
        """Give up: the operation raises ``WaitForConditionError``."""
        return cls(WaitOutcome.EXHAUSTED)


class WaitStrategy(Protocol[StateT_contra]):
    """Decides after each check; any such function will do."""

    def __call__(self, state: StateT_contra, attempt: int, /) -> WaitDecision:
        """Whether to look again after check ``attempt`` (from 1) gave ``state``."""
        ...


class Polling(Struct, Generic[StateT], frozen=True, kw_only=True):
    """Looks again after growing delays; ``wait_while`` and ``wait_until`` make one.

    Args:
        predicate: a plain, quick function of the state.
        goal: the condition holds when the predicate says this.
        max_attempts: all checks, the first one included; 1 or more.
        initial_delay: after the first check; 1 second to 366 days.
        max_delay: no delay is longer; at least ``initial_delay``.
        backoff_rate: the factor by which delays grow; 1 or more.
        jitter: how each delay is spread at random.
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
        """Check the options."""
        check_attempts(self.max_attempts)
        check_delays(self.initial_delay, self.max_delay)
        check_rate(self.backoff_rate)
        check_jitter(self.jitter)
        if not callable(self.predicate):
            raise ConfigError(f"predicate is a function of the state, not {self.predicate!r}")

    def __call__(self, state: StateT, attempt: int, /) -> WaitDecision:
        """Stop when the condition holds, give up when the attempts are used up."""
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


def wait_while(
    predicate: Callable[[StateT], bool],
    *,
    max_attempts: int = 60,
    initial_delay: DurationLike = FIRST_DELAY,
    max_delay: DurationLike = LONGEST_DELAY,
    backoff_rate: float = 1.5,
    jitter: JitterStrategy = JitterStrategy.FULL,
) -> Polling[StateT]:
    """Look again as long as ``predicate(state)`` is true; see ``Polling`` for the options."""
    return Polling(
        predicate=predicate,
        goal=False,
        max_attempts=max_attempts,
        initial_delay=initial_delay,
        max_delay=max_delay,
        backoff_rate=backoff_rate,
        jitter=jitter,
    )


def wait_until(
    predicate: Callable[[StateT], bool],
    *,
    max_attempts: int = 60,
    initial_delay: DurationLike = FIRST_DELAY,
    max_delay: DurationLike = LONGEST_DELAY,
    backoff_rate: float = 1.5,
    jitter: JitterStrategy = JitterStrategy.FULL,
) -> Polling[StateT]:
    """Look again until ``predicate(state)`` is true; see ``Polling`` for the options."""
    return Polling(
        predicate=predicate,
        goal=True,
        max_attempts=max_attempts,
        initial_delay=initial_delay,
        max_delay=max_delay,
        backoff_rate=backoff_rate,
        jitter=jitter,
    )


def _truth(answer: object) -> bool:
    if isinstance(answer, Coroutine):
        # A coroutine is always true: the wait would be over at once, or never.
        answer.close()
        raise ConfigError(
            "the predicate of a wait strategy is a plain function, not a coroutine function; "
            "do what must be awaited in the check"
        )
    return bool(answer)
