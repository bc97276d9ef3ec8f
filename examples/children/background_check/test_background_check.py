"""A reference that comes is verified, and one that does not is not waited for."""

from examples.children.background_check.app import background_check

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)


def answer(runner):
    runner.sync.start("Ada")
    runner.sync.wait_for_callback("reference").succeed("punctual")
    return runner.sync.complete()


def test_a_reference_is_verified(durable_runner):
    assert answer(durable_runner(background_check)).result == "verified: punctual"


def test_two_weeks_without_an_answer_are_enough(durable_runner):
    result = durable_runner(background_check).run_sync("Ada")
    assert result.result == "no reference for Ada within two weeks"
    assert result.duration.days == 14


def test_it_does_what_it_did(durable_runner):
    result = durable_runner(background_check).run_sync("Ada")
    assert_history(result, "background_check")


def test_a_crash_anywhere_does_no_harm():
    runner = LocalDurableTestRunner(background_check)
    check_crash_safety_sync(runner, play=answer).raise_if_failed()
