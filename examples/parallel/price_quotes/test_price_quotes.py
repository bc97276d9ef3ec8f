"""A supplier that does not answer within an hour is too late."""

from examples.parallel.price_quotes.app import Quotes, quotes

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_the_slow_supplier_is_too_late(durable_runner):
    result = durable_runner(quotes).run_sync("bricks")
    assert result.result == Quotes(["quick delivers bricks"], ["slow"])
    assert result.duration.total_seconds() // 60 == 60


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(quotes).run_sync("bricks"), "price_quotes")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(quotes, "bricks", max_points=10).raise_if_failed()
