"""Each invoice is made for the tenant of its order."""

from examples.invoke.tenant_invoice.app import Order, invoice, print_invoice

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)

EVENT = Order("acme", 4200)
FUNCTIONS = {"print-invoice": print_invoice}


def test_the_function_is_called_for_the_customer(durable_runner):
    result = durable_runner(invoice, functions=FUNCTIONS).run_sync(EVENT)
    assert result.result == "invoice of acme over 4200 cents"


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(invoice, functions=FUNCTIONS).run_sync(EVENT), "tenant_invoice")


def test_a_crash_anywhere_does_no_harm():
    runner = LocalDurableTestRunner(invoice, functions=FUNCTIONS)
    check_crash_safety_sync(runner, EVENT).raise_if_failed()
