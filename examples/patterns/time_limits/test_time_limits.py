"""Carriers, drivers and customs that take too long are given up; what is quick is not."""

import pytest
from examples.patterns.time_limits import app
from examples.patterns.time_limits.app import Quote, clear_customs, quote_freight

from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)

FUNCTIONS = {"clear_customs": clear_customs}


def test_what_takes_too_long_is_given_up(durable_runner):
    runner = durable_runner(quote_freight, functions=FUNCTIONS)
    result = runner.run_sync({"parcel": "p"})
    assert result.result == Quote("swift", "Grace", ["silent"], "still under inspection")
    silent = result.operation("ask silent")
    assert silent.status == "FAILED"
    assert silent.error_object.error_type == "ChildContextTimeoutError"
    assert result.operation("time limit of ask silent").succeeded
    # Ada has lost, so she is called no more; customs go on by themselves.
    assert result.operation("call Ada").status == "FAILED"
    assert not result.operation("customs").is_done


def test_limits_that_are_kept_leave_no_trace_in_the_result(durable_runner, monkeypatch):
    monkeypatch.setattr(app, "MINUTES_TO_ANSWER", {"swift": 20, "steady": 45})
    runner = durable_runner(quote_freight, functions={"clear_customs": lambda _event, _: "cleared"})
    result = runner.run_sync({"parcel": "p"})
    assert result.result == Quote("swift", "Grace", [], "cleared")
    assert not result.operation("time limit of ask swift").succeeded


def test_it_does_what_it_did(durable_runner):
    result = durable_runner(quote_freight, functions=FUNCTIONS).run_sync({"parcel": "p-1"})
    assert_history(result, "time_limits")
    check_replay_sync(quote_freight, result).raise_if_failed()


# The checks of all crashes take long: the usual run of the tests tries ten of them.
SOME_AND_ALL = [10, pytest.param(500, marks=pytest.mark.slow)]


@pytest.mark.parametrize("points", SOME_AND_ALL)
def test_a_crash_anywhere_does_no_harm(durable_runner, points):
    runner = durable_runner(quote_freight, functions=FUNCTIONS)
    check_crash_safety_sync(runner, {"parcel": "p-1"}, max_points=points).raise_if_failed()


def test_it_depends_on_no_order_of_events(durable_runner):
    runner = durable_runner(quote_freight, functions=FUNCTIONS)
    check_schedules_sync(runner, {"parcel": "p-1"}, seeds=range(4)).raise_if_failed()
