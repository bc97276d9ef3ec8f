"""A trip is booked as a whole, or cancelled in reverse order; a suspension cancels nothing."""

import pytest
from examples.sagas.trip_booking.app import Itinerary, Trip, book_trip

from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)


def test_a_trip_within_the_budget_is_booked(durable_runner):
    result = durable_runner(book_trip).run_sync(Trip("Ada", 1100))
    assert result.result == Itinerary("flight-Ada", "hotel-Ada", "car-Ada")
    assert [operation.name for operation in result.operations] == [
        "book_flight",
        "book_hotel",
        "hotel_confirms",
        "book_car",
    ]
    assert result.duration.total_seconds() // 3600 == 12


def test_a_trip_over_the_budget_is_cancelled_in_reverse(durable_runner):
    result = durable_runner(book_trip).run_sync(Trip("Ada", 900))
    assert result.result == "the trip is 200 over budget"
    assert result.operation("book_car").status == "FAILED"
    compensations = result.children("compensations")
    assert [operation.name for operation in compensations] == [
        "cancel_hotel",
        "cancel_flight",
        "apologize",
    ]
    assert compensations[0].result == "cancelled hotel-Ada"


def test_waiting_for_the_hotel_cancels_nothing(durable_runner):
    runner = durable_runner(book_trip).sync
    runner.start(Trip("Ada", 900))
    result = runner.advance(hours=11)
    assert [operation.name for operation in result.operations if not operation.is_done] == [
        "hotel_confirms"
    ]
    assert len(result.operations) == 3


BOOKED, OVER_BUDGET = Trip("Ada", 1100), Trip("Ada", 900)


@pytest.mark.parametrize(
    ("trip", "history"), [(BOOKED, "trip_booked"), (OVER_BUDGET, "trip_cancelled")]
)
def test_it_does_what_it_did(durable_runner, trip, history):
    result = durable_runner(book_trip).run_sync(trip)
    assert_history(result, history)
    check_replay_sync(book_trip, result).raise_if_failed()


@pytest.mark.parametrize("trip", [BOOKED, OVER_BUDGET])
def test_a_crash_anywhere_does_no_harm(trip):
    check_crash_safety_sync(book_trip, trip, max_points=30).raise_if_failed()


@pytest.mark.parametrize("trip", [BOOKED, OVER_BUDGET])
def test_it_depends_on_no_order_of_events(trip):
    check_schedules_sync(book_trip, trip, seeds=range(4)).raise_if_failed()
