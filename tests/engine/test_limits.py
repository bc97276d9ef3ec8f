from __future__ import annotations

import pytest
from tests.engine.engine_driver import (
    BOOM,
    Execution,
    callback,
    context,
    invoke,
    retry,
    step,
    update,
    wait,
)

from durable_execution_sdk.engine.commands import CompleteCallback, FailCallback, StopExecution
from durable_execution_sdk.engine.events import ParentLink
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.engine.sizes import error_bytes
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.updates import OperationUpdate, text_bytes

MIB = 1_048_576


def begun(**limits: int) -> Execution:
    execution = Execution(Limits(**limits)).start()
    execution.invoke()
    return execution


def refused(execution: Execution, operation_update: OperationUpdate) -> str:
    with pytest.raises(Rejected) as error_info:
        execution.checkpoint(operation_update)
    assert (error_info.value.code, error_info.value.status) == (
        "InvalidParameterValueException",
        400,
    )
    return error_info.value.message


def test_the_defaults_are_the_services() -> None:
    assert DEFAULT_LIMITS.operations == 3_000
    assert DEFAULT_LIMITS.storage_bytes == 100 * MIB
    assert DEFAULT_LIMITS.operation_payload_bytes == MIB
    assert DEFAULT_LIMITS.synchronous_payload_bytes == 6 * MIB
    assert DEFAULT_LIMITS.asynchronous_payload_bytes == MIB
    assert DEFAULT_LIMITS.error_bytes == MIB
    assert DEFAULT_LIMITS.callback_result_bytes == MIB


def test_sizes_are_counted_in_utf8() -> None:
    assert text_bytes("é€😀") == 2 + 3 + 4
    assert text_bytes("\ud800") == 3
    assert text_bytes(None) == error_bytes(None) == 0
    error = ErrorObject(error_type="é", error_message="ab", error_data="c", stack_trace=["d", "€"])
    assert error_bytes(error) == 2 + 2 + 1 + 1 + 3


@pytest.mark.parametrize(
    ("largest", "larger", "message"),
    [
        (
            step("SUCCEED", payload="x" * MIB),
            step("SUCCEED", payload="é" * (MIB // 2) + "x"),
            "STEP",
        ),
        (retry(payload="x" * MIB), retry(payload="x" * (MIB + 1)), "STEP"),
        (
            context("SUCCEED", payload="x" * MIB),
            context("SUCCEED", payload="x" * (MIB + 1)),
            "CONT",
        ),
        (invoke(payload="x" * MIB), invoke(payload="x" * (MIB + 1)), "CHAINED_INVOKE input"),
        (
            update("EXECUTION", "SUCCEED", "e", payload="x" * MIB),
            update("EXECUTION", "SUCCEED", "e", payload="x" * (MIB + 1)),
            "EXECUTION output",
        ),
    ],
)
def test_a_payload_may_be_a_mebibyte(
    running: Execution, largest: OperationUpdate, larger: OperationUpdate, message: str
) -> None:
    message_text = refused(running, larger)
    assert message_text.startswith(message)
    assert "payload size must be less than or equal to 1048576 bytes." in message_text
    assert str(MIB + 1) in message_text
    running.checkpoint(largest)


def test_a_result_for_a_caller_who_waits_may_be_six_mebibytes() -> None:
    for synchronous, most in ((True, 6 * MIB), (False, MIB)):
        execution = Execution().start(synchronous=synchronous)
        execution.invoke()
        large = update("EXECUTION", "SUCCEED", "e", payload="x" * (most + 1))
        assert f"{most} bytes" in refused(execution, large)
        execution.checkpoint(update("EXECUTION", "SUCCEED", "e", payload="x" * most))


def test_an_input_has_its_limit() -> None:
    for fields, most in (
        ({"synchronous": True}, 6 * MIB),
        ({"synchronous": False}, MIB),
        ({"parent": ParentLink(arn="a", operation_id="b")}, MIB),
    ):
        Execution().start(input="x" * most, **fields)
        with pytest.raises(Rejected) as error_info:
            Execution().start(input="x" * (most + 1), **fields)
        assert (error_info.value.code, error_info.value.status) == ("RequestTooLargeException", 413)


def test_a_returned_result_has_its_limit() -> None:
    execution = begun(asynchronous_payload_bytes=10)
    execution.succeed("x" * 11)
    assert execution.state.status == "FAILED"
    assert execution.state.error is not None
    assert execution.state.error.error_message == (
        "Execution output payload size must be less than or equal to 10 bytes. Keep the data elsewhere"
        " (S3, a database), and let the workflow return its key."
    )


def test_an_error_from_any_source_has_its_limit() -> None:
    large = ErrorObject(error_type="E", error_message="x" * 8, stack_trace=["yz"])
    execution = begun(error_bytes=10)
    assert "error size must be" in refused(execution, step("FAIL", error=large))
    assert "error size must be" in refused(execution, retry(error=large))
    execution.checkpoint(callback())
    for command in (FailCallback(operation_id="cb", error=large), StopExecution(error=large)):
        with pytest.raises(Rejected, match="error size must be"):
            execution.send(command)
    execution.fail(large)
    assert execution.state.error is not None
    assert "error size must be" in (execution.state.error.error_message or "")


def test_a_callback_result_has_its_limit() -> None:
    execution = begun(callback_result_bytes=10)
    execution.checkpoint(callback(name="approve"))
    with pytest.raises(Rejected, match=r"less than or equal to 10 bytes. \(callback cb 'approve'"):
        execution.send(CompleteCallback(operation_id="cb", result="x" * 11))
    execution.send(CompleteCallback(operation_id="cb", result="x" * 10))


@pytest.mark.parametrize(
    ("operation_update", "field"),
    [
        (wait(seconds=0), "WaitSeconds 0"),
        (wait(seconds=31_622_401), "WaitSeconds 31622401"),
        (retry(delay=0), "NextAttemptDelaySeconds 0"),
        (retry(delay=31_622_401), "NextAttemptDelaySeconds 31622401"),
        (callback(timeout=-1), "TimeoutSeconds -1"),
        (callback(timeout=100_000_000), "TimeoutSeconds 100000000"),
        (callback(heartbeat=100_000_000), "HeartbeatTimeoutSeconds 100000000"),
    ],
)
def test_times_have_their_range(
    running: Execution, operation_update: OperationUpdate, field: str
) -> None:
    assert refused(running, operation_update).startswith(f"Invalid {field}")


@pytest.mark.parametrize(
    "operation_update",
    [
        step("START", ""),
        step("START", "x" * 65),
        step("START", "a b"),
        step("START", name=""),
        step("START", name="x" * 257),
        step("START", name="é"),
        step("START", name="new\nline"),
        step("START", sub_type="x" * 33),
        step("START", sub_type="a b"),
        step("START", parent_id="a b"),
    ],
)
def test_names_have_their_form(running: Execution, operation_update: OperationUpdate) -> None:
    assert refused(running, operation_update).startswith("Invalid ")


# Quotas end the execution


@pytest.mark.parametrize(
    ("batch", "limits", "message"),
    [
        ([step("START", f"s{n}") for n in range(3)], {"operations": 3}, "3 durable operations"),
        ([step("START"), retry(error=BOOM), wait()], {"operations": 3}, "3 durable operations"),
        ([step("SUCCEED", payload="x" * 50)], {"storage_bytes": 50}, "50 bytes of storage"),
        (
            [update("EXECUTION", "SUCCEED", "e", payload="x" * 50)],
            {"storage_bytes": 50},
            "50 bytes of storage",
        ),
    ],
)
def test_a_batch_over_a_quota_ends_the_execution_and_is_not_recorded(
    batch: list[OperationUpdate], limits: dict[str, int], message: str
) -> None:
    execution = begun(**limits)
    response = execution.checkpoint(*batch)
    assert (response.checkpoint_token, response.operations) == (None, [])
    assert list(execution.state.operations) == ["run-1"]
    execution.suspend()
    assert execution.state.status == "FAILED"
    assert execution.state.error is not None
    assert message in (execution.state.error.error_message or "")
    assert execution.story() == ["ExecutionStarted", "InvocationCompleted", "ExecutionFailed"]


def test_a_batch_may_reach_a_quota() -> None:
    execution = begun(operations=3, storage_bytes=7 + 10)
    execution.checkpoint(step("START", "a"), step("SUCCEED", "b", payload="x" * 10))
    assert (execution.state.operation_count, execution.state.stored_bytes) == (3, 17)
    assert execution.checkpoint(step("SUCCEED", "a")).checkpoint_token is not None
