"""The dealer is asked when the factory has not answered three times."""

from examples.errors.fallback_supplier.app import order_part

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_the_dealer_delivers_after_three_attempts(durable_runner):
    result = durable_runner(order_part).run_sync("wheel")
    assert result.result == "wheel from the dealer"
    assert result.operation("order_from_factory").attempt == 3
    [line] = result.logs
    assert line.attempts == 3


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(order_part).run_sync("wheel"), "fallback_supplier")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(order_part, "wheel").raise_if_failed()
