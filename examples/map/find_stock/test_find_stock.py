"""The first warehouse with the article is taken, and the next ones are not asked."""

from examples.map.find_stock.app import find_stock

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_the_first_warehouse_with_a_lamp_is_taken(durable_runner):
    result = durable_runner(find_stock).run_sync("lamp")
    assert result.result == "south"
    asked = [item.name for item in result.children("warehouses")]
    assert asked == ["ask north", "ask south"]


def test_no_warehouse_has_it(durable_runner):
    assert durable_runner(find_stock).run_sync("sofa").result == "no warehouse has a sofa"


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(find_stock).run_sync("lamp"), "find_stock")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(find_stock, "lamp").raise_if_failed()
