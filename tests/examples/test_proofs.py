"""Every example does what its golden history holds, and a crash anywhere does it no harm."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)

EXAMPLES = Path(__file__).parents[2] / "examples"

Runner = LocalDurableTestRunner[Any]


@dataclass
class Example:
    """An example as it is run here: its workflow, its event, its messages, and who answers its callbacks."""

    directory: str
    workflow: str
    event: dict[str, Any]
    answers: tuple[tuple[str | None, Any], ...] = ()
    functions: tuple[str, ...] = ()
    varies: dict[str, str] | None = None
    # False for the first execution alone of those that go on as new ones.
    follow: bool = True
    messages: tuple[tuple[str, Any], ...] = ()

    def runner(self, app: Any) -> Runner:
        functions = {name: getattr(app, name) for name in self.functions}
        return LocalDurableTestRunner(getattr(app, self.workflow), functions=functions)

    def play(self, runner: Runner) -> Any:
        runner.sync.start(self.event)
        for number, (inbox, message) in enumerate(self.messages):
            runner.sync.send(inbox, message, id=f"message {number}")
        for name, answer in self.answers:
            runner.sync.wait_for_callback(name).succeed(answer)
        return runner.sync.complete(follow=self.follow)


PROVED = {
    "fan-out": Example(
        "fan_out", "publish_album", {"album": "summer", "pages": 1}, ((None, "Grace"),)
    ),
    "within-budget": Example("within_budget", "import_catalogue", {"page": 0, "pages": 5}),
    "race-with-timeout": Example("race_with_timeout", "book_parcel", {"parcel": "p-1"}),
    "resources": Example("resources", "bill", {"order": "o-1", "amount": 30}),
    "time-limits": Example(
        "time_limits", "quote_freight", {"parcel": "p-1"}, functions=("clear_customs",)
    ),
    "step-timeouts": Example("step_timeouts", "import_film", {"film": "metropolis"}),
    "saga-booked": Example("saga", "book_trip", {"traveller": "Ada", "budget": 1100}),
    "saga-over-budget": Example("saga", "book_trip", {"traveller": "Ada", "budget": 900}),
    "subscription": Example("subscription", "bill_subscription", {"customer": "Ada", "months": 3}),
    "subscription-first": Example(
        "subscription", "bill_subscription", {"customer": "Ada", "months": 3}, follow=False
    ),
    "approval-while-polling": Example(
        "approval_while_polling", "release", {"version": "1.4"}, (("approval", "Ada"),)
    ),
    "canary-breaks": Example(
        "approval_while_polling", "release", {"version": "1.4", "breaks_after": 3}
    ),
    "monthly-billing": Example(
        "monthly_billing",
        "bill_year",
        json.loads((EXAMPLES / "monthly_billing" / "year.json").read_text()) | {"months": 2},
        (("approval", "Ada"), ("approval", "Grace")),
        messages=(
            ("changes", {"customer": "ada", "plan": "pro"}),
            ("changes", {"customer": "babbage", "cancel": True}),
        ),
    ),
    # The last month of a half year, after which the year goes on as a new execution.
    "monthly-billing-half": Example(
        "monthly_billing",
        "bill_year",
        {
            "first_month": "2026-02-01",
            "customers": [{"id": "ada", "card": "4242", "seats": 3}],
            "billed": 5,
        },
        messages=(("changes", {"customer": "ada", "plan": "pro"}),),
        follow=False,
    ),
    "import-customers": Example(
        "import_customers", "import_customers", {"file": "spring.csv", "customers": 9}
    ),
    "membership": Example(
        "membership",
        "membership",
        {"customer": "Ada", "plan": "basic"},
        messages=(("commands", {"plan": "pro"}), ("commands", {"cancel": True})),
    ),
    "order-processing": Example(
        "order_processing",
        "process_order",
        json.loads((EXAMPLES / "order_processing" / "order.json").read_text()),
        (("warehouse_picks", {"picked_by": "Grace"}),),
        ("ship_order",),
        {r"pay-[0-9a-f]{8}": "pay-..."},
    ),
}

each_example = pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in PROVED])


@pytest.fixture
def app(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    path = EXAMPLES / PROVED[name].directory
    monkeypatch.syspath_prepend(str(path))
    monkeypatch.setenv("SHOP", str(tmp_path / "shop"))
    # Another test may have loaded an app.py of its own.
    monkeypatch.delitem(sys.modules, "app", raising=False)
    before = set(sys.modules)
    yield importlib.import_module("app")
    for loaded in set(sys.modules) - before:
        if str(getattr(sys.modules[loaded], "__file__", None)).startswith(str(path)):
            del sys.modules[loaded]


@each_example
def test_an_example_does_what_its_golden_history_holds_and_replays(name: str, app: Any) -> None:
    example = PROVED[name]
    result = example.play(example.runner(app)).assert_succeeded()
    assert_history(result, name, replace=example.varies)
    report = check_replay_sync(getattr(app, example.workflow), result)
    assert report.ok, str(report)


@each_example
def test_a_crash_anywhere_does_an_example_no_harm(name: str, app: Any, tmp_path: Path) -> None:
    example = PROVED[name]

    def new_shop() -> None:
        (tmp_path / "shop" / "payments.jsonl").unlink(missing_ok=True)

    def payments() -> int:
        path = tmp_path / "shop" / "payments.jsonl"
        return len(path.read_text().splitlines()) if path.exists() else 0

    report = check_crash_safety_sync(
        example.runner(app), play=example.play, setup=new_shop, observe=payments, max_points=30
    )
    assert report.ok, str(report)


@each_example
def test_an_example_depends_on_no_order(name: str, app: Any) -> None:
    example = PROVED[name]
    report = check_schedules_sync(example.runner(app), play=example.play, seeds=range(4))
    assert report.ok, str(report)
