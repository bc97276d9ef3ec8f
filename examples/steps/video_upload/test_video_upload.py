"""The status tells how many parts have been sent."""

from examples.steps.video_upload.app import Video, upload

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

FILM = Video("film", 2)


def test_the_status_tells_how_far_it_is(durable_runner):
    runner = durable_runner(upload).sync
    runner.start(FILM)
    halfway = runner.run_until_suspended()
    assert halfway.custom_status == {"done": 1, "total": 2, "label": "film"}
    assert runner.complete().custom_status == {"done": 2, "total": 2, "label": "film"}


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(upload).run_sync(FILM), "video_upload")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(upload, FILM).raise_if_failed()
