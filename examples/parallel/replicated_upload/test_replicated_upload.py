"""Two regions are enough, and the slowest is not waited for."""

from examples.parallel.replicated_upload.app import replicate

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_the_slowest_region_is_not_waited_for(durable_runner):
    result = durable_runner(replicate).run_sync("backup.tar")
    assert result.result == ["backup.tar is in oslo", "backup.tar is in pune"]
    assert 20 <= result.duration.total_seconds() / 60 < 21


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(replicate).run_sync("backup.tar"), "replicated_upload")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(replicate, "backup.tar", max_points=15).raise_if_failed()
