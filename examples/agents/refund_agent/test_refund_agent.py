"""A refund is made at most once, and a dear one only if a person agrees."""

import pytest
from examples.agents.refund_agent.app import refunds, support

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

CHEAP, DEAR = "Order 17 came broken", "Order 18 came broken"
# The fields of a recorded answer differ between releases of Pydantic AI.
ANSWERS = {r"(?m)(: model'  SUCCEEDED  ).*": r"\1(answer)"}
pytestmark = pytest.mark.agents


@pytest.fixture(autouse=True)
def _no_refunds():
    refunds.clear()


def ask(runner, **answer):
    runner.sync.start(DEAR)
    runner.sync.wait_for_callback("approve refund").succeed(answer)
    return runner.sync.complete()


def test_a_cheap_order_is_refunded_at_once(durable_runner):
    assert durable_runner(support).run_sync(CHEAP).result == "refunded 20 of order 17"
    assert refunds == ["17"]


def test_a_dear_one_is_refunded_if_a_person_agrees(durable_runner):
    assert ask(durable_runner(support), approved=True).result == "refunded 900 of order 18"
    assert refunds == ["18"]


def test_the_model_is_told_of_a_refusal(durable_runner):
    result = ask(durable_runner(support), approved=False, comment="ask for a photo")
    assert "did not approve" in result.result
    assert "ask for a photo" in result.result
    assert not refunds


def test_a_refund_that_was_cut_off_is_not_repeated(durable_runner):
    runner = durable_runner(support)
    runner.crash_in("refund")  # after the bank was asked, and before its answer was recorded
    assert runner.run_sync(CHEAP).error.is_a("StepInterruptedError")
    assert refunds == ["17"]


def test_it_does_what_it_did(durable_runner):
    assert_history(ask(durable_runner(support), approved=True), "refund_agent", replace=ANSWERS)


def test_a_crash_anywhere_refunds_at_most_once():
    def play(runner):
        result = runner.run_sync(CHEAP)
        assert len(refunds) <= 1
        assert result.succeeded or result.error.is_a("StepInterruptedError")
        return result

    # An interrupted refund fails, and the undisturbed one succeeds.
    report = check_crash_safety_sync(
        support, play=play, setup=refunds.clear, same_result=False, same_log=False
    )
    assert all("StepInterruptedError" in str(harm) for harm in report.harms), str(report)
