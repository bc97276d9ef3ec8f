"""The bank's line is read: bytes are sent as they are, and everything else as JSON."""

from examples.callbacks.bank_transfer.app import Transfer, await_transfer, from_line, to_line

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)


def play(runner):
    runner.sync.start("invoice 7")
    runner.sync.wait_for_callback("transfer").succeed(to_line(Transfer("X9", 1250)).encode())
    return runner.sync.complete()


def test_a_transfer_pays_the_invoice(durable_runner):
    result = play(durable_runner(await_transfer))
    assert result.result == "invoice 7 is paid: 12.50 by X9"
    assert result.operation("transfer create callback id").payload == "REF=X9;AMT=1250"


def test_the_order_of_the_fields_does_not_matter():
    assert from_line("AMT=1250;REF=X9") == Transfer("X9", 1250)


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(await_transfer)), "bank_transfer")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(LocalDurableTestRunner(await_transfer), play=play).raise_if_failed()
