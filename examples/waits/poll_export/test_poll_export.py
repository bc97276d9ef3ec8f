"""The export is looked at until it is ready, and then downloaded."""

from examples.waits.poll_export.app import export_table

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_an_export_is_downloaded_after_four_looks(durable_runner):
    result = durable_runner(export_table).run_sync("customers")
    assert result.result == "customers.csv"
    assert result.operation("export").attempt == 4
    assert len(result.invocations) == 4


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(export_table).run_sync("customers"), "poll_export")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(export_table, "customers", max_points=12).raise_if_failed()
