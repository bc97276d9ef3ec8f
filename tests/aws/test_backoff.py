"""Delays between the attempts of a call."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from durable_execution_sdk.call_timing import Backoff, Timing


def test_the_longest_wait_doubles_until_it_is_long_enough() -> None:
    backoff = Backoff(attempts=9, first=0.2, longest=5.0)
    waits = [
        backoff.delay(attempt=attempt, elapsed=0, jitter=1.0, retry_after=None)
        for attempt in range(1, 10)
    ]
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, None]


def test_jitter_is_full() -> None:
    backoff = Backoff()
    assert backoff.delay(attempt=1, elapsed=0, jitter=0.0, retry_after=None) == 0
    assert backoff.delay(attempt=3, elapsed=0, jitter=0.5, retry_after=None) == 0.4


def test_no_attempt_begins_after_the_deadline() -> None:
    backoff = Backoff(give_up_after=10)
    assert backoff.delay(attempt=1, elapsed=9.8, jitter=1.0, retry_after=None) == 0.2
    assert backoff.delay(attempt=1, elapsed=9.9, jitter=1.0, retry_after=None) is None
    assert backoff.delay(attempt=1, elapsed=0, jitter=1.0, retry_after=11) is None


@given(
    attempt=st.integers(1, 20),
    elapsed=st.floats(0, 100),
    jitter=st.floats(0, 1),
    retry_after=st.none() | st.floats(0, 100),
)
def test_a_wait_is_never_shorter_than_asked_for_nor_past_the_deadline(
    attempt: int, elapsed: float, jitter: float, retry_after: float | None
) -> None:
    backoff = Backoff()
    delay = backoff.delay(attempt=attempt, elapsed=elapsed, jitter=jitter, retry_after=retry_after)
    if delay is None:
        assert (
            attempt >= backoff.attempts
            or elapsed + max(backoff.longest, retry_after or 0) > backoff.give_up_after
        )
    else:
        assert delay >= (retry_after or 0)
        assert elapsed + delay <= backoff.give_up_after


def test_chance_is_a_number_from_0_to_1_and_not_always_the_same() -> None:
    drawn = [Timing().jitter() for _ in range(100)]
    assert all(0 <= number < 1 for number in drawn)
    assert len(set(drawn)) > 50
