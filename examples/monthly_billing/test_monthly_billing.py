"""A year of billing passes on the virtual clock, with approvals, a declined card and a busy meter."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from examples.monthly_billing.app import Books, Customer, bill_year

from durable_execution_sdk.testing import NoSuchOperationError

ADA, BABBAGE = Customer("ada", "4242", 3), Customer("babbage", "4243", 12)
CURIE, DARWIN = Customer("curie", "expired", 5), Customer("darwin", "4244", 150)
FEBRUARY = date(2026, 2, 1)


def test_a_year_with_an_approval_each_month(durable_runner):
    runner = durable_runner(bill_year).sync
    runner.start(Books([ADA, BABBAGE, CURIE, DARWIN], FEBRUARY))
    for _ in range(12):
        runner.wait_for_callback("approval").succeed("Grace")
    with pytest.raises(NoSuchOperationError, match="ended before"):
        runner.wait_for_callback("approval")
    year = runner.result()
    assert year.result.billed == 12
    assert year.result.revenue == 12 * Decimal("9.50") * (3 + 12 + 150)
    assert year.result.unpaid == tuple(
        f"curie {2026 + month // 12}-{month % 12 + 1:02}" for month in range(1, 13)
    )
    assert year.ended_at.date() == date(2027, 1, 1)
    assert [record.month for record in year.logs][::11] == ["2026-02", "2027-01"]
    # A month is a wait, a context, a map, and for each customer an item with two or more steps.
    assert len(year.operations) < 400
    assert year.operations_by_status("FAILED") == [
        each for each in year.operations if each.name == "charge" and each.error is not None
    ]


def test_an_approval_that_does_not_come_holds_the_invoice_and_not_the_others(durable_runner):
    books = Books([ADA, DARWIN], FEBRUARY, months=1)
    result = durable_runner(bill_year).run_sync(books)
    assert result.result.unpaid == ("darwin 2026-02",)
    assert result.result.revenue == Decimal("28.50")
    assert result.operation("approval", index=0).duration >= timedelta(days=5)


def test_the_meter_that_is_busy_in_january_is_asked_again(durable_runner):
    books = Books([ADA, BABBAGE], date(2026, 12, 1), months=2)
    result = durable_runner(bill_year).run_sync(books)
    usages = [each for each in result.operations if each.name == "read_usage"]
    assert [usage.attempt for usage in usages] == [1, 1, 2, 2]
    assert result.result.unpaid == ()
    assert result.result.next_month == date(2027, 2, 1)


def test_a_year_may_be_paused(durable_runner):
    runner = durable_runner(bill_year).sync
    runner.start(Books([ADA], FEBRUARY, months=2))
    runner.advance(days=40)
    runner.pause("the books are audited")
    assert len(runner.advance(days=60).children()) == 3  # until and in February, until March
    runner.resume()
    assert runner.complete().result.billed == 2
