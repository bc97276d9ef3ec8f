"""All parts of the analysis have two days together."""

from examples.patterns.lab_result.app import examine

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)


def play(runner):
    """The laboratory answers after a day and 20 hours, which leaves no time for the second reading."""
    runner.sync.start("Ada")
    lab = runner.sync.wait_for_callback("lab")
    runner.sync.advance(hours=44)
    lab.succeed("all is well")
    return runner.sync.complete()


def test_a_quick_laboratory_leaves_time_for_the_rest(durable_runner):
    runner = durable_runner(examine).sync
    runner.start("Ada")
    runner.wait_for_callback("lab").succeed("all is well")
    assert runner.complete().result == "all is well"


def test_after_two_days_the_patient_is_called(durable_runner):
    result = play(durable_runner(examine))
    assert result.result == "Ada: please come again for a second sample"
    assert result.duration.days == 2


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(examine)), "lab_result")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(
        LocalDurableTestRunner(examine), play=play, max_points=20
    ).raise_if_failed()
