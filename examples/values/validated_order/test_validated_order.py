"""Models go through the log whole, and an event that does not fit is told with its place."""

from examples.values.validated_order.app import Order, Shipment, ship

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = Order(sku="TEA-7", count=2)


def test_a_shipment_is_a_model_again(durable_runner):
    result = durable_runner(ship).run_sync({"sku": "TEA-7", "count": 2})
    assert result.result == Shipment(order=EVENT, parcels=["TEA-7/1", "TEA-7/2"])


def test_an_order_of_nothing_is_refused(durable_runner):
    result = durable_runner(ship).run_sync({"sku": "TEA-7", "count": 0})
    assert result.status == "FAILED"
    assert "count" in str(result.error)
    assert result.operations == []


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(ship).run_sync(EVENT), "validated_order")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(ship, EVENT).raise_if_failed()
