"""Nothing is published before the embargo ends, in the time zone of the event."""

from datetime import UTC, datetime, timedelta, timezone

from examples.waits.press_release.app import Release, press_release

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

BERLIN = timezone(timedelta(hours=1))
CHRISTMAS = Release("A new office", datetime(2025, 12, 24, 9, tzinfo=BERLIN))
AUTUMN = datetime(2025, 11, 1, tzinfo=UTC)


def test_it_is_published_at_nine_in_berlin(durable_runner):
    result = durable_runner(press_release, start_time=AUTUMN).run_sync(CHRISTMAS)
    published = result.operation("publish").started_at
    assert published.replace(microsecond=0) == datetime(2025, 12, 24, 8, tzinfo=UTC)


def test_a_moment_that_has_passed_is_no_error(durable_runner):
    runner = durable_runner(press_release, start_time=AUTUMN + timedelta(days=365))
    result = runner.run_sync(CHRISTMAS)
    assert result.result == "published: A new office"
    assert result.duration < timedelta(seconds=2)


def test_it_does_what_it_did(durable_runner):
    result = durable_runner(press_release, start_time=AUTUMN).run_sync(CHRISTMAS)
    assert_history(result, "press_release", replace={r"\d+ s": "... s"})


def test_a_crash_anywhere_does_no_harm(durable_runner):
    runner = durable_runner(press_release, start_time=AUTUMN)
    check_crash_safety_sync(runner, CHRISTMAS).raise_if_failed()
