"""The trail has each attempt and each end, in the order of the log."""

from examples.logging.account_audit.app import trail, welcome

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "Ada"


def test_the_trail_tells_of_each_step(durable_runner):
    trail.clear()
    result = durable_runner(welcome).run_sync(EVENT)
    assert result.result == "account of Ada, without a card"
    assert trail == [
        "attempt 1 of open_account: SUCCEEDED",
        "open_account is SUCCEEDED",
        "attempt 1 of print_card: FAILED",
        "print_card is FAILED",
    ]


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(welcome).run_sync(EVENT), "account_audit")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(welcome, EVENT).raise_if_failed()
