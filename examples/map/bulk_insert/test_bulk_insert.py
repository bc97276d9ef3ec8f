"""Two hundred and fifty rows are three groups, and each row has its result."""

from examples.map.bulk_insert.app import bulk_insert

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_rows_are_inserted_by_the_hundred(durable_runner):
    result = durable_runner(bulk_insert).run_sync(250)
    assert result.result == "250 rows, the last has id 249"
    assert len(result.children("groups")) == 3


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(bulk_insert).run_sync(3), "bulk_insert")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(bulk_insert, 3).raise_if_failed()
