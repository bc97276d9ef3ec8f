"""The first offer wins, failed carriers do not end the race, and a timeout does."""

from examples.combinators.race_with_timeout import app
from examples.combinators.race_with_timeout.app import Offer, book_parcel


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
