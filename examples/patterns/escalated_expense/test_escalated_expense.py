"""A quick manager is not reminded; a silent one is, and then the director is asked."""

from examples.patterns.escalated_expense.app import Expense, decide

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)

EXPENSE = Expense("Ada", 900)


def mails_of(result):
    mails = ("ask", "remind", "escalate")
    return [each.result for each in result.operations if each.name in mails]


def play(runner):
    """The director decides on the third day."""
    runner.sync.start(EXPENSE)
    decision = runner.sync.wait_for_callback("decision")
    runner.sync.advance(days=2, hours=1)
    decision.succeed(result=True)
    return runner.sync.complete()


def test_a_quick_manager_is_not_reminded(durable_runner):
    runner = durable_runner(decide).sync
    runner.start(EXPENSE)
    runner.wait_for_callback("decision").succeed(result=False)
    result = runner.complete()
    assert result.result is False
    assert mails_of(result) == ["manager: please decide"]


def test_a_silent_manager_is_reminded_and_then_the_director_is_asked(durable_runner):
    result = play(durable_runner(decide))
    assert result.result is True
    assert mails_of(result) == [
        "manager: please decide",
        "manager: the decision is due",
        "manager: the decision is due",
        "director: please decide",
    ]


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(decide)), "escalated_expense")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(
        LocalDurableTestRunner(decide), play=play, max_points=20
    ).raise_if_failed()
