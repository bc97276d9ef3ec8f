"""An easy question is answered at once, a hard one by the good model two minutes later."""

from examples.combinators.quickest_answer import app
from examples.combinators.quickest_answer.app import answer

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EASY = "What is a checkpoint?"
HARD = "Why does the order of completions matter on replay?"


def test_an_easy_question_is_answered_at_once(durable_runner):
    result = durable_runner(answer).run_sync(EASY)
    assert result.result == "A record of what was done."
    assert result.operation("good").error_object.error_type == "OperationCancelled"


def test_a_hard_question_waits_for_the_good_model(durable_runner):
    result = durable_runner(answer).run_sync(HARD)
    assert result.result == "A record that survives the process."
    assert result.operation("ask_fast").status == "FAILED"


def test_no_model_answers(durable_runner, monkeypatch):
    async def fail(question):
        raise ValueError("out of order")

    monkeypatch.setattr(app, "ask_good", fail)
    result = durable_runner(answer).run_sync(HARD)
    assert result.result == "no answer: out of order; too hard for me"


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(answer).run_sync(HARD), "quickest_answer")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(answer, HARD).raise_if_failed()
