"""Offers are accepted until there are eight seats, and no further."""

from examples.map.buy_seats.app import buy_seats

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

OFFERS = [2, 4, 3, 6]


def test_three_offers_are_enough(durable_runner):
    result = durable_runner(buy_seats).run_sync(OFFERS)
    assert result.result == "9 seats of 3 offers"
    assert len(result.children("offers")) == 3


def test_all_offers_are_not_enough(durable_runner):
    assert durable_runner(buy_seats).run_sync([1, 2]).result == "3 seats of 2 offers"


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(buy_seats).run_sync(OFFERS), "buy_seats")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(buy_seats, OFFERS).raise_if_failed()
