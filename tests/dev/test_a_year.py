"""A year of billing on `durable dev` with skipped time: messages, approvals, a reminder, and a server that is killed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.cli.process import Running, running
from tests.dev.test_a_day import until_gone, workers
from tests.dev.test_command import durable

from durable_execution_sdk.client import DurableClient, InboxRef

pytestmark = pytest.mark.dev

# January is less than the longest wait away.
YEAR = datetime.now(UTC).year + 1
EXAMPLE = Path(__file__).parents[2] / "examples" / "patterns" / "monthly_billing"

# The example with a bank that hangs once, after it has taken a payment, and counts all requests.
BILLING = f"""
import asyncio, os, sys
sys.path.insert(0, {str(EXAMPLE)!r})
from app import Bank, bill_year

charge = Bank.charge

async def observed(self, key, card, amount):
    payment = await charge(self, key, card, amount)
    with self.path.with_name("requests").open("a") as file:
        file.write(key + chr(10))
    if key == "ada-{YEAR}-04" and not (gate := self.path.with_name("gate")).exists():
        gate.touch()
        print(f"the bank hangs in {{os.getpid()}}", flush=True)
        await asyncio.Event().wait()
    return payment

Bank.charge = observed
"""

BOOKS = {
    "first_month": f"{YEAR}-01-01",
    "customers": [
        {"id": "ada", "card": "4242", "seats": 3},
        {"id": "babbage", "card": "4243", "seats": 12},
        {"id": "curie", "card": "expired", "seats": 5},
        {"id": "darwin", "card": "4244", "seats": 150},
    ],
}

MONTHS = [f"{YEAR}-{month:02}" for month in range(1, 13)]
PAYMENTS = {
    **{f"ada-{month}": "28.50" if month <= f"{YEAR}-03" else "45.00" for month in MONTHS},
    **{f"babbage-{month}": "114.00" for month in MONTHS if month <= f"{YEAR}-08"},
    # Nobody approved in February.
    **{f"darwin-{month}": "1425.00" for month in MONTHS if month != f"{YEAR}-02"},
}


@contextmanager
def served(folder: Path) -> Iterator[Running]:
    words = ["dev", "--port", "0", "--time", "skip", "--function", "bill_year=billing.py:bill_year"]
    with running(folder, *words) as server:
        server.until("start one with")
        yield server


def asked(server: Running) -> str:
    """Wait until an approval is asked for; return the name of the execution."""
    return (
        server.until("answer with: durable callback succeed").split()[-3].removesuffix("/approval")
    )


def until_each(server: Running, *texts: str) -> list[str]:
    """Wait for a line with each of the texts, in any order."""
    found: dict[str, str] = {}
    while len(found) < len(texts):
        line = server.until("")
        found |= {text: line for text in texts if text in line}
    return [found[text] for text in texts]


def done(folder: Path, *words: str) -> str:
    """Run the command, which has to succeed; return what it writes."""
    result = durable(folder, *words)
    assert result.returncode == 0, result
    return result.stdout


def approve(folder: Path, name: str) -> None:
    done(folder, "callback", "succeed", f"{name}/approval", "--data", '"Grace"')


def test_a_year(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = tmp_path / "shop"
    monkeypatch.setenv("SHOP", str(shop))
    (tmp_path / "billing.py").write_text(BILLING)
    with served(tmp_path) as server:
        done(tmp_path, "start", "bill_year", "--name", "year", "--input", json.dumps(BOOKS))
        assert asked(server) == "year"
        approve(tmp_path, "year")
        # February: a reminder after two days, and no answer in five.
        asked(server)
        done(tmp_path, "time", "year", "advance", "2d")
        server.until(f"{YEAR}-02: the invoice of darwin still waits for an approval")
        done(tmp_path, "time", "year", "advance", "4d")
        # March: a change of plan, and one that there is not, which is refused.
        asked(server)
        refused = durable(
            tmp_path, "send", "year", "changes", '{"customer": "ada", "plan": "gold"}'
        )
        assert (refused.returncode, "message of Change" in refused.stderr) == (2, True)
        done(tmp_path, "send", "year", "changes", '{"customer": "ada", "plan": "pro"}')
        approve(tmp_path, "year")
        # April: the server is killed after the bank has taken a payment, and while an approval is waited for.
        hanging, asking = until_each(server, "the bank hangs in", "answer with: durable callback")
        assert "year/approval" in asking
        remaining = [*workers(tmp_path), int(hanging.split()[-1])]
        server.kill()
        until_gone(remaining)

    with served(tmp_path) as server:
        server.until(
            "1 execution is open: durable list; what waits for an answer: durable callback"
        )
        approve(tmp_path, "year")
        for _month in range(5, 7):
            assert asked(server) == "year"
            approve(tmp_path, "year")
        # The second half is another execution, which takes the messages from now on.
        second = asked(server)
        assert second.startswith("year-run2-")
        approve(tmp_path, second)
        asked(server)
        asyncio.run(cancel_babbage(tmp_path))
        approve(tmp_path, second)
        for _month in range(9, 13):
            assert asked(server) == second
            approve(tmp_path, second)
        server.until(f"{second}: ExecutionSucceeded")
        shown = json.loads(done(tmp_path, "show", second, "--json"))
        assert shown["continues"]["durable_execution_name"] == "year"
        assert shown["custom_status"] == f"billed until {YEAR}-12"
        server.interrupt()
        assert server.end() == 0

    assert shown["result"]["unpaid"] == sorted(
        [f"darwin {YEAR}-02", *(f"curie {month}" for month in MONTHS)],
        key=lambda unpaid: unpaid.split()[::-1],
    )
    assert [customer["id"] for customer in shown["result"]["customers"]] == [
        "ada",
        "curie",
        "darwin",
    ]
    payments = [json.loads(line) for line in (shop / "payments.jsonl").read_text().splitlines()]
    assert sorted((each["key"], each["amount"]) for each in payments) == sorted(PAYMENTS.items())
    # The one payment that was asked for twice is the one after which the server was killed.
    requests = (shop / "requests").read_text().splitlines()
    assert sorted(requests) == sorted([*PAYMENTS, f"ada-{YEAR}-04"])


async def cancel_babbage(folder: Path) -> None:
    """Send a message as another program does, which knows the name of the first execution."""
    store = folder / ".durable" / "executions.db"
    async with DurableClient.for_dev_server(store) as client:
        first = await client.execution("year", "bill_year")
        changes = InboxRef("changes", dict[str, Any])
        await client.send(await first.latest(), changes, {"customer": "babbage", "cancel": True})
