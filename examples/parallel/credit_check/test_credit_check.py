"""A low income refuses a loan at once, without the two weeks of the register."""

from examples.parallel.credit_check.app import Application, check_credit

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

POOR = Application("Ada", 20_000)


def test_a_loan_is_granted_after_two_weeks(durable_runner):
    result = durable_runner(check_credit).run_sync(Application("Ada", 60_000))
    assert result.result == "granted"
    assert result.duration.days == 14


def test_a_low_income_refuses_it_at_once(durable_runner):
    result = durable_runner(check_credit).run_sync(POOR)
    assert result.result == "refused: 20000 is too low"
    assert result.duration.total_seconds() < 1
    assert "read_register" not in [operation.name for operation in result.operations]


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(check_credit).run_sync(POOR), "credit_check")


def test_a_crash_anywhere_does_no_harm():
    # Which branches are under way at the first failure is a matter of time.
    check_crash_safety_sync(check_credit, POOR, same_log=False).raise_if_failed()
