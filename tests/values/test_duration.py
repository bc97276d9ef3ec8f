"""Durations: whole seconds, rounded up; invalid values are refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_execution_sdk.duration import Duration
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.limits import LONGEST_TIMER_SECONDS


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        (Duration.from_seconds(90), 90),
        (Duration.from_minutes(2), 120),
        (Duration.from_hours(1), 3600),
        (Duration.from_days(1), 86_400),
        (Duration.from_weeks(1), 604_800),
        (Duration.from_months(1), 30 * 86_400),
        (Duration.from_years(1), 365 * 86_400),
        (Duration.from_hours(1.5), 5400),
        (Duration(seconds=0), 0),
    ],
)
def test_every_unit_counts_in_seconds(duration: Duration, seconds: int) -> None:
    assert duration.to_seconds() == seconds == duration.seconds


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        (Duration.from_seconds(0.001), 1),
        (Duration.from_seconds(1e-12), 1),
        (Duration.from_seconds(0.0), 0),
        (Duration.from_seconds(1.2), 2),
        (Duration.from_minutes(0.55), 33),
        (Duration.of(timedelta(seconds=1, microseconds=1)), 2),
        (Duration.of(timedelta(seconds=1)), 1),
    ],
)
def test_fractions_round_up_but_binary_noise_does_not(duration: Duration, seconds: int) -> None:
    assert duration.seconds == seconds


@given(st.timedeltas(min_value=timedelta(0)))
def test_a_timedelta_never_becomes_shorter_nor_a_second_longer(delta: timedelta) -> None:
    duration = Duration.of(delta)
    exact = delta // timedelta(microseconds=1)
    assert 0 <= duration.seconds * 1_000_000 - exact < 1_000_000


@pytest.mark.parametrize("count", [-1, -0.5, float("nan"), float("inf"), 1e308, True, "5", None])
def test_a_number_that_is_no_length_of_time_is_refused(count: float) -> None:
    with pytest.raises(ConfigError, match="from_hours takes a"):
        Duration.from_hours(count)


@pytest.mark.parametrize("seconds", [-1, 1.5, True, "5"])
def test_the_constructor_takes_whole_seconds_only(seconds: int) -> None:
    with pytest.raises(ConfigError, match="from_seconds"):
        Duration(seconds)


def test_a_negative_timedelta_is_refused_by_the_name_of_the_option() -> None:
    with pytest.raises(ConfigError, match="initial_delay is negative"):
        Duration.of(timedelta(microseconds=-1), "initial_delay")


def test_a_bare_number_is_refused_with_the_way_to_write_it() -> None:
    with pytest.raises(ConfigError, match=r"max_delay is a Duration .* not 5; .*from_seconds"):
        Duration.of(5, "max_delay")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_duration_in_range_is_checked_to_itself() -> None:
    for seconds in (1, LONGEST_TIMER_SECONDS):
        assert Duration(seconds).checked("wait") == Duration(seconds)


@pytest.mark.parametrize("seconds", [0, LONGEST_TIMER_SECONDS + 1])
def test_out_of_range_names_the_value_and_the_allowed_range(seconds: int) -> None:
    with pytest.raises(ConfigError) as caught:
        Duration(seconds).checked("wait 'cool_down'")
    message = str(caught.value)
    assert message.startswith(f"wait 'cool_down': {Duration(seconds)} ({seconds:,} s)")
    assert "from 1s (1 s) to 366d (31,622,400 s)" in message


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (1, "1s"), (90, "1m 30s"), (5400, "1h 30m"), (86_401, "1d 1s")],
)
def test_it_reads_well(seconds: int, text: str) -> None:
    assert str(Duration(seconds)) == text


def test_durations_add_up_with_timedeltas_too() -> None:
    five = Duration.from_seconds(5)
    assert five + five == Duration(10)
    assert five + timedelta(seconds=1) == Duration(6)
    assert timedelta(seconds=1) + five == Duration(6)
    with pytest.raises(TypeError):
        five + 1  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnusedExpression]


def test_durations_compare_and_hash_and_do_not_change() -> None:
    assert Duration(5) < Duration(6) <= Duration.from_seconds(6)
    assert len({Duration(60), Duration.from_minutes(1)}) == 1
    with pytest.raises(AttributeError):
        Duration(1).seconds = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
