"""A seat that has expired is not confirmed again: another one is reserved."""

import pytest
from examples.children.seat_reservation.app import book_seat, seats

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


@pytest.fixture(autouse=True)
def empty_theatre():
    seats.clear()


def test_another_seat_is_reserved(durable_runner):
    result = durable_runner(book_seat).run_sync("Hamlet")
    assert result.result == "Hamlet-2 is yours"
    assert result.duration.total_seconds() >= 300
    assert result.operation("reserve", index=0).result == "Hamlet-1"


def test_the_first_seat_is_confirmed(durable_runner):
    result = durable_runner(book_seat).run_sync("Macbeth")
    assert result.result == "Macbeth-1 is yours"
    assert len(result.invocations) == 1


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(book_seat).run_sync("Hamlet"), "seat_reservation")


def test_a_crash_anywhere_does_no_harm():
    report = check_crash_safety_sync(
        book_seat, "Hamlet", setup=seats.clear, observe=lambda: list(seats.values()), max_points=14
    )
    report.raise_if_failed()
