"""New bookings get flowers, and those of before go on without."""

from pathlib import Path

from examples.testing.room_booking.app import book_room

from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
)

EVENT = "room 7"
BEFORE = Path(__file__).parent / "histories" / "before_flowers.json"


def test_a_booking_of_before_goes_on_without_flowers():
    check_replay_sync(book_room, BEFORE).raise_if_failed()


def test_a_new_booking_gets_flowers(durable_runner):
    result = durable_runner(book_room).run_sync(EVENT)
    assert result.operation("order_flowers").result == "flowers for room 7"


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(book_room).run_sync(EVENT), "room_booking")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(book_room, EVENT).raise_if_failed()
