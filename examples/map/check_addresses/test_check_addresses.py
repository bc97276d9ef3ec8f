"""A fifth of the addresses may be wrong; with more, the rest is not checked."""

from examples.map.check_addresses.app import Report, check_addresses

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

GOOD = ["a@x.org", "b@x.org", "c", "d@x.org", "e@x.org"]
BAD = ["a", "b", "c@x.org", "d@x.org", "e@x.org"]


def test_one_wrong_address_of_five_is_tolerated(durable_runner):
    report = durable_runner(check_addresses).run_sync(GOOD).result
    assert report == Report(
        is_usable=True, good=["a@x.org", "b@x.org", "d@x.org", "e@x.org"], wrong=["c"]
    )


def test_two_wrong_addresses_end_the_check(durable_runner):
    result = durable_runner(check_addresses).run_sync(BAD)
    assert result.result == Report(is_usable=False, good=[], wrong=["a", "b"])
    assert len(result.children("check")) == 2


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(check_addresses).run_sync(BAD), "check_addresses")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(check_addresses, BAD).raise_if_failed()
