"""The duty comes from the other function, which is a plain one."""

from examples.invoke.customs_duty.app import Duty, Parcel, customs_duty, ship_abroad

from durable_execution_sdk import InvokeError
from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    Raises,
    Returns,
    assert_history,
    check_crash_safety_sync,
)

EVENT = Parcel("p-1", 2.5, "CH")
FUNCTIONS = {"customs-duty": customs_duty}


def test_the_duty_is_that_of_the_other_function(durable_runner):
    functions = {"customs-duty": Returns(Duty(100, "X"))}
    result = durable_runner(ship_abroad, functions=functions).run_sync(EVENT)
    assert result.result == "p-1: 100 cents of duty, code X"


def test_its_failure_is_ours(durable_runner):
    functions = {"customs-duty": Raises(LookupError("no such country"))}
    result = durable_runner(ship_abroad, functions=functions).run_sync(EVENT)
    assert isinstance(result.error, InvokeError)
    assert result.error.error_type == "LookupError"


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(ship_abroad, functions=FUNCTIONS).run_sync(EVENT), "customs_duty")


def test_a_crash_anywhere_does_no_harm():
    runner = LocalDurableTestRunner(ship_abroad, functions=FUNCTIONS)
    check_crash_safety_sync(runner, EVENT).raise_if_failed()
