"""The order in which archives answer does not show in the result."""

from examples.testing.letter_count.app import count_letters

from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_schedules_sync,
)

EVENT = ["old", "older"]


def test_letters_are_counted(durable_runner):
    assert durable_runner(count_letters).run_sync(EVENT).result == {"old": 10, "older": 14}


def test_no_order_changes_anything():
    check_schedules_sync(count_letters, EVENT, seeds=range(10)).raise_if_failed()


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(count_letters).run_sync(EVENT), "letter_count")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(count_letters, EVENT).raise_if_failed()
