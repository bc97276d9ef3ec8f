"""The next attempt comes when the server said, and other errors are final."""

import pytest
from examples.steps.retry_after import app
from examples.steps.retry_after.app import download

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_the_server_is_asked_again_after_ninety_seconds(durable_runner):
    result = durable_runner(download).run_sync("invoices")
    assert result.result == ["invoices-1", "invoices-2"]
    assert result.duration.total_seconds() == pytest.approx(90, abs=1)


def test_another_error_is_final(durable_runner, monkeypatch):
    def fail(report):
        raise PermissionError("no access")

    monkeypatch.setattr(app, "fetch", fail)
    result = durable_runner(download).run_sync("invoices")
    assert isinstance(result.error, PermissionError)
    assert result.operation("fail").attempt == 1


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(download).run_sync("invoices"), "retry_after")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(download, "invoices").raise_if_failed()
