"""All are paid who can be, and those who cannot are known by name."""

from examples.patterns.payroll_run import app
from examples.patterns.payroll_run.app import Payroll, run_payroll

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = ["Ada", "Alan", "Grace"]


def test_a_closed_account_holds_nobody_else_up(durable_runner):
    result = durable_runner(run_payroll).run_sync(EVENT)
    assert result.result == Payroll(paid=["Ada", "Grace"], by_hand=["Alan"])


def test_an_account_that_is_mended_in_time_is_paid(durable_runner, monkeypatch):
    monkeypatch.setattr(app, "closed_accounts", {"Alan"})
    runner = durable_runner(run_payroll).sync
    runner.start(EVENT)
    runner.advance(days=2)
    app.closed_accounts.clear()
    assert runner.complete().result == Payroll(paid=["Ada", "Grace", "Alan"], by_hand=[])


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(run_payroll).run_sync(EVENT), "payroll_run")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(run_payroll, EVENT, max_points=20).raise_if_failed()
