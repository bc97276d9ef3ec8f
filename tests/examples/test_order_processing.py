"""The order is shipped, declined or refused; nobody is charged twice; the demo runs."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.rig import Ran, Rig

from durable_execution_sdk.cli.main import main
from durable_execution_sdk.emulator.driver import Ending

EXAMPLE = "order_processing"


@dataclass
class Shop:
    """The example on the engine, with somebody in the warehouse."""

    app: Any
    outside: Any
    order: dict[str, Any]

    def rig(self) -> Rig:
        return Rig(self.app.process_order, others={"ship_order": self.app.ship_order})

    def run(self, **changes: Any) -> Ran:
        rig = self.rig()
        arn = rig.start(self.order | changes)
        # Up to the callback, which times out after hours; then somebody answers.
        ran = rig.drive(arn, until=rig.clock.now() + 60_000)
        if ran.ending is Ending.LATE:
            [pickup] = self.outside.rows("pickups")
            rig.emulator.callback_success(pickup["callback_id"], b'{"picked_by": "Grace"}')
            ran = rig.drive(arn)
        return ran


@pytest.fixture
def shop(example_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("SHOP", str(tmp_path / "shop"))
    app = importlib.import_module("app")
    order = json.loads((example_path / "order.json").read_text())
    return Shop(app, importlib.import_module("outside"), order)


def test_an_order_is_paid_packed_picked_and_shipped(shop: Shop) -> None:
    ran = shop.run()
    [payment] = shop.outside.rows("payments")
    assert ran.status == "SUCCEEDED"
    assert ran.result == {
        "order_id": "2041",
        "status": "shipped",
        "total": "59.30",
        "payment_id": payment["id"],
        "picked_by": "Grace",
        "tracking_number": "track-2041-2",
    }


def test_a_declined_card_ends_the_order_without_a_payment(shop: Shop) -> None:
    ran = shop.run(card="declined-1")
    assert ran.result["status"] == "declined"
    assert shop.outside.rows("payments") == []


@pytest.mark.parametrize("items", [[], [{"sku": "cup", "quantity": 0, "price": "1"}]])
def test_an_order_that_makes_no_sense_fails_at_once(shop: Shop, items: list[Any]) -> None:
    ran = shop.run(items=items)
    assert (ran.status, ran.error.error_type) == ("FAILED", "InvalidOrderError")
    assert ran.types().count("StepStarted") == 1


def test_nobody_is_charged_twice_when_the_function_dies_at_the_bank(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = shop.outside.charge

    def charge_and_die(*args: Any) -> str:
        charge(*args)
        raise SystemExit("the power went")

    monkeypatch.setattr(shop.outside, "charge", charge_and_die)
    ran = shop.run()
    [payment] = shop.outside.rows("payments")
    assert ran.result["payment_id"] == payment["id"]
    assert ran.result["status"] == "shipped"


def test_the_order_runs_from_the_command_line_and_is_answered_from_there(
    example_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    target = f"{example_path / 'app.py'}:process_order"
    order = f"@{example_path / 'order.json'}"
    options = ["--name", "mine", "--skip-time", "--json"]
    assert main(["run", target, "--input", order, *options, "--no-wait"]) == 3
    [waiting] = json.loads(capfd.readouterr().out)["waiting"]
    answer = ["--data", '{"picked_by": "Grace"}']
    assert main(["callback", "succeed", waiting["callback_id"], *answer]) == 0
    capfd.readouterr()
    assert main(["run", target, *options]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["result"]["status"] == "shipped"
    assert (document["counts"]["invocations"], document["counts"]["operations"]) == (4, 10)


def test_the_demo_answers_itself_and_ships(example_path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, example_path / "demo.py", "--skip-time"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout.splitlines()[-1])
    assert (receipt["status"], receipt["picked_by"]) == ("shipped", "Ada")
