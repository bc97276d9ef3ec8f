"""A person corrects what the carrier does not know, as often as it takes."""

from examples.patterns.address_correction.app import Address, send_parcel

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)

BAD, GOOD = Address("Via Po 7", "1012"), Address("Via Po 7", "10124")


def play(runner):
    runner.sync.start(BAD)
    runner.sync.wait_for_callback("correction").succeed(Address("Via Po 7", "101241"))
    runner.sync.wait_for_callback("correction").succeed(GOOD)
    return runner.sync.complete()


def test_a_good_address_needs_nobody(durable_runner):
    assert durable_runner(send_parcel).run_sync(GOOD).result == "label for Via Po 7, 10124"


def test_a_bad_address_is_corrected_twice(durable_runner):
    result = play(durable_runner(send_parcel))
    assert result.result == "label for Via Po 7, 10124"
    labels = [each for each in result.operations if each.name == "print_label"]
    assert [label.status for label in labels] == ["FAILED", "FAILED", "SUCCEEDED"]


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(send_parcel)), "address_correction")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(
        LocalDurableTestRunner(send_parcel), play=play, max_points=20
    ).raise_if_failed()
