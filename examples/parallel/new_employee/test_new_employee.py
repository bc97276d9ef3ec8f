"""Badge and laptop are prepared at once, and the slower one decides when all is ready."""

from examples.parallel.new_employee.app import welcome_employee

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_all_is_ready_when_the_laptop_has_come(durable_runner):
    result = durable_runner(welcome_employee).run_sync("Ada")
    assert result.result == {"badge": "badge of Ada, ada@example.com", "laptop": "laptop for Ada"}
    assert result.duration.days == 5
    assert result.operation("badge").duration.total_seconds() < 1


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(welcome_employee).run_sync("Ada"), "new_employee")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(welcome_employee, "Ada").raise_if_failed()
