"""No minute has more than three requests."""

from datetime import timedelta

from examples.patterns.phone_lookup.app import PER_MINUTE, make_call_list

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = ["Ada", "Grace", "Alan", "Edsger"]


def test_no_minute_has_more_requests_than_allowed(durable_runner):
    people = [f"person {number}" for number in range(10)]
    result = durable_runner(make_call_list).run_sync(people)
    assert list(result.result) == people
    asked = [each.started_at for each in result.operations if each.name == "ask_directory"]
    for start in asked:
        in_a_minute = [at for at in asked if start <= at < start + timedelta(minutes=1)]
        assert len(in_a_minute) <= PER_MINUTE
    assert result.duration // timedelta(minutes=1) == 4


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(make_call_list).run_sync(EVENT), "phone_lookup")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(make_call_list, EVENT, max_points=20).raise_if_failed()
