"""The code after the wait sees the classes that the code before it saw."""

from datetime import date
from decimal import Decimal

from examples.values.invoice_types.app import Plan, collect

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "Ada"


def test_types_come_back_after_a_month(durable_runner):
    result = durable_runner(collect).run_sync(EVENT)
    assert result.result == "Ada, premium: 24.95 since 28 February 2030"
    assert len(result.invocations) == 2


def test_the_log_holds_plain_json(durable_runner):
    invoice = durable_runner(collect).run_sync(EVENT).operation("make_invoice").result
    assert invoice["due"] == str(date(2030, 2, 28))
    assert invoice["plan"] == Plan.PRO.value
    assert Decimal(invoice["lines"][0]["price"]) == Decimal("19.90")


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(collect).run_sync(EVENT), "invoice_types")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(collect, EVENT).raise_if_failed()
