"""Seats are kept for those who pay within half an hour."""

from datetime import timedelta

from examples.sagas.seat_hold.app import Cart, buy_seats

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)

CART = Cart("Ada", ["A1", "A2"])


def play(runner):
    """Nobody pays."""
    runner.sync.start(CART)
    return runner.sync.complete()


def test_those_who_pay_have_seats(durable_runner):
    runner = durable_runner(buy_seats).sync
    runner.start(CART)
    payment = runner.wait_for_callback("payment")
    runner.advance(minutes=29)
    payment.succeed("card 4242")
    assert runner.complete().result == "2 seats, paid by card 4242"


def test_after_half_an_hour_the_seats_are_free(durable_runner):
    result = play(durable_runner(buy_seats))
    assert result.result == "the seats are free again"
    assert result.duration // timedelta(minutes=1) == 30
    released = [operation.result for operation in result.children("compensations")]
    assert released == ["hold-A2 is released", "hold-A1 is released"]


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(buy_seats)), "seat_hold")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(
        LocalDurableTestRunner(buy_seats), play=play, max_points=20
    ).raise_if_failed()
