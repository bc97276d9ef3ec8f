"""All is refunded, or a person is told what could not be."""

from examples.sagas.concert_ticket.app import sell_ticket

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "night at the opera"


def test_a_ticket_that_is_sold_out_is_refunded(durable_runner):
    result = durable_runner(sell_ticket).run_sync("noon at the zoo")
    assert result.result == "noon at the zoo is refunded"


def test_a_person_is_told_of_a_refund_that_fails(durable_runner):
    result = durable_runner(sell_ticket).run_sync(EVENT)
    assert result.result == "case for night at the opera: SoldOutError, BankClosedError"
    assert result.operation("release_seat").succeeded
    assert result.operation("refund").attempt == 3


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(sell_ticket).run_sync(EVENT), "concert_ticket")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(sell_ticket, EVENT, max_points=20).raise_if_failed()
