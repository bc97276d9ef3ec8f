"""Two of three grades are enough, and those who answer first count."""

from examples.callbacks.paper_review.app import review

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)


def play(runner):
    runner.sync.start("On replay")
    runner.sync.wait_for_callback("Grace").succeed(2)
    runner.sync.wait_for_callback("Alan").succeed(5)
    return runner.sync.complete()


def test_the_first_two_grades_count(durable_runner):
    result = play(durable_runner(review))
    assert result.result == 3.5
    assert not result.operation("Ada").is_done


def test_silence_of_two_reviewers_leaves_no_majority(durable_runner):
    runner = durable_runner(review).sync
    runner.start("On replay")
    runner.wait_for_callback("Grace").succeed(2)
    result = runner.complete()
    assert result.result == 2.0
    assert result.duration.days == 14


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(review)), "paper_review")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(
        LocalDurableTestRunner(review), play=play, max_points=20
    ).raise_if_failed()
