"""The report is fetched when it is there, and three ends of the polling are told apart."""

import pytest
from examples.patterns.ad_report import app
from examples.patterns.ad_report.app import Job, ReportFailedError, fetch_report

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "spring"


def test_the_report_is_polled_for_and_downloaded(durable_runner):
    result = durable_runner(fetch_report).run_sync(EVENT)
    assert result.result == "job-spring.csv"
    assert result.operation("report").attempt == 4


def test_a_report_that_does_not_come_is_given_up_after_an_hour(durable_runner, monkeypatch):
    def runs_for_ever(job: Job) -> Job:
        return job

    monkeypatch.setattr(app, "look_up", runs_for_ever)
    result = durable_runner(fetch_report).run_sync(EVENT)
    assert result.result == "no report today"
    assert result.duration.total_seconds() // 3600 == 1


def test_a_failed_report_fails_the_execution(durable_runner, monkeypatch):
    def fails(job: Job) -> Job:
        return Job(job.id, 1, "FAILED")

    monkeypatch.setattr(app, "look_up", fails)
    with pytest.raises(ReportFailedError, match="job-spring"):
        _ = durable_runner(fetch_report).run_sync(EVENT).result


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(fetch_report).run_sync(EVENT), "ad_report")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(fetch_report, EVENT, max_points=20).raise_if_failed()
