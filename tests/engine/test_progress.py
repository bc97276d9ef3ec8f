"""Progress of an execution, as observers receive it."""

from __future__ import annotations

from tests.engine.engine_driver import (
    ARN,
    BOOM,
    FUNCTIONS,
    Execution,
    callback,
    context,
    invoke,
    retry,
    step,
    wait,
)

from durable_execution_sdk.engine.tokens import child_arn
from durable_execution_sdk.engine.views.progress import (
    Awaited,
    OperationProgress,
    Tally,
    Waiting,
    progress,
    tally,
)


def shown(execution: Execution) -> dict[str, OperationProgress]:
    return {operation.operation.id: operation for operation in progress(execution.state).operations}


def test_an_operation_that_time_ends_says_when(running: Execution) -> None:
    running.checkpoint(wait(seconds=10))
    assert shown(running)["w"].waiting == Waiting(
        awaited=Awaited.TIME, until=running.state.last_at + 10_000
    )


def test_a_step_between_two_attempts_names_the_next_one_and_when_it_comes(
    running: Execution,
) -> None:
    running.checkpoint(step("START"), retry(delay=5, error=BOOM))
    step_progress = shown(running)["s"]
    assert step_progress.attempt == 2
    assert step_progress.waiting == Waiting(
        awaited=Awaited.RETRY, until=running.state.last_at + 5_000
    )


def test_a_step_that_runs_or_is_done_waits_for_nothing(running: Execution) -> None:
    running.checkpoint(step("START"))
    assert (shown(running)["s"].attempt, shown(running)["s"].waiting) == (1, None)
    running.checkpoint(step("SUCCEED", payload="1"))
    assert (shown(running)["s"].attempt, shown(running)["s"].waiting) == (1, None)


def test_a_callback_waits_for_an_answer_until_the_first_of_its_timeouts(running: Execution) -> None:
    running.checkpoint(callback(timeout=60, heartbeat=7), callback("free"))
    at = running.state.last_at
    assert shown(running)["cb"].waiting == Waiting(awaited=Awaited.ANSWER, until=at + 7_000)
    assert shown(running)["free"].waiting == Waiting(awaited=Awaited.ANSWER)


def test_an_invoke_names_the_function_and_the_execution_that_it_waits_for(
    running: Execution,
) -> None:
    running.checkpoint(invoke())
    target = FUNCTIONS["child:3"].function_arn
    assert shown(running)["i"].waiting == Waiting(
        awaited=Awaited.FUNCTION,
        function_name="child:3",
        execution_arn=child_arn(ARN, "i", target),
    )


def test_nothing_waits_once_the_execution_has_ended(running: Execution) -> None:
    running.checkpoint(callback(timeout=60))
    running.succeed()
    assert shown(running)["cb"].waiting is None


def test_the_execution_itself_is_no_operation_of_its_own(running: Execution) -> None:
    running.checkpoint(context("START"))
    execution_progress = progress(running.state)
    assert [operation.operation.id for operation in execution_progress.operations] == ["c"]
    assert (
        execution_progress.invocations,
        execution_progress.is_idle,
        execution_progress.failures,
    ) == (1, False, 0)


def test_failed_invocations_say_when_the_next_one_comes(running: Execution) -> None:
    running.crash()
    execution_progress = progress(running.state)
    assert (
        execution_progress.is_idle,
        execution_progress.failures,
        execution_progress.retry_at,
    ) == (
        True,
        1,
        running.state.last_at + 1_000,
    )


def test_invocations_operations_and_checkpoints_are_counted(running: Execution) -> None:
    running.checkpoint(wait(seconds=10))
    running.suspend()
    running.tick(10)
    running.invoke()
    running.checkpoint(step("START"))
    running.checkpoint(step("SUCCEED"))
    running.succeed()
    assert tally(running.state, running.log) == Tally(invocations=2, operations=2, checkpoints=3)
