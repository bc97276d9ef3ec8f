"""Completion rules of maps and parallels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_execution_sdk.batch_completion import CompletionConfig, CompletionReason, decide
from durable_execution_sdk.errors import ConfigError

DONE = CompletionReason.ALL_COMPLETED
ENOUGH = CompletionReason.MIN_SUCCESSFUL_REACHED
TOO_MANY = CompletionReason.FAILURE_TOLERANCE_EXCEEDED


@pytest.mark.parametrize("config", [None, CompletionConfig(), CompletionConfig.all_successful()])
def test_without_any_config_the_first_failure_stops(config: CompletionConfig | None) -> None:
    assert decide(config, total=3, succeeded=2, failed=0) is None
    assert decide(config, total=3, succeeded=1, failed=1) is TOO_MANY
    assert decide(config, total=3, succeeded=3, failed=0) is DONE


def test_all_completed_runs_everything_however_much_fails() -> None:
    config = CompletionConfig.all_completed()
    assert decide(config, total=3, succeeded=0, failed=2) is None
    assert decide(config, total=3, succeeded=0, failed=3) is DONE


def test_first_successful_stops_at_the_first_success_and_tolerates_every_failure() -> None:
    config = CompletionConfig.first_successful()
    assert decide(config, total=3, succeeded=0, failed=2) is None
    assert decide(config, total=3, succeeded=1, failed=1) is ENOUGH
    assert decide(config, total=3, succeeded=0, failed=3) is DONE


def test_success_is_looked_at_before_tolerance_and_both_before_the_end() -> None:
    config = CompletionConfig(min_successful=1, tolerated_failure_count=0)
    assert decide(config, total=2, succeeded=1, failed=1) is ENOUGH
    assert decide(CompletionConfig(min_successful=2), total=2, succeeded=2, failed=0) is ENOUGH
    assert decide(config, total=1, succeeded=0, failed=1) is TOO_MANY


def test_failures_up_to_the_tolerated_count_go_on() -> None:
    config = CompletionConfig(tolerated_failure_count=1)
    assert decide(config, total=3, succeeded=0, failed=1) is None
    assert decide(config, total=3, succeeded=0, failed=2) is TOO_MANY


def test_the_percentage_is_of_all_items_and_exact() -> None:
    config = CompletionConfig(tolerated_failure_percentage=25)
    assert decide(config, total=4, succeeded=0, failed=1) is None
    assert decide(config, total=4, succeeded=0, failed=2) is TOO_MANY
    third = CompletionConfig(tolerated_failure_percentage=100 / 3)
    assert decide(third, total=3, succeeded=0, failed=1) is None


def test_no_items_are_done_at_once() -> None:
    for config in (None, CompletionConfig.all_completed(), CompletionConfig.first_successful()):
        assert decide(config, total=0, succeeded=0, failed=0) is DONE


@given(
    st.builds(
        CompletionConfig,
        min_successful=st.none() | st.integers(1, 5),
        tolerated_failure_count=st.none() | st.integers(0, 5),
        tolerated_failure_percentage=st.none() | st.floats(0, 100),
    ),
    st.lists(st.booleans(), max_size=6),
)
def test_it_always_stops_at_the_end_and_never_before_something_finished(
    config: CompletionConfig, outcomes: list[bool]
) -> None:
    total = len(outcomes)
    assert (decide(config, total, 0, 0) is None) == (total > 0)
    succeeded = sum(outcomes)
    assert decide(config, total, succeeded, total - succeeded) is not None


@pytest.mark.parametrize("option", ["min_successful", "tolerated_failure_count"])
@pytest.mark.parametrize("count", [-1, 1.5, True, "1"])
def test_a_count_that_is_none_is_refused_when_made(option: str, count: object) -> None:
    with pytest.raises(ConfigError, match=f"{option} is a whole number"):
        CompletionConfig(**{option: count})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_at_least_one_success_must_be_asked_for() -> None:
    with pytest.raises(ConfigError, match="min_successful is a whole number, 1 or more, not 0"):
        CompletionConfig(min_successful=0)


@pytest.mark.parametrize("share", [-0.1, 100.1, float("nan"), True, "50"])
def test_a_share_outside_0_to_100_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="from 0 to 100"):
        CompletionConfig(tolerated_failure_percentage=share)


def test_more_successes_than_items_is_refused_with_both_numbers() -> None:
    config = CompletionConfig(min_successful=3)
    with pytest.raises(ConfigError, match=r"map 'orders': min_successful is 3, .* only 2 items"):
        config.validate_against(2, "map 'orders'")
    config.validate_against(3)
    config.validate_against(0)
    CompletionConfig().validate_against(1)
