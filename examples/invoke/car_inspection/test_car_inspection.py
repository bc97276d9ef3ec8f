"""The inspection is an execution of its own, and the sale waits for it."""

from examples.invoke.car_inspection.app import Report, inspect, sell_car

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    Returns,
    assert_history,
    check_crash_safety_sync,
)

EVENT = "car 7"
FUNCTIONS = {"inspect": inspect}


def test_the_sale_waits_for_the_inspection(durable_runner):
    result = durable_runner(sell_car, functions=FUNCTIONS).run_sync(EVENT)
    assert result.result == "car 7 needs left headlight"
    assert result.duration.days == 2
    assert len(result.invocations) == 2


def test_each_function_is_tested_by_itself(durable_runner):
    assert durable_runner(inspect).run_sync("car 1").result == Report("car 1", [])
    functions = {"inspect": Returns(Report("car 1", []))}
    result = durable_runner(sell_car, functions=functions).run_sync("car 1")
    assert result.result == "car 1 is for sale"


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(sell_car, functions=FUNCTIONS).run_sync(EVENT), "car_inspection")


def test_a_crash_anywhere_does_no_harm():
    runner = LocalDurableTestRunner(sell_car, functions=FUNCTIONS)
    check_crash_safety_sync(runner, EVENT).raise_if_failed()
