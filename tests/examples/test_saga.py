"""A trip is booked as a whole, or cancelled in reverse; waiting for the hotel cancels nothing."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from tests.rig import Rig

EXAMPLE = "saga"


@pytest.fixture
def app(example_path: Path) -> Any:
    return importlib.import_module("app")


def history(ran: Any) -> list[tuple[str, str | None]]:
    return [
        (str(event.event_type), event.name)
        for event in ran.events
        if event.event_type.startswith(("Step", "Wait", "Context"))
        and not event.event_type == "StepStarted"
    ]


def test_a_trip_within_the_budget_is_booked(app: Any) -> None:
    ran = Rig(app.book_trip).run({"traveller": "Ada", "budget": 1100})
    assert ran.result == {"flight": "flight-Ada", "hotel": "hotel-Ada", "car": "car-Ada"}
    assert history(ran) == [
        ("StepSucceeded", "book_flight"),
        ("StepSucceeded", "book_hotel"),
        ("WaitStarted", "hotel_confirms"),
        ("WaitSucceeded", "hotel_confirms"),
        ("StepSucceeded", "book_car"),
    ]


def test_a_trip_over_the_budget_is_cancelled_in_reverse(app: Any) -> None:
    ran = Rig(app.book_trip).run({"traveller": "Ada", "budget": 900})
    assert ran.result == "the trip is 200 over budget"
    assert history(ran)[2:] == [
        ("WaitStarted", "hotel_confirms"),
        ("WaitSucceeded", "hotel_confirms"),
        ("StepFailed", "book_car"),
        ("ContextStarted", "compensations"),
        ("StepSucceeded", "cancel_hotel"),
        ("StepSucceeded", "cancel_flight"),
        ("StepSucceeded", "apologize"),
        ("ContextSucceeded", "compensations"),
    ]
