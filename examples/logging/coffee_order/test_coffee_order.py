"""Each line comes once, with its fields and those of its place."""

from examples.logging.coffee_order.app import make_coffee

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "arabica"


def test_lines_come_once_though_the_code_runs_twice(durable_runner):
    result = durable_runner(make_coffee).run_sync(EVENT)
    assert len(result.invocations) == 2
    lines = [line.getMessage() for line in result.logs]
    assert lines == ["coffee ordered", "grinding", "coffee served"]


def test_lines_have_the_fields_of_their_place(durable_runner):
    ordered, grinding, _ = durable_runner(make_coffee).run_sync(EVENT).logs
    assert (ordered.beans, ordered.operation_name) == ("arabica", None)
    assert (grinding.beans, grinding.operation_name, grinding.attempt) == ("arabica", "brew", 1)


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(make_coffee).run_sync(EVENT), "coffee_order")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(make_coffee, EVENT).raise_if_failed()
