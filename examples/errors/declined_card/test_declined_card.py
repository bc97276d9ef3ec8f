"""A declined card is an exception with its attributes, also after a suspension."""

from examples.errors.declined_card.app import Order, pay

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

STOLEN = Order("o-1", "stolen")


def test_the_reason_survives_the_wait(durable_runner):
    result = durable_runner(pay).run_sync(STOLEN)
    assert result.result == "another card for o-1, please: call the bank, limit 99.50"
    assert len(result.invocations) == 2


def test_a_good_card_is_charged(durable_runner):
    assert durable_runner(pay).run_sync(Order("o-1", "visa")).result == "paid o-1"


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(pay).run_sync(STOLEN), "declined_card")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(pay, STOLEN).raise_if_failed()
