"""The workflow sees the passport, and the log does not."""

from examples.values.sealed_passport.app import check_in

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "Ada"


def test_the_log_does_not_hold_the_passport(durable_runner):
    result = durable_runner(check_in).run_sync(EVENT)
    assert result.result == "Ada has a passport that ends with 47"
    assert "C01X00T47" not in str(result.history)


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(check_in).run_sync(EVENT), "sealed_passport")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(check_in, EVENT).raise_if_failed()
