"""A person approves, the canary breaks, or a day goes by: each ends the release its own way."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from tests.rig import Ran, Rig

HOUR = 3_600_000
EXAMPLE = "approval_while_polling"


@pytest.fixture
def app(example_path: Path) -> Any:
    return importlib.import_module("app")


def release(app: Any, *, approved_after: int | None = None, **event: Any) -> Ran:
    rig = Rig(app.release)
    arn = rig.start({"version": "1.4"} | event)
    if approved_after is not None:
        ran = rig.drive(arn, until=rig.clock.now() + approved_after)
        [asked] = [event for event in ran.events if event.event_type == "CallbackStarted"]
        rig.emulator.callback_success(asked.callback_started_details.callback_id, b'"Ada"')
    return rig.drive(arn)


def last(ran: Ran) -> list[str]:
    return [e.event_type for e in ran.events if e.event_type != "InvocationCompleted"][-3:]


def test_a_person_approves_while_the_canary_is_watched(app: Any) -> None:
    ran = release(app, approved_after=2 * HOUR)
    assert ran.result == "1.4 rolled out"
    looks = [e for e in ran.events if e.event_type == "StepStarted" and e.name == "canary"]
    assert 7 <= len(looks) <= 10


def test_a_broken_canary_rolls_back_without_asking_further(app: Any) -> None:
    ran = release(app, breaks_after=3)
    assert ran.result == "1.4 rolled back"
    took = ran.events[-1].event_timestamp - ran.events[0].event_timestamp
    assert took < HOUR


def test_a_day_without_an_answer_rolls_back(app: Any) -> None:
    ran = release(app)
    assert ran.result == "1.4 rolled back"
    rang = [e.event_timestamp for e in ran.events if e.name == "asyncio timer"]
    assert 24 * HOUR <= rang[1] - rang[0] < 25 * HOUR
