"""The whole statement is there after the wait, and the log holds a line about it."""

from examples.values.yearly_statement.app import yearly_statement

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync

EVENT = "IT60"


def test_the_statement_is_built_again_after_the_wait(durable_runner):
    result = durable_runner(yearly_statement).run_sync(EVENT)
    assert result.result == "12000 lines, the last is 2030-12 IT60 booking 0999"
    assert len(result.invocations) == 2
    assert result.operation("collect").payload == "12000 lines of IT60"


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(yearly_statement).run_sync(EVENT), "yearly_statement")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(yearly_statement, EVENT, max_points=8).raise_if_failed()
