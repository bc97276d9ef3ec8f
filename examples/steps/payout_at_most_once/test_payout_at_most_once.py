"""Money leaves the bank once at most, and a crash leads to a look at the account."""

from examples.steps.payout_at_most_once.app import Payout, bank, pay_out

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

PAYOUT = Payout("DE-1", 80)


def is_paid_at_most_once():
    assert len(bank) <= 1


def test_a_crash_after_the_transfer_is_looked_up(durable_runner):
    bank.clear()
    runner = durable_runner(pay_out)
    runner.faults.crash_at(checkpoint=2, when="before")  # transferred, and not recorded
    assert runner.run_sync(PAYOUT).result == "paid"
    assert bank == [PAYOUT]


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(pay_out).run_sync(PAYOUT), "payout_at_most_once")


def test_a_crash_anywhere_pays_at_most_once():
    report = check_crash_safety_sync(
        pay_out, PAYOUT, setup=bank.clear, observe=is_paid_at_most_once
    )
    report.raise_if_failed()
    assert report.interrupted
