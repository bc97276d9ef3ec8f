"""An invocation that cannot go on is followed by one that can, and no step runs twice."""

from examples.errors.database_restart.app import connections, save_order

from durable_execution_sdk.testing import assert_history, check_crash_safety_sync


def test_the_next_invocation_goes_on(durable_runner):
    lost = connections.pop()
    runner = durable_runner(save_order).sync
    runner.start("o-1")
    assert runner.run_until_suspended().status == "RUNNING"
    connections.append(lost)
    result = runner.complete()
    assert result.result == "o-1 confirmed"
    assert len(result.invocations) == 2
    assert [operation.name for operation in result.operations] == ["save", "confirm"]


def test_it_does_what_it_did(durable_runner):
    assert_history(durable_runner(save_order).run_sync("o-1"), "database_restart")


def test_a_crash_anywhere_does_no_harm():
    check_crash_safety_sync(save_order, "o-1").raise_if_failed()
