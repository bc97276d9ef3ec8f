"""An answer that cannot be read is asked for again, three times at most."""

from examples.callbacks.appointment_slot.app import book_appointment

from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    assert_history,
    check_crash_safety_sync,
)

BAD = {"day": "tomorrow"}


def answer(runner, *answers):
    """Answer as AWS does, which knows no types: ``check=False``."""
    runner.sync.start("Ada")
    for number, value in enumerate(answers, 1):
        runner.sync.wait_for_callback(f"slot {number}").succeed(value, check=False)
    return runner.sync.complete()


def play(runner):
    return answer(runner, BAD, {"day": "2030-05-01", "hour": 9})


def test_the_second_answer_can_be_read(durable_runner):
    result = play(durable_runner(book_appointment))
    assert result.result == "Ada comes on 2030-05-01 at 9"
    assert [line.attempt for line in result.logs] == [1]


def test_after_three_answers_a_person_calls(durable_runner):
    assert answer(durable_runner(book_appointment), BAD, BAD, BAD).result == "call Ada"


def test_it_does_what_it_did(durable_runner):
    assert_history(play(durable_runner(book_appointment)), "appointment_slot")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(
        LocalDurableTestRunner(book_appointment), play=play, max_points=20
    ).raise_if_failed()
