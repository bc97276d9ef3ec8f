"""The total is made of three answers, which are asked for at once."""

from examples.combinators.checkout_totals.app import Basket, Total, total

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

BASKET = Basket("NO", 3, 200)


def test_the_total_has_tax_and_shipping(durable_runner):
    result = durable_runner(total).run_sync(BASKET)
    assert result.result == Total(280, "post of NO")
    assert len(result.invocations) == 1


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(total).run_sync(BASKET), "checkout_totals")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(total, BASKET).raise_if_failed()
