"""The manager's answer decides, and silence for a week does too."""

from examples.callbacks.expense_approval.app import Answer, Expense, approve_expense

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)

EXPENSE = Expense("Ada", 80)


def play(runner):
    runner.sync.start(EXPENSE)
    runner.sync.wait_for_callback("approval").succeed(Answer(approved=True, by="Grace"))
    return runner.sync.complete()


def test_the_manager_approves(durable_runner):
    assert play(durable_runner(approve_expense)).result == "approved by Grace"


def test_nobody_answers_in_a_week(durable_runner):
    result = durable_runner(approve_expense).run_sync(EXPENSE)
    assert result.result == "expired: nobody answered in a week"
    assert result.duration.days == 7


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(approve_expense)), "expense_approval")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(LocalDurableTestRunner(approve_expense), play=play).raise_if_failed()
