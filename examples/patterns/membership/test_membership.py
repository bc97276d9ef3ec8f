"""Commands are taken in order, none is lost, and a message that is no command ends nothing."""

import pytest
from examples.patterns.membership.app import Command, membership

from durable_execution_sdk import ServiceError


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
