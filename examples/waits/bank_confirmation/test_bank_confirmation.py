"""A confirmation ends the poll; two days without one end it too."""

from examples.waits.bank_confirmation.app import await_confirmation, statuses

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_a_transfer_that_is_confirmed_needs_one_look(durable_runner):
    result = durable_runner(await_confirmation).run_sync("transfer-1")
    assert result.result == "confirmed"
    assert result.operation("confirmation").attempt == 1


def test_a_confirmation_on_the_second_day_is_found(durable_runner, monkeypatch):
    runner = durable_runner(await_confirmation).sync
    runner.start("transfer-7")
    assert not runner.advance(hours=30).is_done
    monkeypatch.setitem(statuses, "transfer-7", "confirmed")
    assert runner.complete().result == "confirmed"


def test_a_person_looks_at_it_after_two_days(durable_runner):
    result = durable_runner(await_confirmation).run_sync("transfer-7")
    assert result.result == "a person looks at transfer-7"
    assert result.duration.days == 2


def test_it_does_what_it_did(durable_runner):
    result = durable_runner(await_confirmation).run_sync("transfer-7")
    assert_history(result, "bank_confirmation")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(await_confirmation, "transfer-7", max_points=8).raise_if_failed()
