"""Each month is an execution of its own, which begins with the sums of the months before it."""

from examples.patterns.subscription.app import Subscription, bill_subscription

from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)


def test_a_year_is_twelve_executions(durable_runner):
    runner = durable_runner(bill_subscription).sync
    result = runner.run(Subscription("Ada", months=12), name="ada")
    assert result.result == "Dear Ada, you paid 220 in all"
    months = runner.results()
    assert len(months) == 12
    assert months[0].name == "ada"
    assert all(month.name.startswith("ada-run") for month in months[1:])
    assert (result.ended_at - months[0].started_at).days == 330
    assert max(len(month.operations) for month in months) == 4


def test_one_month_goes_on_as_the_next(durable_runner):
    result = durable_runner(bill_subscription).sync.run(Subscription("Ada", months=2), follow=False)
    assert result.succeeded
    assert result.continued_as is not None
    assert result.operation("continue_as_new input").result["paid"] == 1


THREE_MONTHS = Subscription("Ada", months=3)


def first_month(runner):
    return runner.sync.run(THREE_MONTHS, follow=False)


def test_it_does_what_it_did(durable_runner):
    last, first = (
        durable_runner(bill_subscription).run_sync(THREE_MONTHS),
        first_month(durable_runner(bill_subscription)),
    )
    assert_history(last, "subscription_last")
    assert_history(first, "subscription_first")
    for result in (first, last):
        check_replay_sync(bill_subscription, result).raise_if_failed()


def test_a_crash_anywhere_does_no_harm(durable_runner):
    check_crash_safety_sync(bill_subscription, THREE_MONTHS, max_points=30).raise_if_failed()
    runner = durable_runner(bill_subscription)
    check_crash_safety_sync(runner, play=first_month).raise_if_failed()


def test_it_depends_on_no_order_of_events(durable_runner):
    check_schedules_sync(bill_subscription, THREE_MONTHS, seeds=range(4)).raise_if_failed()
    runner = durable_runner(bill_subscription)
    check_schedules_sync(runner, play=first_month, seeds=range(4)).raise_if_failed()
