"""A trip is booked as a whole, or cancelled in reverse order; a suspension cancels nothing."""

from examples.sagas.trip_booking.app import Itinerary, Trip, book_trip


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
