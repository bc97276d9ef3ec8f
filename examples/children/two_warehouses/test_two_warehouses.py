"""Two warehouses pick at once, and a shortage names its warehouse."""

from examples.children.two_warehouses.app import split_order

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

ORDER = {"north": 3, "south": 2}


def test_both_pick_at_once(durable_runner):
    result = durable_runner(split_order).run_sync(ORDER)
    assert result.result == "3 from north and 2 from south"
    assert result.duration.total_seconds() // 3600 == 3


def test_a_shortage_names_the_warehouse(durable_runner):
    result = durable_runner(split_order).run_sync({"north": 3, "south": 9})
    assert result.result == "not delivered, south: 2 left"


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(split_order).run_sync(ORDER), "two_warehouses")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(split_order, ORDER, max_points=15).raise_if_failed()
