"""The album is published with all photos but the broken one, after somebody has said yes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from tests.rig import Ran, Rig

from durable_execution_sdk.emulator.driver import Ending

EXAMPLE = "fan_out"


@pytest.fixture
def app(example_path: Path) -> Any:
    return importlib.import_module("app")


def publish(app: Any, **event: Any) -> Ran:
    rig = Rig(app.publish_album)
    arn = rig.start({"album": "summer", "pages": 2} | event)
    ran = rig.drive(arn, until=rig.clock.now() + 600_000)
    if ran.ending is Ending.LATE:
        [asked] = [event for event in ran.events if event.event_type == "CallbackStarted"]
        callback_id = asked.callback_started_details.callback_id
        rig.emulator.callback_success(callback_id, b'"Grace"')
        ran = rig.drive(arn)
    return ran


def test_an_album_is_published_without_its_broken_photo(
    app: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = publish(app)
    assert ran.status == "SUCCEEDED", ran.error
    photos = [f"summer-{page}-{number}.jpg" for page in range(2) for number in range(4)]
    assert ran.result == {
        "thumbnails": [{"photo": photo, "width": 200} for photo in photos[:-1]],
        "broken": ["summer-1-3.jpg"],
        "approved_by": "Grace",
    }
    assert capsys.readouterr().out.count("May summer be published?") == 1


def test_each_photo_is_resized_in_a_context_of_its_own_and_three_at_a_time(app: Any) -> None:
    ran = publish(app)
    items = [event for event in ran.events if event.sub_type == "MapIteration"]
    assert [e.name for e in items if e.event_type == "ContextStarted"] == [
        f"summer-{page}-{number}.jpg" for page in range(2) for number in range(4)
    ]
    running = most = 0
    for event in items:
        running += 1 if event.event_type == "ContextStarted" else -1
        most = max(most, running)
    assert most == 3


def test_the_polling_branch_ends_while_the_other_waits_for_a_person(app: Any) -> None:
    rig = Rig(app.publish_album)
    arn = rig.start({"album": "summer", "pages": 1})
    ran = rig.drive(arn, until=rig.clock.now() + 600_000)
    ended = [e.name for e in ran.events if e.event_type == "ContextSucceeded"]
    assert "mirrored" in ended
    assert "approval" not in ended


def test_too_many_broken_photos_fail_the_album(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def resize(photo: str) -> Any:
        raise OSError(f"{photo} is not a picture")

    monkeypatch.setattr(app, "resize", resize)
    ran = publish(app)
    assert (ran.status, ran.error.error_type) == ("FAILED", "ExceptionGroup")
    assert ran.error.error_message.startswith("2 of ")
