"""The album is published with all photos but the broken one, after an approval."""

import pytest
from examples.map.photo_album import app
from examples.map.photo_album.app import Album, Published, Thumbnail, publish_album

from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)

PHOTOS = [f"summer-{page}-{number}.jpg" for page in range(2) for number in range(4)]


@pytest.fixture
def published(durable_runner):
    runner = durable_runner(publish_album).sync
    runner.start(Album("summer", 2))
    runner.wait_for_callback().succeed("Grace")
    return runner.complete()


def test_an_album_is_published_without_its_broken_photo(published, capsys):
    assert published.result == Published(
        thumbnails=[Thumbnail(photo, 200) for photo in PHOTOS[:-1]],
        broken=["summer-1-3.jpg"],
        approved_by="Grace",
    )


def test_each_photo_is_resized_in_a_context_of_its_own_and_three_at_a_time(published):
    photos = [item for item in published.operations if item.sub_type == "MapIteration"]
    assert [photo.name for photo in photos] == PHOTOS
    assert all(published.children(photo)[0].name == "resize" for photo in photos)
    for photo in photos:
        running = [
            other for other in photos if other.started_at <= photo.started_at < other.ended_at
        ]
        assert len(running) <= 3


def test_the_polling_branch_ends_while_the_other_waits_for_a_person(durable_runner):
    runner = durable_runner(publish_album).sync
    runner.start(Album("summer", 1))
    result = runner.advance(hours=1)
    assert result.operation("mirrored").succeeded
    assert not result.operation("approval").is_done
    [callback] = runner.callbacks()
    callback.fail(PermissionError("Grace says no"))
    assert runner.complete().error.error_type == "PermissionError"


def test_too_many_broken_photos_fail_the_album(durable_runner, monkeypatch):
    def resize(photo):
        raise OSError(f"{photo} is not a picture")

    monkeypatch.setattr(app, "resize", resize)
    result = durable_runner(publish_album).run_sync(Album("summer", 2))
    assert result.error.error_type == "ExceptionGroup"
    assert str(result.error).startswith("2 of ")


def play(runner):
    runner.sync.start(Album("summer", 1))
    runner.sync.wait_for_callback().succeed("Grace")
    return runner.sync.complete()


def test_it_does_what_it_did(durable_runner):
    result = play(durable_runner(publish_album))
    assert_history(result, "photo_album")
    check_replay_sync(publish_album, result).raise_if_failed()


# The checks of all crashes take long: the usual run of the tests tries ten of them.
SOME_AND_ALL = [10, pytest.param(500, marks=pytest.mark.slow)]


@pytest.mark.parametrize("points", SOME_AND_ALL)
def test_a_crash_anywhere_does_no_harm(durable_runner, points):
    runner = durable_runner(publish_album)
    check_crash_safety_sync(runner, play=play, max_points=points).raise_if_failed()


def test_it_depends_on_no_order_of_events(durable_runner):
    runner = durable_runner(publish_album)
    check_schedules_sync(runner, play=play, seeds=range(4)).raise_if_failed()
