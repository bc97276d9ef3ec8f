"""An unavailable carrier is asked again, and an unknown parcel is an answer."""

import pytest
from examples.errors.carrier_status import app
from examples.errors.carrier_status.app import HttpError, track

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


@pytest.mark.parametrize(
    ("parcel", "answer"), [("p-1", "in Oslo"), ("p-404", "the carrier does not know p-404")]
)
def test_the_second_attempt_decides(durable_runner, parcel, answer):
    result = durable_runner(track).run_sync(parcel)
    assert result.result == answer
    assert result.operation("locate").attempt == 2


def test_another_status_fails_the_execution(durable_runner, monkeypatch):
    monkeypatch.setattr(app, "get", lambda _: (403, ""))
    result = durable_runner(track).run_sync("p-1").assert_failed()
    assert isinstance(result.error, HttpError)
    assert result.error.status == 403


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(track).run_sync("p-404"), "carrier_status")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(track, "p-404").raise_if_failed()
