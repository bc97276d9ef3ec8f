"""A score decides, an unknown customer is asked for a card, and any other failure ends the execution."""

import pytest
from examples.callbacks.credit_score.app import Application, decide_loan

from durable_execution_sdk import CallbackExternalError
from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)

APPLICATION = Application("Ada", 50_000)


class UnknownCustomer(Exception):  # noqa: N818
    """As the bureau names it."""


def play(runner):
    runner.sync.start(APPLICATION)
    runner.sync.wait_for_callback("score").fail(UnknownCustomer("no such customer"))
    return runner.sync.complete()


@pytest.mark.parametrize(("score", "decision"), [(700, "granted"), (300, "refused")])
def test_the_score_decides(durable_runner, score, decision):
    runner = durable_runner(decide_loan).sync
    runner.start(APPLICATION)
    runner.wait_for_callback("score").succeed(score)
    assert runner.complete().result == decision


def test_an_unknown_customer_is_asked_for_a_card(durable_runner):
    assert play(durable_runner(decide_loan)).result == "ask the customer for an identity card"


def test_another_failure_ends_the_execution(durable_runner):
    runner = durable_runner(decide_loan).sync
    runner.start(APPLICATION)
    runner.wait_for_callback("score").fail(OSError("the bureau burns"))
    assert isinstance(runner.complete().error, CallbackExternalError)


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(decide_loan)), "credit_score")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(LocalDurableTestRunner(decide_loan), play=play).raise_if_failed()
