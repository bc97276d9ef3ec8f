"""A report each morning at seven, and a log for each week."""

from datetime import UTC, datetime

from examples.patterns.morning_report.app import Schedule, next_morning, report_daily

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = Schedule("ada@example.com", mornings=3)


def test_reports_go_out_at_seven(durable_runner):
    result = durable_runner(report_daily).run_sync(EVENT)
    sent = [each.started_at for each in result.operations if each.name == "send_report"]
    assert [(at.hour, at.minute) for at in sent] == [(7, 0)] * 3
    assert len({at.date() for at in sent}) == 3


def test_each_week_has_a_log_of_its_own(durable_runner):
    runner = durable_runner(report_daily).sync
    assert runner.run(Schedule("ada@example.com", mornings=16)).result == 16
    sent = [
        [each for each in week.operations if each.name == "send_report"]
        for week in runner.results()
    ]
    assert [len(week) for week in sent] == [7, 7, 2]


def test_at_seven_sharp_the_next_morning_is_tomorrow():
    at_seven = datetime(2030, 1, 31, 7, tzinfo=UTC)
    assert next_morning(at_seven) == datetime(2030, 2, 1, 7, tzinfo=UTC)


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(report_daily).run_sync(EVENT), "morning_report")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(report_daily, EVENT, max_points=20).raise_if_failed()
