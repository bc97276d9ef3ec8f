from __future__ import annotations

import pytest
from tests.engine.engine_driver import BOOM, Execution, callback, context, retry, step, update, wait

from durable_execution_sdk.engine.commands import CompleteCallback, StopExecution
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.engine.views.handler_view import state_page
from durable_execution_sdk.protocol.updates import OperationUpdate

MINUTE = 60


def refusal(execution: Execution, *updates: OperationUpdate, token: str | None = None) -> str:
    """Return the message with which a batch is rejected, and check that it recorded nothing."""
    before = (len(execution.log), execution.token)
    with pytest.raises(Rejected) as refused:
        execution.checkpoint(*updates, token=token)
    assert (refused.value.code, refused.value.status) == ("InvalidParameterValueException", 400)
    assert (len(execution.log), execution.token) == before
    return refused.value.message


# Tokens


def test_every_checkpoint_uses_its_token_up_and_brings_the_next(running: Execution) -> None:
    first = running.token
    second = running.checkpoint().checkpoint_token
    assert second == running.token != first
    assert refusal(running, token=first) == "Invalid checkpoint token"


def test_a_token_of_an_earlier_invocation_is_stale(running: Execution) -> None:
    old = running.checkpoint(wait()).checkpoint_token
    running.suspend()
    running.tick(10)
    running.invoke()
    assert refusal(running, token=old) == "Invalid checkpoint token"


def test_no_token_is_good_between_two_invocations(running: Execution) -> None:
    token = running.checkpoint(wait()).checkpoint_token
    running.suspend()
    with pytest.raises(Rejected) as refused:
        running.checkpoint(token=token)
    assert refused.value.is_stale_token


def test_no_token_is_good_once_the_execution_is_closed(running: Execution) -> None:
    token = running.token
    running.send(StopExecution())
    with pytest.raises(Rejected) as refused:
        running.checkpoint(step("START"), token=token)
    assert refused.value.is_stale_token


def test_state_is_read_with_the_newest_token_only(running: Execution) -> None:
    old = running.token
    running.checkpoint(step("START"))
    assert [operation.id for operation in state_page(running.state, running.token).operations] == [
        "run-1",
        "s",
    ]
    with pytest.raises(Rejected) as refused:
        state_page(running.state, old)
    assert refused.value.is_stale_token


# Client tokens


def test_the_same_request_again_gets_the_same_answer_and_changes_nothing(
    running: Execution,
) -> None:
    token = running.token
    first = running.checkpoint(step("START"), client_token="k", token=token)
    running.checkpoint(step("SUCCEED"))
    recorded = len(running.log)
    assert running.checkpoint(step("START"), client_token="k", token=token) == first
    assert len(running.log) == recorded


def test_an_answer_is_repeated_even_when_the_invocation_is_over(running: Execution) -> None:
    token = running.token
    first = running.checkpoint(wait(), client_token="k", token=token)
    running.suspend()
    assert running.checkpoint(wait(), client_token="k", token=token) == first


def test_after_a_quarter_of_an_hour_a_repeated_request_is_stale(running: Execution) -> None:
    token = running.token
    running.checkpoint(client_token="k", token=token)
    running.now = running.state.last_at + 15 * MINUTE * 1_000 - 1
    running.checkpoint(client_token="k", token=token)
    running.now += 1
    assert refusal_with_client_token(running, token) == "Invalid checkpoint token"


def test_old_answers_are_forgotten(running: Execution) -> None:
    running.checkpoint(client_token="k")
    running.now += 16 * MINUTE * 1_000
    running.checkpoint(client_token="l")
    assert [client_token for client_token, _ in running.state.responses] == ["l"]


def test_a_client_token_alone_is_no_repetition(running: Execution) -> None:
    old = running.token
    running.checkpoint(client_token="k")
    running.checkpoint(client_token="k")
    running.checkpoint(client_token="l")
    assert refusal_with_client_token(running, old, "other") == "Invalid checkpoint token"


def refusal_with_client_token(execution: Execution, token: str, client_token: str = "k") -> str:
    with pytest.raises(Rejected) as refused:
        execution.checkpoint(token=token, client_token=client_token)
    return refused.value.message


# Answers


def test_a_response_holds_the_operations_that_the_batch_changed(running: Execution) -> None:
    response = running.checkpoint(step("START"), wait(seconds=3))
    assert [(operation.id, operation.status) for operation in response.operations] == [
        ("s", "STARTED"),
        ("w", "STARTED"),
    ]
    assert response.operations[1].wait_details is not None
    due_at = running.state.last_at + 3_000
    assert response.operations[1].wait_details.scheduled_end_timestamp == due_at


def test_a_response_holds_external_changes_since_the_previous_one(running: Execution) -> None:
    running.checkpoint(callback(), wait(seconds=1))
    running.send(CompleteCallback(operation_id="cb", result="hello"))
    running.tick(1)
    response = running.checkpoint(step("START"))
    assert [operation.id for operation in response.operations] == ["cb", "w", "s"]
    assert running.checkpoint().operations == []


def test_a_callback_id_comes_with_the_answer_and_stays_the_same(running: Execution) -> None:
    response = running.checkpoint(callback())
    details = response.operations[0].callback_details
    assert details is not None and details.callback_id
    running.send(CompleteCallback(operation_id="cb"))
    answered = running.operation("cb").callback_details
    assert answered is not None and answered.callback_id == details.callback_id


# Batches


def test_a_batch_is_recorded_whole_or_not_at_all(running: Execution) -> None:
    refusal(running, step("START", "good"), step("START", "also-good"), wait("w", seconds=0))
    assert list(running.state.operations) == ["run-1"]


def test_all_updates_of_a_batch_happen_at_one_time(running: Execution) -> None:
    running.checkpoint(step("START", "a"), step("SUCCEED", "b"), wait())
    times = {running.operation(name).start_timestamp for name in "abw"}
    assert times == {running.state.last_at}


def test_every_batch_is_later_than_the_one_before_even_when_the_clock_stands(
    running: Execution,
) -> None:
    running.checkpoint(step("SUCCEED", "a"))
    running.checkpoint(step("SUCCEED", "b"))
    first, second = (running.operation(name).end_timestamp for name in "ab")
    assert first is not None and second is not None and first < second


@pytest.mark.parametrize("ending", ["SUCCEED", "FAIL"])
@pytest.mark.parametrize("kind", ["STEP", "CONTEXT"])
def test_a_step_or_context_may_start_and_end_in_one_batch(
    running: Execution, kind: str, ending: str
) -> None:
    running.checkpoint(update(kind, "START", "x"), update(kind, ending, "x"))
    assert running.status("x") == {"SUCCEED": "SUCCEEDED", "FAIL": "FAILED"}[ending]


def test_a_step_may_start_and_be_retried_in_one_batch(running: Execution) -> None:
    running.checkpoint(step("START"), retry(error=BOOM))
    assert running.status("s") == "PENDING"


@pytest.mark.parametrize(
    "batch",
    [
        [step("START"), step("START")],
        [step("SUCCEED"), step("SUCCEED")],
        [step("START"), step("SUCCEED"), step("SUCCEED")],
        [retry(), step("START")],
        [wait(), update("WAIT", "CANCEL", "w")],
        [callback(), callback()],
    ],
)
def test_an_id_comes_twice_only_to_start_and_end(
    running: Execution, batch: list[OperationUpdate]
) -> None:
    message = refusal(running, *batch)
    assert message.startswith("Cannot checkpoint multiple operations with the same ID.")


@pytest.mark.parametrize("follower", [update("EXECUTION", "SUCCEED", "e"), step("START")])
def test_an_execution_update_is_the_last_and_only_one(
    running: Execution, follower: OperationUpdate
) -> None:
    message = refusal(running, update("EXECUTION", "SUCCEED", "e", payload="1"), follower)
    assert "EXECUTION checkpoint must be the last update" in message


# Parents


def test_a_parent_is_a_context_of_an_earlier_batch_or_of_this_one(running: Execution) -> None:
    running.checkpoint(context("START", "outer"))
    running.checkpoint(
        context("START", "inner", parent_id="outer"), step("START", "s", parent_id="inner")
    )
    assert running.operation("s").parent_id == "inner"


@pytest.mark.parametrize("parent_id", ["missing", "a-step", "run-1", "later"])
def test_nothing_else_is_a_parent(running: Execution, parent_id: str) -> None:
    running.checkpoint(step("START", "a-step"))
    message = refusal(running, step("START", "s", parent_id=parent_id), context("START", "later"))
    assert message.startswith("Invalid parent operation id.")
    assert parent_id in message


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (context("SUCCEED", "s", name="n", sub_type="Step", parent_id="c"), "type"),
        (step("SUCCEED", name="other", sub_type="Step", parent_id="c"), "name"),
        (step("SUCCEED", name="n", sub_type="WaitForCondition", parent_id="c"), "subtype"),
        (step("SUCCEED", name="n", sub_type="Step"), "parent id"),
    ],
)
def test_an_operation_keeps_its_type_name_subtype_and_parent(
    running: Execution, changed: OperationUpdate, what: str
) -> None:
    running.checkpoint(context("START"), step("START", name="n", sub_type="Step", parent_id="c"))
    assert refusal(running, changed).startswith(f"Inconsistent operation {what}.")


# What goes with which action


@pytest.mark.parametrize(
    "operation_update",
    [
        step("FAIL", payload="1"),
        step("SUCCEED", error=BOOM),
        context("FAIL", payload="1"),
        context("SUCCEED", error=BOOM),
        step("START", error=BOOM),
        update("EXECUTION", "FAIL", "e", payload="1"),
        update("EXECUTION", "SUCCEED", "e", error=BOOM),
        step("RETRY", error=BOOM),
        retry(error=BOOM, payload="1"),
        update("WAIT", "START", "w"),
        update("CHAINED_INVOKE", "START", "i"),
    ],
)
def test_fields_that_do_not_go_with_the_action_are_refused(
    running: Execution, operation_update: OperationUpdate
) -> None:
    assert (
        operation_update.id in refusal(running, operation_update)
        or operation_update.type == "EXECUTION"
    )


def test_a_lost_race_to_cancel_a_wait_is_no_mistake(running: Execution) -> None:
    running.checkpoint(wait(seconds=1))
    running.tick(1)
    response = running.checkpoint(update("WAIT", "CANCEL", "w"))
    assert [(operation.id, operation.status) for operation in response.operations] == [
        ("w", "SUCCEEDED")
    ]


def test_a_rejection_names_the_operation_and_the_allowed_actions(running: Execution) -> None:
    running.checkpoint(step("SUCCEED", "abc", name="charge"))
    message = refusal(running, step("START", "abc", name="charge"))
    assert message == (
        "Invalid action START for STEP operation abc 'charge': it is SUCCEEDED, which allows "
        "nothing."
    )
