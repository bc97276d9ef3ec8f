"""A message is sent after five minutes, unless it is taken back before."""

from examples.waits.delayed_send.app import send_later

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)


def take_back(runner):
    runner.sync.start("See you at noon")
    runner.sync.wait_for_callback("undo").succeed(None)
    return runner.sync.complete()


def test_a_message_is_sent_after_five_minutes(durable_runner):
    runner = durable_runner(send_later).sync
    runner.start("See you at noon")
    assert not runner.advance(minutes=4).is_done
    assert runner.advance(minutes=1).result == "sent: See you at noon"


def test_a_message_is_taken_back(durable_runner):
    result = take_back(durable_runner(send_later))
    assert result.result == "taken back: See you at noon"
    assert result.operation("grace").is_done
    assert result.duration.total_seconds() < 60


def test_it_does_what_it_did(durable_runner):
    assert_history(take_back(durable_runner(send_later)), "delayed_send")


def test_a_crash_anywhere_does_no_harm():
    report = check_crash_safety_sync(LocalDurableTestRunner(send_later), play=take_back)
    report.raise_if_failed()
