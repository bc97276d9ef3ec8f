"""The mail has its keyword arguments, and the step its name."""

from examples.steps.welcome_mail.app import Customer, welcome

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

ADA = Customer("ada@example.com", "fr")


def test_a_customer_is_greeted_in_her_language(durable_runner):
    result = durable_runner(welcome).run_sync(ADA)
    assert result.operation("welcome ada@example.com").succeeded
    assert result.result == "Bienvenue: to ada@example.com, copy to sales@example.com"


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(welcome).run_sync(ADA), "welcome_mail")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(welcome, ADA).raise_if_failed()
