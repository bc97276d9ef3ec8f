"""A busy carrier is asked until it answers; one that refuses is asked once."""

from examples.steps.parcel_label.app import label

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_a_busy_carrier_is_asked_again(durable_runner):
    result = durable_runner(label).run_sync("p-1")
    assert result.result == "label for p-1"
    assert result.operation("print_label").attempt == 3


def test_a_carrier_that_refuses_is_asked_once(durable_runner):
    result = durable_runner(label).run_sync("heavy-1")
    assert result.result == "no label: heavy-1 is too heavy"
    assert result.operation("print_label").attempt == 1


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(label).run_sync("p-1"), "parcel_label")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(label, "p-1").raise_if_failed()
