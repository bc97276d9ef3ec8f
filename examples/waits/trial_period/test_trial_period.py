"""The offer goes out when the trial is over, and not before."""

from examples.waits.trial_period.app import start_trial

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

ADDRESS = "ada@example.com"


def test_the_offer_is_sent_after_two_weeks(durable_runner):
    runner = durable_runner(start_trial).sync
    runner.start(ADDRESS)
    assert not runner.advance(days=13).is_done
    result = runner.advance(days=1)
    assert result.result == "offer sent for the account of ada@example.com"
    assert len(result.invocations) == 2


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(start_trial).run_sync(ADDRESS), "trial_period")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(start_trial, ADDRESS).raise_if_failed()
