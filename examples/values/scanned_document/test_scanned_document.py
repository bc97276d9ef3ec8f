"""The scan lies in the bucket once, and the log holds its key."""

from examples.values.scanned_document.app import archive, bucket

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "a lease"


def test_the_log_stays_small(durable_runner):
    bucket.clear()
    result = durable_runner(archive).run_sync(EVENT)
    assert result.result == "a lease"
    [(key, pixels)] = bucket.items()
    assert len(pixels) == 700_000
    assert len(str(result.history)) < 50_000
    assert result.operation("scan").result == {"key": key, "size": 700_000}


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(archive).run_sync(EVENT), "scanned_document")


def test_a_crash_anywhere_stores_the_scan_once():
    report = check_crash_safety_sync(
        archive, EVENT, setup=bucket.clear, observe=lambda: list(bucket)
    )
    report.raise_if_failed()
