"""The workflows, by the rules of the service, on a virtual clock: a week takes milliseconds."""

from decimal import Decimal

import pytest
from durable_execution_sdk.testing import (
    DurableTestResult,
    LocalDurableTestRunner,
    RunnerFactory,
    SyncTestRunner,
    check_crash_safety_sync,
)

from orders import outside
from orders.app import InvalidOrderError, process_order, ship_order
from orders.approvals import answer_approval
from orders.models import Decision, Item, Order, Receipt

SMALL = Order("1", [Item("cup", 2, Decimal("6.20"))])
LARGE = Order("2", [Item("machine", 1, Decimal(540)), Item("cup", 1, Decimal("6.20"))])
FUNCTIONS = {"ship_order": ship_order}


@pytest.fixture
def runner(durable_runner: RunnerFactory) -> SyncTestRunner[Receipt]:
    outside.payments.clear()
    return durable_runner(process_order, functions=FUNCTIONS).sync


def test_a_small_order_is_shipped_at_once(runner: SyncTestRunner[Receipt]) -> None:
    result = runner.run(SMALL)
    assert result.result == Receipt("1", "shipped", Decimal("12.40"), "payment-1", "track-1-1")


def test_a_large_order_is_shipped_when_it_is_approved(
    runner: SyncTestRunner[Receipt],
) -> None:
    runner.start(LARGE)
    runner.wait_for_callback("approval").succeed(Decision(approved=True, by="Ada"))
    assert runner.complete().result.status == "shipped"
    assert outside.payments == {"2": Decimal("546.20")}


def test_a_large_order_is_not_charged_when_it_is_declined(
    runner: SyncTestRunner[Receipt],
) -> None:
    runner.start(LARGE)
    runner.wait_for_callback("approval").succeed(Decision(approved=False, by="Ada"))
    assert runner.complete().result.status == "declined"
    assert outside.payments == {}


def test_a_large_order_is_declined_after_a_week_without_an_answer(
    runner: SyncTestRunner[Receipt],
) -> None:
    runner.start(LARGE)
    runner.wait_for_callback("approval")
    assert not runner.advance(days=6).is_done
    assert runner.advance(days=1).result.status == "declined"


def test_an_order_without_items_fails(runner: SyncTestRunner[Receipt]) -> None:
    result = runner.run(Order("3", [])).assert_failed()
    assert isinstance(result.error, InvalidOrderError)


def test_a_crash_anywhere_does_an_order_no_harm() -> None:
    def play(runner: LocalDurableTestRunner[Receipt]) -> DurableTestResult[Receipt]:
        runner.sync.start(LARGE)
        runner.sync.wait_for_callback("approval").succeed(Decision(approved=True, by="Ada"))
        return runner.sync.complete()

    runner = LocalDurableTestRunner(process_order, functions=FUNCTIONS)
    report = check_crash_safety_sync(
        runner, play=play, setup=outside.payments.clear, observe=lambda: outside.payments
    )
    report.raise_if_failed()


@pytest.mark.parametrize("body", [None, "yes", '{"callback_id": "abc", "approved": "yes"}'])
def test_an_answer_without_a_decision_is_refused(body: str | None) -> None:
    assert answer_approval({"body": body}, None)["statusCode"] == 400
