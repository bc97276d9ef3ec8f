"""Results are shown in the order in which they come."""

from examples.combinators.live_results.app import election_night

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

MINUTES = {"north": 50, "south": 20, "west": 35}


def test_the_quickest_district_is_shown_first(durable_runner):
    result = durable_runner(election_night).run_sync(MINUTES)
    assert [line.split()[0] for line in result.result] == ["south", "west", "north"]
    assert len(result.logs) == 3


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(election_night).run_sync(MINUTES), "live_results")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(election_night, MINUTES, max_points=10).raise_if_failed()
