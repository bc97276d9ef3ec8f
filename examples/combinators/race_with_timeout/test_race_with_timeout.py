"""The first offer wins, failed carriers do not end the race, and a timeout does."""

from examples.combinators.race_with_timeout import app
from examples.combinators.race_with_timeout.app import Offer, book_parcel

from durable_execution_sdk.testing import (
    assert_history,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)


def test_the_first_offer_wins_across_retries(durable_runner):
    result = durable_runner(book_parcel).run_sync({"parcel": "p"})
    offer = result.result
    assert offer in (Offer("steady", 20), Offer("swift", 30))
    winner = result.operation(f"ask_{offer.carrier}")
    assert winner.attempt == {"steady": 2, "swift": 3}[offer.carrier]
    assert winner.ended_at <= result.operation("first_offer").ended_at
    assert result.operation("ask_local").status == "FAILED"
    assert not result.operation("deadline").is_done
    assert len(result.invocations) > 1


def test_no_carrier_answers_in_time(durable_runner, monkeypatch):
    def busy(carrier, parcel):
        raise ConnectionError("busy")

    monkeypatch.setattr(app, "ask", busy)
    result = durable_runner(book_parcel).run_sync({"parcel": "p"})
    assert result.result == "the office handles p"
    assert result.operation("deadline").duration.days == 2
    assert result.operation("ask_swift").attempt > 2


def test_all_carriers_refuse(durable_runner, monkeypatch):
    def refuse(carrier, parcel):
        raise LookupError(f"{carrier} does not carry {parcel}")

    monkeypatch.setattr(app, "ask", refuse)
    result = durable_runner(book_parcel).run_sync({"parcel": "p"})
    assert result.result == "the office handles p"
    assert len(result.invocations) == 1
    [record] = [record for record in result.logs if record.getMessage() == "all carriers refused"]
    assert len(record.reasons) == 3


def test_it_does_what_it_did(durable_runner):
    result = durable_runner(book_parcel).run_sync({"parcel": "p-1"})
    assert_history(result, "race_with_timeout")
    check_replay_sync(book_parcel, result).raise_if_failed()


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(book_parcel, {"parcel": "p-1"}, max_points=30).raise_if_failed()


def test_it_depends_on_no_order_of_events():
    check_schedules_sync(book_parcel, {"parcel": "p-1"}, seeds=range(4)).raise_if_failed()
