"""A failure of the other team's function costs nothing but precision; an unknown currency is another thing."""

from examples.invoke.exchange_rate.app import convert, exchange_rates

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    Raises,
    assert_history,
    check_crash_safety_sync,
)

EVENT = "USD"
FUNCTIONS = {"rates": Raises(ConnectionError("the exchange does not answer"))}


def test_the_live_rate_is_taken(durable_runner):
    runner = durable_runner(convert, functions={"rates": exchange_rates})
    assert runner.run_sync("USD").result == "1 USD = 0.92 EUR (live)"
    assert runner.run_sync("ZZZ").result == "nobody trades ZZZ"


def test_the_standard_rate_stands_in(durable_runner):
    result = durable_runner(convert, functions=FUNCTIONS).run_sync(EVENT)
    assert result.result == "1 USD = 0.9 EUR (standard)"
    assert [line.reason for line in result.logs] == ["the exchange does not answer"]


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(convert, functions=FUNCTIONS).run_sync(EVENT), "exchange_rate")


def test_a_crash_anywhere_does_no_harm():
    runner = LocalDurableTestRunner(convert, functions=FUNCTIONS)
    check_crash_safety_sync(runner, EVENT).raise_if_failed()
