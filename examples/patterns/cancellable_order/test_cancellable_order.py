"""Two hours to cancel, and no cancellation that was accepted is lost."""

from examples.patterns.cancellable_order.app import Cancel, process

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)

CANCEL = Cancel("wrong size")


def play(runner):
    runner.sync.start("o-1")
    runner.sync.send("cancel", CANCEL, id="click 1")
    return runner.sync.complete()


def test_an_order_is_cancelled_within_two_hours(durable_runner):
    result = play(durable_runner(process))
    assert result.result == "cancelled: wrong size"
    assert result.operation("release").succeeded


def test_without_a_message_it_is_shipped(durable_runner):
    result = durable_runner(process).run_sync("o-1")
    assert result.result == "o-1 is shipped"
    assert result.duration.total_seconds() // 3600 == 2


def test_a_message_of_the_last_moment_counts(durable_runner):
    runner = durable_runner(process).sync
    runner.start("o-1")
    runner.run_until_suspended()
    runner.pause("the message comes before the workflow is told of the time")
    runner.advance(hours=2)
    runner.send("cancel", CANCEL)
    runner.resume()
    assert runner.complete().result == "cancelled: wrong size"


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(process)), "cancellable_order")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(LocalDurableTestRunner(process), play=play).raise_if_failed()
