from __future__ import annotations

import json
from typing import Any

import pytest

from durable_execution_sdk.emulator.functions.invokers import Answer, Call, Handler, InProcess


def call(handler: Handler, payload: bytes = b'{"n":1}') -> Answer:
    return InProcess(handler)(
        Call(
            request_id="11111111-2222-3333-4444-555555555555",
            function_name="pay",
            version="7",
            function_arn="arn:aws:lambda:us-east-1:123456789012:function:pay:7",
            payload=payload,
            remaining=lambda: 2_500,
        )
    )


def test_a_handler_gets_the_event_and_answers_with_json() -> None:
    answer = call(lambda event, _: {"seen": event, "text": "ü"})
    assert json.loads(answer.payload) == {"seen": {"n": 1}, "text": "ü"}
    assert answer.error is None


def test_an_empty_payload_is_an_empty_event() -> None:
    assert call(lambda event, _: event, b"").payload == b"{}"


def test_the_context_has_the_members_of_lambdas() -> None:
    contexts: list[Any] = []
    call(lambda _, context: contexts.append(context))
    context = contexts[0]
    assert context.aws_request_id == "11111111-2222-3333-4444-555555555555"
    assert context.function_name == "pay"
    assert context.function_version == "7"
    assert context.invoked_function_arn.endswith(":function:pay:7")
    assert context.memory_limit_in_mb == "128"
    assert context.get_remaining_time_in_millis() == 2_500
    assert context.log_group_name == "/aws/lambda/pay"
    assert "[7]" in context.log_stream_name
    assert (context.client_context, context.identity, context.tenant_id) == (None, None, None)


def test_an_exception_is_an_answer_with_its_class_message_and_frames() -> None:
    class OutOfStock(Exception):
        pass

    def fail(_: object, __: object) -> None:
        raise OutOfStock("no tea")

    error = call(fail).error
    assert error is not None
    assert (error.error_type, error.error_message) == ("OutOfStock", "no tea")
    assert error.stack_trace is not None and "in fail" in error.stack_trace[-1]


def test_an_exit_is_the_end_of_the_invocation_only() -> None:
    def leave(_: object, __: object) -> None:
        raise SystemExit(3)

    error = call(leave).error
    assert error is not None
    assert error.error_type == "Runtime.ExitError"
    assert error.error_message is not None and error.error_message.endswith("exit status 3")


@pytest.mark.parametrize("value", [object(), float("nan"), {"at": b"bytes"}])
def test_an_answer_that_is_not_json_is_an_error(value: object) -> None:
    error = call(lambda _, __: value).error
    assert error is not None and error.error_type == "Runtime.MarshalError"


def test_an_interrupt_is_not_swallowed() -> None:
    def interrupt(_: object, __: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(interrupt)
