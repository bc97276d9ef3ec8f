"""The reading stands in the log as a line of CSV, and is a reading again where it is used."""

from examples.values.meter_reading.app import bill_power

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "m-17"


def test_the_log_holds_a_line_of_csv(durable_runner):
    result = durable_runner(bill_power).run_sync(EVENT)
    assert result.result == "m-17: 375.15 EUR"
    assert result.operation("read_meter").payload == "m-17,1250.5"


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(bill_power).run_sync(EVENT), "meter_reading")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(bill_power, EVENT).raise_if_failed()
