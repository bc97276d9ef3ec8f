"""The first carrier wins, failures do not count while one may answer, and patience has an end."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from tests.rig import Rig

EXAMPLE = "race_with_timeout"


@pytest.fixture
def app(example_path: Path) -> Any:
    return importlib.import_module("app")


def ends(ran: Any) -> list[tuple[str, str]]:
    kinds = ("StepSucceeded", "StepFailed", "WaitSucceeded")
    return [(str(e.event_type), str(e.name)) for e in ran.events if e.event_type in kinds]


def test_the_first_offer_wins_across_retries(app: Any) -> None:
    ran = Rig(app.book_parcel).run({"parcel": "p"})
    assert ran.result in ({"carrier": "steady", "price": 20}, {"carrier": "swift", "price": 30})
    winner = f"ask_{ran.result['carrier']}"
    assert ends(ran)[-3:] == [
        ("StepSucceeded", winner),
        ("StepSucceeded", "first_offer"),
        ("StepSucceeded", "race"),
    ]
    assert ran.invocations > 1


def test_nobody_answers_in_time(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(carrier: str, parcel: str) -> Any:
        raise ConnectionError("busy")

    monkeypatch.setattr(app, "ask", busy)
    ran = Rig(app.book_parcel).run({"parcel": "p"})
    assert ran.result == "somebody looks after p"
    assert ends(ran)[-3:] == [
        ("WaitSucceeded", "patience"),
        ("StepSucceeded", "race"),
        ("StepSucceeded", "ask_the_office"),
    ]


def test_nobody_carries_it(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(carrier: str, parcel: str) -> Any:
        raise LookupError(f"{carrier} does not carry {parcel}")

    monkeypatch.setattr(app, "ask", refuse)
    ran = Rig(app.book_parcel).run({"parcel": "p"})
    assert ran.result == "somebody looks after p"
    assert ran.invocations == 1
