"""The warning stands in the log of each invocation, and the information in that of the first."""

from examples.logging.disk_watch.app import watch_disk

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "db-1"


def test_the_warning_is_repeated(durable_runner, caplog):
    result = durable_runner(watch_disk).run_sync(EVENT)
    assert len(result.invocations) == 2
    lines = [(record.getMessage(), record.is_replay) for record in caplog.records]
    assert lines == [
        ("measuring", False),
        ("the disk is nearly full", False),
        ("the disk is nearly full", True),
    ]


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(watch_disk).run_sync(EVENT), "disk_watch")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(watch_disk, EVENT).raise_if_failed()
