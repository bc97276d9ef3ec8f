"""A year of billing passes on the virtual clock: messages, approvals, a declined card, a busy meter, a crash at the bank."""

import asyncio
import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from examples.patterns.monthly_billing.app import (
    Bank,
    Books,
    Change,
    Customer,
    bill_year,
    get_bank,
)

from durable_execution_sdk import ServiceError
from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)

ADA, BABBAGE = Customer("ada", "4242", 3), Customer("babbage", "4243", 12)
CURIE, DARWIN = Customer("curie", "expired", 5), Customer("darwin", "4244", 150)
FEBRUARY = date(2026, 2, 1)
BEFORE = datetime(2026, 1, 15).astimezone()


@pytest.fixture
def bank(tmp_path):
    return Bank(tmp_path / "payments.jsonl")


@pytest.fixture
def runner(durable_runner, bank):
    runner = durable_runner(bill_year, start_time=BEFORE)
    runner.override(get_bank, bank)
    return runner.sync


def months(first, count):
    return [str(Books((), first, billed=number).next_month)[:7] for number in range(count)]


def test_a_year_is_two_executions_with_messages_and_an_approval_each_month(runner, bank):
    runner.start(Books((ADA, BABBAGE, CURIE, DARWIN), FEBRUARY), name="year")
    for month in months(FEBRUARY, 12):
        runner.wait_for_callback("approval").succeed("Grace")
        if month == "2026-04":
            runner.send("changes", Change("ada", plan="pro"))
            runner.send("changes", Change("babbage", cancel=True))
    year = runner.complete()
    first, second = runner.results()
    assert (first.name, second.name.partition("-run")[0]) == ("year", "year")
    assert year.result.billed == 12
    assert [customer.id for customer in year.result.customers] == ["ada", "curie", "darwin"]
    assert year.result.unpaid == tuple(f"curie {month}" for month in months(FEBRUARY, 12))
    assert bank.payments() == {
        **{f"darwin-{month}": "1425.00" for month in months(FEBRUARY, 12)},
        **{f"babbage-{month}": "114.00" for month in months(FEBRUARY, 3)},
        **{f"ada-{month}": "28.50" for month in months(FEBRUARY, 3)},
        **{f"ada-{month}": "45.00" for month in months(date(2026, 5, 1), 9)},
    }
    assert year.result.revenue == sum(map(Decimal, bank.payments().values()))
    assert year.ended_at.date() == date(2027, 1, 1)
    assert year.custom_status == "billed until 2027-01"
    # A month is two invocations, or three when the meter is busy.
    assert sum(len(each.invocations) for each in (first, second)) < 30
    assert max(len(each.operations) for each in (first, second)) < 150


def test_the_approver_is_reminded_after_two_days_and_the_invoice_is_held_after_five(
    runner, bank, capsys
):
    runner.start(Books((ADA, DARWIN), FEBRUARY, months=1))
    runner.wait_for_callback("approval")
    assert "still waits" not in capsys.readouterr().out
    waiting = runner.advance(days=2, hours=1)
    assert "still waits" in capsys.readouterr().out
    assert waiting.custom_status == {"done": 1, "total": 2, "label": "invoices of 2026-02"}
    result = runner.complete()
    assert result.result.unpaid == ("darwin 2026-02",)
    assert result.result.revenue == Decimal("28.50")
    assert list(bank.payments()) == ["ada-2026-02"]
    [asked] = [each for each in result.operations if each.name == "approval"]
    assert asked.duration >= timedelta(days=5)


def test_an_answer_after_the_reminder_counts(runner, bank):
    runner.start(Books((DARWIN,), FEBRUARY, months=1))
    callback = runner.wait_for_callback("approval")
    runner.advance(days=3)
    callback.succeed("Grace")
    runner.complete()
    assert list(bank.payments()) == ["darwin-2026-02"]


def test_a_change_that_comes_while_an_approval_is_awaited_is_not_lost_in_the_last_month(runner):
    runner.start(Books((ADA, DARWIN), FEBRUARY, months=1))
    callback = runner.wait_for_callback("approval")
    with pytest.raises(ServiceError, match="Change"):
        runner.send("changes", {"customer": "ada", "plan": "gold"})
    runner.send("changes", Change("ada", cancel=True))
    callback.succeed("Grace")
    assert runner.complete().result.customers == (DARWIN,)


def test_the_meter_that_is_busy_in_january_is_asked_again(runner):
    result = runner.run(Books((ADA, BABBAGE), date(2026, 12, 1), months=2))
    usages = [each for each in result.operations if each.name == "read_usage"]
    assert [usage.attempt for usage in usages] == [1, 1, 2, 2]
    assert result.result.unpaid == ()


class SlowBank(Bank):
    """Answers a while after it has taken the payment."""

    def __init__(self, path):
        super().__init__(path)
        self.requests = []

    async def charge(self, key, card, amount):
        payment = await super().charge(key, card, amount)
        self.requests.append(key)
        await asyncio.sleep(0)
        return payment


def test_nobody_pays_twice_when_the_process_dies_after_the_payment(durable_runner, bank):
    runner = durable_runner(bill_year, start_time=BEFORE)
    slow = SlowBank(bank.path)
    runner.override(get_bank, slow)
    runner.crash_in("charge", at_await=1)
    result = runner.run_sync(Books((ADA,), FEBRUARY, months=1))
    assert result.result.unpaid == ()
    assert slow.requests == ["ada-2026-02", "ada-2026-02"]
    assert bank.payments() == {"ada-2026-02": "28.50"}


def test_many_customers_go_on_in_another_execution_before_the_quota(runner, bank):
    customers = tuple(Customer(f"customer-{number}", "4242", 1) for number in range(200))
    runner.run(Books(customers, FEBRUARY, months=3))
    first, second = runner.results()
    assert first.operation("continue_as_new input").result["billed"] == 2
    assert second.result.billed == 3
    assert len(bank.payments()) == 3 * 200


def test_a_year_may_be_paused(runner):
    runner.start(Books((ADA,), FEBRUARY, months=2))
    runner.advance(days=40)
    runner.pause("the books are audited")
    assert runner.advance(days=60).custom_status == "waits for 2026-03"
    runner.resume()
    assert runner.complete().result.billed == 2


def two_months(runner):
    year = json.loads((Path(__file__).parent / "year.json").read_text())
    runner.sync.start(year | {"months": 2})
    for number, change in enumerate((Change("ada", plan="pro"), Change("babbage", cancel=True))):
        runner.sync.send("changes", change, id=f"message {number}")
    for approver in ("Ada", "Grace"):
        runner.sync.wait_for_callback("approval").succeed(approver)
    return runner.sync.complete()


def last_month_of_a_half(runner):
    """Bill the sixth month, after which the year goes on as a new execution."""
    runner.sync.start(Books((ADA,), FEBRUARY, billed=5))
    runner.sync.send("changes", Change("ada", plan="pro"), id="message 0")
    return runner.sync.complete(follow=False)


@pytest.fixture
def runner_of_checks(durable_runner, monkeypatch, tmp_path):
    monkeypatch.setenv("SHOP", str(tmp_path / "shop"))
    return durable_runner(bill_year)


WAYS = [(two_months, "two_months"), (last_month_of_a_half, "last_month_of_a_half")]


@pytest.mark.parametrize(("play", "history"), WAYS)
def test_it_does_what_it_did(runner_of_checks, play, history):
    result = play(runner_of_checks)
    assert_history(result, history)
    check_replay_sync(bill_year, result).raise_if_failed()


# The checks of all crashes take long: the usual run of the tests tries ten of them.
SOME_AND_ALL = [10, pytest.param(500, marks=pytest.mark.slow)]


@pytest.mark.parametrize("points", SOME_AND_ALL)
@pytest.mark.parametrize("play", [two_months, last_month_of_a_half])
def test_a_crash_anywhere_does_no_harm(runner_of_checks, play, points):
    check_crash_safety_sync(runner_of_checks, play=play, max_points=points).raise_if_failed()


@pytest.mark.parametrize("play", [two_months, last_month_of_a_half])
def test_it_depends_on_no_order_of_events(runner_of_checks, play):
    check_schedules_sync(runner_of_checks, play=play, seeds=range(4)).raise_if_failed()
