"""Each month is an execution of its own, which begins with the sums of the months before it."""

from examples.patterns.subscription.app import Subscription, bill_subscription


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
