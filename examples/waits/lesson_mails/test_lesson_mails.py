"""A lesson goes out each week, and nothing runs in between."""

from examples.waits.lesson_mails.app import teach

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

ADDRESS = "ada@example.com"


def test_a_course_takes_two_weeks(durable_runner):
    result = durable_runner(teach).run_sync(ADDRESS)
    assert [mail.split()[0] for mail in result.result] == ["Letters", "Words"]
    assert result.duration.days == 14
    assert len(result.invocations) == 3


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(teach).run_sync(ADDRESS), "lesson_mails")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(teach, ADDRESS).raise_if_failed()
