"""All errors of the service's model, and malformed responses, become a ``ServiceError``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st
from tests.aws.shapes import OPERATIONS, operation

from durable_execution_sdk.aws.error_mapping import refusal, without_answer
from durable_execution_sdk.aws.framing import HttpResponse
from durable_execution_sdk.aws.transport import NoAnswerError

ERRORS: list[Any] = [
    pytest.param(name, shape, id=f"{name}-{shape.name}")
    for name in OPERATIONS
    for shape in operation(name).error_shapes
]
# Errors that last until the KMS key is repaired, although their status is that of a server error.
LASTING = {
    "KMSAccessDeniedException",
    "KMSDisabledException",
    "KMSInvalidStateException",
    "KMSNotFoundException",
}


@pytest.mark.parametrize(("name", "shape"), ERRORS)
def test_every_error_of_the_model_is_mapped(name: str, shape: Any) -> None:
    status = shape.metadata["error"]["httpStatusCode"]
    message_member = next((m for m in shape.members if m.lower() == "message"), None)
    body = {"Type": "User", **({message_member: "why"} if message_member else {})}
    headers = {"x-amzn-errortype": shape.name, "retry-after": "2"}
    response = HttpResponse(status=status, headers=headers, body=json.dumps(body).encode())

    error = refusal(name, response)
    assert error.code == shape.name
    assert error.status == status
    if message_member:
        assert error.message == "why"
    assert error.is_transient == ((status == 429 or status >= 500) and shape.name not in LASTING)
    assert not error.is_stale_token
    assert error.retry_after == 2

    botocores = create_parser("rest-json").parse(
        {"status_code": status, "headers": headers, "body": response.body},
        operation(name).output_shape,
    )
    assert botocores["Error"]["Code"] == error.code
    if message_member:
        assert botocores["Error"]["Message"] == error.message


@pytest.mark.parametrize("text", ["Invalid checkpoint token", "Invalid Checkpoint Token."])
def test_a_stale_token_is_distinguished_from_other_errors(text: str) -> None:
    error = refusal(
        "CheckpointDurableExecution",
        HttpResponse(
            status=400,
            headers={"x-amzn-errortype": "InvalidParameterValueException"},
            body=json.dumps({"message": text}).encode(),
        ),
    )
    assert error.is_stale_token
    assert not error.is_transient


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"x-amzn-errortype": "ServiceException:http://internal/"}, {}),
        ({"x-amzn-errortype": "com.amazonaws.lambda#ServiceException"}, {}),
        ({}, {"__type": "com.amazonaws.lambda#ServiceException"}),
        ({}, {"code": "ServiceException"}),
        ({}, {"Type": "ServiceException"}),
    ],
)
def test_an_error_is_named_in_the_header_or_in_the_body(
    headers: dict[str, str], body: dict[str, str]
) -> None:
    response = HttpResponse(status=500, headers=headers, body=json.dumps(body).encode())
    assert refusal("Invoke", response).code == "ServiceException"


def test_the_party_at_fault_is_not_taken_for_the_error_code() -> None:
    response = HttpResponse(status=400, headers={}, body=b'{"Type":"User","Message":"no"}')
    assert refusal("Invoke", response).code is None


def test_a_page_of_a_proxy_has_no_name_and_says_so() -> None:
    error = refusal("Invoke", HttpResponse(status=502, headers={}, body=b"<html>Bad gateway"))
    assert error.code is None
    assert error.is_transient
    assert str(error) == "AWS answered Invoke with HTTP 502 and no reason"


def test_the_traceback_shows_operation_reason_and_request_id() -> None:
    error = refusal(
        "CheckpointDurableExecution",
        HttpResponse(
            status=429,
            headers={"x-amzn-errortype": "TooManyRequestsException", "x-amzn-requestid": "id-1"},
            body=b'{"message":"slow down","Reason":"CallerRateLimitExceeded"}',
        ),
    )
    assert error.__notes__[0] == (
        "AWS answered CheckpointDurableExecution with HTTP 429, "
        "reason CallerRateLimitExceeded, request id id-1"
    )


@pytest.mark.parametrize("text", ["", "soon", "-1", "nan", "inf", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_retry_after_that_is_no_number_of_seconds_is_passed_over(text: str) -> None:
    response = HttpResponse(status=429, headers={"retry-after": text})
    assert refusal("Invoke", response).retry_after is None


def test_no_answer_names_the_operation_and_keeps_the_cause() -> None:
    failure = NoAnswerError("no answer", sent=True)
    error = without_answer("Invoke", failure)
    assert str(error) == "Invoke: no answer"
    assert error.__cause__ is failure
    assert error.is_transient


@given(
    status=st.integers(300, 599),
    headers=st.dictionaries(
        st.sampled_from(["x-amzn-errortype", "retry-after", "x-amzn-requestid"]), st.text()
    ),
    body=st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["Type", "message", "__type", "code"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode()),
)
def test_any_answer_is_mapped(status: int, headers: dict[str, str], body: bytes) -> None:
    error = refusal("Invoke", HttpResponse(status=status, headers=headers, body=body))
    assert error.status == status
    assert error.message
