"""Retry strategies: number of attempts, delays, and retryable errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from durable_execution_sdk.duration import Duration
from durable_execution_sdk.errors import ConfigError, StepError
from durable_execution_sdk.protocol.limits import LONGEST_TIMER_SECONDS
from durable_execution_sdk.retry import (
    ExponentialBackoff,
    FixedDelay,
    JitterStrategy,
    LinearBackoff,
    NoRetry,
    RetryableErrorFilter,
    RetryDecision,
    RetryStrategy,
    custom_retry,
    retry_presets,
)

ERROR = ValueError("flaky")
NONE = JitterStrategy.NONE
durations = st.integers(1, 1000).map(Duration)
strategies: st.SearchStrategy[RetryStrategy] = st.one_of(
    st.builds(
        ExponentialBackoff,
        max_attempts=st.integers(1, 2000),
        initial_delay=durations,
        max_delay=st.integers(1000, LONGEST_TIMER_SECONDS).map(Duration),
        backoff_rate=st.floats(1, 1e10),
        jitter=st.sampled_from(JitterStrategy),
    ),
    st.builds(
        LinearBackoff,
        max_attempts=st.integers(1, 2000),
        initial_delay=durations,
        increment=durations,
        max_delay=st.integers(1000, LONGEST_TIMER_SECONDS).map(Duration),
        jitter=st.sampled_from(JitterStrategy),
    ),
    st.builds(FixedDelay, delay=durations, jitter=st.sampled_from(JitterStrategy)),
)


def delays(strategy: RetryStrategy, attempts: int) -> list[int | None]:
    """Return the delay after each of the first attempts; ``None`` where the strategy gives up."""
    decisions = [strategy(ERROR, attempt) for attempt in range(1, attempts + 1)]
    return [decision.delay_seconds if decision.retry else None for decision in decisions]


def test_exponential_backoff_doubles_to_its_cap_and_stops_after_six_attempts_in_all() -> None:
    assert delays(ExponentialBackoff(jitter=NONE), 6) == [5, 10, 20, 40, 60, None]


def test_linear_backoff_grows_by_the_same_amount() -> None:
    strategy = LinearBackoff(
        max_attempts=5, increment=timedelta(seconds=10), max_delay=Duration(30), jitter=NONE
    )
    assert delays(strategy, 5) == [5, 15, 25, 30, None]


def test_fixed_delay_stays_the_same() -> None:
    assert delays(FixedDelay(max_attempts=3, delay=timedelta(minutes=1)), 3) == [60, 60, None]


def test_no_retry_gives_up_at_once() -> None:
    assert NoRetry()(ERROR, 1) == RetryDecision.stop()


def test_max_attempts_of_one_means_no_retry() -> None:
    assert delays(ExponentialBackoff(max_attempts=1), 1) == [None]


@pytest.mark.parametrize(
    ("jitter", "lowest", "middle", "highest"),
    [
        (JitterStrategy.NONE, 40, 40, 40),
        (JitterStrategy.FULL, 1, 20, 40),
        (JitterStrategy.HALF, 20, 30, 40),
    ],
)
def test_jitter_spreads_over_nothing_all_or_the_upper_half(
    jitter: JitterStrategy, lowest: int, middle: int, highest: int
) -> None:
    def drawn(chance: float) -> int:
        strategy = ExponentialBackoff(jitter=jitter, random=lambda: chance)
        return strategy(ERROR, 4).delay_seconds

    assert [drawn(0.0), drawn(0.5), drawn(1 - 2**-53)] == [lowest, middle, highest]


def test_jitter_differs_between_executions_and_attempts() -> None:
    strategy = FixedDelay(delay=Duration(1_000_000), jitter=JitterStrategy.FULL)
    assert len({strategy(ERROR, 1).delay_seconds for _ in range(20)}) > 1


@given(strategies, st.integers(1, 3000))
def test_every_delay_is_a_whole_number_of_seconds_that_the_service_takes(
    strategy: RetryStrategy, attempt: int
) -> None:
    decision = strategy(ERROR, attempt)
    assert type(decision.delay_seconds) is int
    assert not decision.retry or 1 <= decision.delay_seconds <= LONGEST_TIMER_SECONDS


class CardDeclinedError(Exception):
    """An exception class of user code."""


class ExpiredCardError(CardDeclinedError):
    """A subclass of it."""


by_class = RetryableErrorFilter(error_types=(CardDeclinedError,))
by_name = RetryableErrorFilter(type_names=("CardDeclinedError",))
by_text = RetryableErrorFilter(
    messages=("try (again|later)", re.compile(r"THROTTLED", re.IGNORECASE))
)


@pytest.mark.parametrize(
    ("chosen", "error", "retried"),
    [
        (by_class, CardDeclinedError(), True),
        (by_class, ExpiredCardError(), True),
        (by_class, ValueError(), False),
        (by_name, ExpiredCardError(), True),
        (by_name, StepError("no", error_type="CardDeclinedError"), True),
        (by_name, ValueError("CardDeclinedError"), False),
        (by_text, ValueError("please try later"), True),
        (by_text, ValueError("Throttled"), True),
        (by_text, ValueError("never"), False),
    ],
)
def test_a_filter_matches_classes_names_and_messages(
    chosen: RetryableErrorFilter, error: Exception, retried: bool
) -> None:
    assert chosen.matches(error) is retried
    assert ExponentialBackoff(retryable=chosen)(error, 1).retry is retried


@pytest.mark.parametrize("strategy", [ExponentialBackoff, LinearBackoff, FixedDelay])
def test_every_strategy_takes_plain_exception_classes(
    strategy: type[ExponentialBackoff | LinearBackoff | FixedDelay],
) -> None:
    only = strategy(retryable=(ConnectionError, TimeoutError))
    assert only(ConnectionResetError(), 1).retry
    assert not only(ValueError(), 1).retry


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (lambda: ExponentialBackoff(max_attempts=0), "max_attempts"),
        (lambda: FixedDelay(max_attempts=True), "max_attempts"),
        (lambda: ExponentialBackoff(initial_delay=Duration(0)), "initial_delay"),
        (lambda: LinearBackoff(initial_delay=Duration(61)), "max_delay"),
        (lambda: LinearBackoff(max_delay=Duration.from_years(2)), "max_delay"),
        (lambda: LinearBackoff(increment=timedelta(-1)), "increment"),
        (lambda: FixedDelay(delay=5), "delay"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: ExponentialBackoff(backoff_rate=0.5), "backoff_rate"),
        (lambda: ExponentialBackoff(backoff_rate=float("nan")), "backoff_rate"),
        (lambda: ExponentialBackoff(backoff_rate=True), "backoff_rate"),
        (lambda: ExponentialBackoff(jitter="FULL"), "jitter"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: ExponentialBackoff(retryable=()), "retryable"),
        (lambda: ExponentialBackoff(retryable=ValueError), "retryable"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: ExponentialBackoff(retryable=("ValueError",)), "retryable"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (RetryableErrorFilter, "RetryableErrorFilter"),
        (lambda: RetryableErrorFilter(messages=("(",)), "messages"),
        (lambda: RetryableErrorFilter(messages="later"), "messages"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: RetryableErrorFilter(type_names=(ValueError,)), "type_names"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: RetryableErrorFilter(error_types=(KeyboardInterrupt,)), "error_types"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: RetryDecision(retry=True), "delay_seconds"),
        (lambda: RetryDecision.after(Duration(0)), "retry delay"),
        (lambda: custom_retry(None), "custom_retry"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ],
)
def test_a_wrong_option_is_refused_by_name_when_made(
    make: Callable[[], object], option: str
) -> None:
    with pytest.raises(ConfigError, match=option):
        make()


def test_a_custom_strategy_may_answer_with_a_delay_a_decision_or_nothing() -> None:
    answers: list[RetryDecision | Duration | timedelta | None] = [
        Duration(3),
        timedelta(seconds=4),
        RetryDecision.after(Duration(5)),
        None,
    ]
    strategy = custom_retry(lambda _error, attempt: answers[attempt - 1])
    assert delays(strategy, 4) == [3, 4, 5, None]


def test_a_custom_strategy_with_a_senseless_answer_says_so() -> None:
    strategy = custom_retry(lambda _error, _attempt: 3)  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="retry delay is a Duration"):
        strategy(ERROR, 1)


def test_presets_are_there_for_the_usual_cases() -> None:
    assert not retry_presets.none(ERROR, 1).retry
    assert retry_presets.default == ExponentialBackoff()
    assert retry_presets.linear == LinearBackoff()
    evenly = replace(retry_presets.linear, jitter=JitterStrategy.NONE)
    assert delays(evenly, 6) == [5, 10, 15, 20, 25, None]
    assert delays(retry_presets.critical, 4) == [1, 2, 3, 4]
    assert retry_presets.transient.max_attempts < retry_presets.resource_availability.max_attempts
