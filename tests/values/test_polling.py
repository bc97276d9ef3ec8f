"""Polling strategies decide to stop, to poll again after a delay, or to give up."""

from __future__ import annotations

import pytest

from durable_execution_sdk.duration import Duration
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.retry import (
    JitterStrategy,
    WaitDecision,
    WaitOutcome,
    poll_until,
    poll_while,
)

NONE = JitterStrategy.NONE


def is_done(state: str) -> bool:
    return state == "done"


def test_poll_until_stops_when_the_predicate_is_true() -> None:
    strategy = poll_until(is_done, jitter=NONE)
    assert strategy("done", 1) == WaitDecision.stop()
    assert strategy("busy", 1) == WaitDecision.continue_after(Duration(5))


def test_poll_while_stops_when_the_predicate_is_false() -> None:
    strategy = poll_while(is_done, jitter=NONE)
    assert strategy("busy", 1) == WaitDecision.stop()
    assert strategy("done", 1) == WaitDecision.continue_after(Duration(5))


def test_delays_grow_by_half_up_to_five_minutes() -> None:
    strategy = poll_until(is_done, jitter=NONE)
    assert [strategy("busy", n).delay_seconds for n in (1, 2, 3, 59)] == [5, 8, 12, 300]


def test_full_jitter_is_the_default() -> None:
    strategy = poll_until(is_done)
    assert len({strategy("busy", 50).delay_seconds for _ in range(20)}) > 1


def test_running_out_of_attempts_is_not_taken_for_success() -> None:
    strategy = poll_until(is_done, max_attempts=3)
    assert strategy("busy", 2).outcome is WaitOutcome.CONTINUE
    assert strategy("busy", 3) == WaitDecision.exhausted()
    assert strategy("done", 3) == WaitDecision.stop()


def test_a_predicate_that_must_be_awaited_is_refused_instead_of_being_true() -> None:
    async def predicate(_state: str) -> bool:
        return True

    strategy = poll_until(predicate)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="plain function"):
        strategy("busy", 1)


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"max_attempts": 0}, "max_attempts"),
        ({"initial_delay": Duration(0)}, "initial_delay"),
        ({"initial_delay": Duration(301)}, "max_delay"),
        ({"backoff_rate": 0}, "backoff_rate"),
        ({"jitter": None}, "jitter"),
    ],
)
def test_a_wrong_option_is_refused_by_name_when_made(
    options: dict[str, object], option: str
) -> None:
    with pytest.raises(ConfigError, match=option):
        poll_while(is_done, **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_something_that_cannot_be_called_is_no_predicate() -> None:
    with pytest.raises(ConfigError, match="predicate"):
        poll_until("done")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_delay_that_the_service_would_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="delay before the next check"):
        WaitDecision.continue_after(Duration(0))
    with pytest.raises(ConfigError, match="delay_seconds"):
        WaitDecision(WaitOutcome.CONTINUE)
