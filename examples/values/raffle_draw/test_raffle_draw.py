"""The winner, the code and the date are the same in the second invocation as in the first."""

from datetime import timedelta

from examples.values.raffle_draw.app import raffle

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = ["Ada", "Grace", "Alan"]


def test_the_winner_of_the_first_invocation_gets_the_mail(durable_runner):
    runner = durable_runner(raffle)
    result = runner.run_sync(EVENT)
    voucher = result.result
    assert len(result.invocations) == 2
    assert voucher.winner in EVENT
    assert result.operation("send").result == f"{voucher.code} to {voucher.winner}"
    assert voucher.valid_until - result.started_at == timedelta(days=90)


def test_it_does_what_it_did(durable_runner):
    result = durable_runner(raffle).run_sync(EVENT)
    assert_history(result, "raffle_draw", replace={r"[0-9-]+T[0-9:.]+Z": "TIME"})


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(raffle, EVENT).raise_if_failed()
