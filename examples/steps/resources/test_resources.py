"""Steps get what they need, and a test gives them something else."""

from examples.steps.resources.app import Gateway, Ledger, Order, bill, get_gateway, get_ledger

from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)


class Recording(Gateway):
    def __init__(self) -> None:
        self.charged: list[str] = []

    async def charge(self, order: Order) -> str:
        self.charged.append(order.order)
        return "p-1"


class Failing(Ledger):
    """Fails when the first entry is added."""

    failures = 0

    def add(self, entry: str) -> None:
        if not Failing.failures:
            Failing.failures += 1
            raise ConnectionError("the database is away")
        super().add(entry)


def test_an_order_is_charged_by_the_gateway_of_the_test(durable_runner):
    runner = durable_runner(bill)
    gateway, ledger = Recording(), Ledger()
    with runner.override(get_gateway, gateway), runner.override(get_ledger, ledger):
        result = runner.run_sync(Order("o-1", 30))
    assert result.result == "1 entry"
    assert gateway.charged == ["o-1"]
    assert ledger.entries == ["30 by p-1"]


def test_only_the_attempt_that_succeeds_commits(durable_runner):
    ledgers: list[Ledger] = []

    async def failing_first():
        ledgers.append(Failing())
        yield ledgers[-1]
        await ledgers[-1].commit()

    runner = durable_runner(bill)
    runner.override(get_ledger, by=failing_first)
    result = runner.run_sync(Order("o-1", 30))
    assert result.operation("note").attempt == 2
    assert [ledger.committed for ledger in ledgers] == [[], ["30 by payment for o-1"]]


def test_it_does_what_it_did(durable_runner):
    result = durable_runner(bill).run_sync(Order("o-1", 30))
    assert_history(result, "resources")
    check_replay_sync(bill, result).raise_if_failed()


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(bill, Order("o-1", 30), max_points=30).raise_if_failed()


def test_it_depends_on_no_order_of_events():
    check_schedules_sync(bill, Order("o-1", 30), seeds=range(4)).raise_if_failed()
