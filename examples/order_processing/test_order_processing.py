"""The order is shipped, declined or refused, and is never charged twice."""

import json
from pathlib import Path

import outside
import pytest
from examples.order_processing.app import (
    InvalidOrderError,
    Item,
    Order,
    Receipt,
    process_order,
    ship_order,
)

from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)

ITEMS = [Item("cup", 2, 12), Item("book", 1, 30)]


@pytest.fixture
def runner(durable_runner, tmp_path):
    return durable_runner(
        process_order,
        functions={"ship_order": ship_order},
        environment={"SHOP": str(tmp_path)},
    ).sync


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP", str(tmp_path))
    return outside.rows


def test_an_order_is_paid_packed_picked_and_shipped(runner, rows):
    runner.start(Order("2041", "visa", ITEMS))
    picking = runner.wait_for_callback("warehouse_picks")
    assert rows("pickups") == [{"order_id": "2041", "callback_id": picking.callback_id}]
    picking.succeed({"picked_by": "Grace"})
    result = runner.complete()
    [payment] = rows("payments")
    assert result.result == Receipt("2041", "shipped", 54, payment["id"], "Grace", "track-2041-2")


def test_the_carrier_is_asked_twice_since_its_line_is_busy(durable_runner):
    result = durable_runner(ship_order).run_sync({"order_id": "1", "parcels": ["1 x cup"]})
    assert result.result == "track-1-1"
    assert result.operation("book_carrier").attempt == 2


def test_a_declined_card_ends_the_order_without_a_payment(runner, rows):
    result = runner.run(Order("2041", "declined-1", ITEMS))
    assert result.result.status == "declined"
    assert rows("payments") == []


@pytest.mark.parametrize("items", [[], [Item("cup", 0, 1)]])
def test_an_invalid_order_fails_at_once(runner, items):
    result = runner.run(Order("2041", "visa", items)).assert_failed()
    assert isinstance(result.error, InvalidOrderError)
    assert result.operation("validate").attempt == 1


def test_an_order_is_charged_once_when_the_function_dies_at_the_bank(
    durable_runner, rows, tmp_path
):
    runner = durable_runner(
        process_order, functions={"ship_order": ship_order}, environment={"SHOP": str(tmp_path)}
    )
    runner.faults.crash_in("charge")
    runner.sync.start(Order("2041", "visa", ITEMS))
    runner.sync.wait_for_callback("warehouse_picks").succeed({"picked_by": "Grace"})
    result = runner.sync.complete()
    assert result.result.status == "shipped"
    assert [payment["id"] for payment in rows("payments")] == [result.result.payment_id]


def test_the_warehouse_has_eight_hours(runner):
    runner.start(Order("2041", "visa", ITEMS))
    runner.wait_for_callback("warehouse_picks")
    assert not runner.advance(hours=7, minutes=59).is_done
    assert runner.advance(minutes=1).error.error_type == "Callback.Timeout"


def pick(runner):
    runner.sync.start(json.loads((Path(__file__).parent / "order.json").read_text()))
    runner.sync.wait_for_callback("warehouse_picks").succeed({"picked_by": "Grace"})
    return runner.sync.complete()


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP", str(tmp_path))
    return tmp_path / "payments.jsonl"


@pytest.fixture
def runner_of_checks(durable_runner, shop):
    return durable_runner(process_order, functions={"ship_order": ship_order})


def test_it_does_what_it_did(runner_of_checks):
    result = pick(runner_of_checks)
    assert_history(result, "order_processing", replace={r"pay-[0-9a-f]{8}": "pay-..."})
    check_replay_sync(process_order, result).raise_if_failed()


# The checks of all crashes take long: the usual run of the tests tries ten of them.
SOME_AND_ALL = [10, pytest.param(500, marks=pytest.mark.slow)]


@pytest.mark.parametrize("points", SOME_AND_ALL)
def test_a_crash_anywhere_charges_once(runner_of_checks, shop, points):
    def payments():
        return len(shop.read_text().splitlines()) if shop.exists() else 0

    report = check_crash_safety_sync(
        runner_of_checks,
        play=pick,
        setup=lambda: shop.unlink(missing_ok=True),
        observe=payments,
        max_points=points,
    )
    report.raise_if_failed()


def test_it_depends_on_no_order_of_events(runner_of_checks):
    check_schedules_sync(runner_of_checks, play=pick, seeds=range(4)).raise_if_failed()
