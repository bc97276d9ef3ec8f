"""The number that is executed two days later is the one that was announced."""

from examples.steps.transfer_number.app import transfer

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

A_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
A_DAY = r"on [A-Z][a-z]+day"


def test_the_number_is_the_same_in_both_invocations(durable_runner):
    result = durable_runner(transfer).run_sync(250)
    assert result.result.version == 4
    assert len(result.invocations) == 2
    assert result.duration.days == 2


def test_it_does_what_it_did(durable_runner):
    result = durable_runner(transfer).run_sync(250)
    replace = {A_UUID: "a number", A_DAY: "on a day"}
    assert_history(result, "transfer_number", replace=replace)


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(transfer, 250).raise_if_failed()
