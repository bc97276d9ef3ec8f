"""The cheapest of three offers is taken, and all three functions are asked at once."""

from examples.invoke.hotel_offers.app import Offer, find_hotel, north, south, west

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)

EVENT = "Turin"
FUNCTIONS = {"north": north, "south": south, "west": west}


def test_the_cheapest_offer_is_taken(durable_runner):
    result = durable_runner(find_hotel, functions=FUNCTIONS).run_sync(EVENT)
    assert result.result == Offer("Inn of Turin", 9000)
    first = result.invocations[0]
    assert [operation.name for operation in first.executed][:3] == ["north", "south", "west"]


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(find_hotel, functions=FUNCTIONS).run_sync(EVENT), "hotel_offers")


def test_a_crash_anywhere_does_no_harm():
    runner = LocalDurableTestRunner(find_hotel, functions=FUNCTIONS)
    check_crash_safety_sync(runner, EVENT).raise_if_failed()
