"""The carrier may be down for a while, but not for ever."""

from datetime import timedelta

from examples.testing.flaky_carrier import app
from examples.testing.flaky_carrier.app import ship

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "p-1"


def fail_times(monkeypatch, count):
    calls = []

    def carrier(label):
        calls.append(label)
        if len(calls) <= count:
            raise ConnectionError("the carrier is down")
        return f"{label} was accepted"

    monkeypatch.setattr(app, "send_to_carrier", carrier)


def test_the_third_attempt_comes_three_minutes_later(durable_runner, monkeypatch):
    fail_times(monkeypatch, 2)
    result = durable_runner(ship).run_sync(EVENT)
    step = result.operation("register")
    assert result.result == "label of p-1 was accepted"
    assert step.attempt == 3
    assert step.duration // timedelta(minutes=1) == 1 + 2


def test_after_five_attempts_the_execution_fails(durable_runner, monkeypatch):
    fail_times(monkeypatch, 9)
    result = durable_runner(ship).run_sync(EVENT)
    assert isinstance(result.error, ConnectionError)
    assert result.error.attempts == 5


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(ship).run_sync(EVENT), "flaky_carrier")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(ship, EVENT).raise_if_failed()
