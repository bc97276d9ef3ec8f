"""A van whose rental did not answer is cancelled too, in case that it was reserved."""

from examples.sagas.crate_delivery.app import Delivery, deliver

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = Delivery("o-1", crates=12)


def test_a_small_delivery_gets_its_van(durable_runner):
    result = durable_runner(deliver).run_sync(Delivery("o-2", crates=3))
    assert result.result == "van for o-2"
    assert [operation.name for operation in result.operations] == ["take_from_stock", "reserve_van"]


def test_a_van_that_may_be_reserved_is_cancelled(durable_runner):
    result = durable_runner(deliver).run_sync(EVENT)
    assert result.result == "o-1 is not delivered"
    undone = [operation.name for operation in result.children("compensations")]
    assert undone == ["cancel_van_if_reserved", "put_back"]


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(deliver).run_sync(EVENT), "crate_delivery")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(deliver, EVENT).raise_if_failed()
