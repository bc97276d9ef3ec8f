"""An order is charged once, whatever happens between the bank and the checkpoint."""

from examples.steps.idempotent_payment.app import Order, bank, pay

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

ORDER = Order("o-17", 120)


def test_a_process_that_dies_at_the_bank_charges_once(durable_runner):
    bank.clear()
    runner = durable_runner(pay)
    runner.faults.crash_in("charge")
    assert runner.run_sync(ORDER).result == "receipt of o-17"
    assert len(runner.faults.bodies) == 2
    assert list(bank.values()) == [120]


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(pay).run_sync(ORDER), "idempotent_payment")


def test_a_crash_anywhere_does_no_harm():
    report = check_crash_safety_sync(
        pay, ORDER, setup=bank.clear, observe=lambda: list(bank.values())
    )
    report.raise_if_failed()
