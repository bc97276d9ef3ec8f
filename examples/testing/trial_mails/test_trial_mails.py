"""A month of mails, in a few milliseconds."""

from datetime import UTC, datetime

from examples.testing.trial_mails.app import trial

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "Ada"


def test_the_whole_month_at_once(durable_runner):
    result = durable_runner(trial).run_sync(EVENT)
    assert result.result == "to Ada: the trial is over"
    assert result.duration.days == 30
    assert len(result.invocations) == 3


def test_the_month_day_by_day(durable_runner):
    runner = durable_runner(trial, start_time=datetime(2030, 1, 1, tzinfo=UTC)).sync
    runner.start(EVENT)
    assert runner.run_until_suspended().operation("welcome").succeeded
    early = runner.advance(days=26)
    assert [each.name for each in early.operations if not each.is_done] == ["most of the trial"]
    assert runner.advance(days=1).operation("reminder").started_at.day == 28
    assert runner.complete().operation("goodbye").succeeded


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(trial).run_sync(EVENT), "trial_mails")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(trial, EVENT).raise_if_failed()
