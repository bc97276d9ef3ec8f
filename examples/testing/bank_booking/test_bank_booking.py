"""Whatever dies, the bank books once."""

from examples.testing.bank_booking.app import Transfer, ledger, pay

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = Transfer("Ada", 1500)


def test_the_process_dies_after_the_bank_has_booked(durable_runner):
    ledger.clear()
    runner = durable_runner(pay)
    runner.faults.crash_at(checkpoint=1, when="before")  # booked, and not recorded
    result = runner.run_sync(EVENT)
    assert result.result == "booked: 1500 to Ada"
    assert [body.name for body in runner.faults.bodies] == ["book", "book", "confirm"]
    assert list(ledger.values()) == [1500]


def test_a_crash_anywhere_does_no_harm():
    report = check_crash_safety_sync(
        pay, EVENT, setup=ledger.clear, observe=lambda: list(ledger.values())
    )
    report.raise_if_failed()
    assert report.ok


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(pay).run_sync(EVENT), "bank_booking")
