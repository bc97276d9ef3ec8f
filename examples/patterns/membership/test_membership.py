"""Commands are taken in order, none is lost, and a message that is no command ends nothing."""

import pytest
from examples.patterns.membership.app import Command, membership

from durable_execution_sdk import ServiceError
from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)


def test_commands_between_the_bills(durable_runner):
    runner = durable_runner(membership).sync
    runner.start({"customer": "Ada", "plan": "basic"})
    runner.advance(days=31)
    runner.send("commands", Command(plan="pro"))
    runner.advance(days=31)
    runner.send("commands", Command(cancel=True))
    assert runner.complete().result == [10, 10, 25, 25]


def test_a_command_that_was_accepted_before_the_end_counts(durable_runner):
    runner = durable_runner(membership).sync
    runner.start({"customer": "Ada", "plan": "basic"})
    runner.run_until_suspended()
    runner.send("commands", Command(cancel=True))
    runner.send("commands", Command(plan="pro"))
    assert runner.complete().result == [10, 25]


def test_a_message_that_is_no_command_is_refused(durable_runner):
    runner = durable_runner(membership).sync
    runner.start({"customer": "Ada", "plan": "basic"})
    with pytest.raises(ServiceError, match="message 1 of the inbox 'commands'"):
        runner.send("commands", {"cancel": "yes"})
    runner.send("commands", Command(cancel=True))
    assert runner.complete().result == [10, 10]


def play(runner):
    runner.sync.start({"customer": "Ada", "plan": "basic"})
    runner.sync.send("commands", Command(plan="pro"), id="message 0")
    runner.sync.send("commands", Command(cancel=True), id="message 1")
    return runner.sync.complete()


def test_it_does_what_it_did(durable_runner):
    result = play(durable_runner(membership))
    assert_history(result, "membership")
    check_replay_sync(membership, result).raise_if_failed()


def test_a_crash_anywhere_does_no_harm(durable_runner):
    runner = durable_runner(membership)
    check_crash_safety_sync(runner, play=play, max_points=30).raise_if_failed()


def test_it_depends_on_no_order_of_events(durable_runner):
    runner = durable_runner(membership)
    check_schedules_sync(runner, play=play, seeds=range(4)).raise_if_failed()
