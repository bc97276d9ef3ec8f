"""Responses are read as botocore reads them, and botocore reads those that we write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import botocore.session
import msgspec
import pytest
from botocore.config import Config
from botocore.parsers import create_parser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.aws.conftest import Answer, Loopback
from tests.aws.shapes import body_of, operation, outputs, to_milliseconds

from durable_execution_sdk.aws import LambdaClient
from durable_execution_sdk.aws.control_plane import LambdaControlPlane
from durable_execution_sdk.aws.data_plane import LambdaDataPlane
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol import codec, control_plane, control_plane_codec, data_plane
from durable_execution_sdk.protocol.error_object import ErrorObject

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST/durable-execution/n/r"

DECODERS: dict[str, Callable[[bytes], Any]] = {
    "CheckpointDurableExecution": codec.decode_checkpoint_response,
    "GetDurableExecutionState": codec.decode_state_page,
    "GetDurableExecution": control_plane_codec.decode_description,
    "GetDurableExecutionHistory": control_plane_codec.decode_history_page,
    "ListDurableExecutionsByFunction": control_plane_codec.decode_list_page,
}
ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "CheckpointDurableExecution": codec.encode_checkpoint_response,
    "GetDurableExecutionState": codec.encode_state_page,
    "GetDurableExecution": control_plane_codec.encode_description,
    "GetDurableExecutionHistory": control_plane_codec.encode_history_page,
    "ListDurableExecutionsByFunction": control_plane_codec.encode_list_page,
}


# Values that mean the same as the absence of the member.
NOTHING = (
    ("NextMarker", ""),
    ("CheckpointToken", ""),
    ("CurrentAttempt", 0),
    ("NextAttemptDelaySeconds", 0),
)


def meaning(value: Any) -> Any:
    """Return a value without members that mean nothing."""
    match value:
        case dict():
            members = {name: meaning(member) for name, member in value.items()}
            return {
                name: member
                for name, member in members.items()
                if member is not None and member != [] and (name, member) not in NOTHING
            }
        case list():
            return [meaning(item) for item in value]
        case datetime():
            return to_milliseconds(value)
        case _:
            return value


def ours(result: Any) -> Any:
    """Return our result, with the names of the API."""
    match result:
        case data_plane.CheckpointResponse():
            state = {"Operations": result.operations, "NextMarker": result.next_marker}
            named = {"CheckpointToken": result.checkpoint_token, "NewExecutionState": state}
        case data_plane.StatePage():
            named = {"Operations": result.operations, "NextMarker": result.next_marker}
        case _:
            named = result
    return meaning(msgspec.to_builtins(named))


def theirs(name: str, body: bytes) -> Any:
    """Return botocore's result."""
    answer = {"status_code": 200, "headers": {}, "body": body}
    parsed = create_parser("rest-json").parse(answer, operation(name).output_shape)
    del parsed["ResponseMetadata"]
    return meaning(parsed)


@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_responses_are_read_as_botocore_reads_them(
    name: str, newer: bool, data: st.DataObject
) -> None:
    """Unknown members are ignored, unknown enum values are kept."""
    body = body_of(name, data.draw(outputs(name)), newer=newer)
    assert ours(DECODERS[name](body)) == theirs(name, body)


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_responses_that_we_write_are_read_by_botocore(name: str, data: st.DataObject) -> None:
    result = DECODERS[name](body_of(name, data.draw(outputs(name))))
    body = ENCODERS[name](result)
    assert theirs(name, body) == ours(result)
    assert DECODERS[name](body) == result


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_members_that_are_null_are_absent(name: str, data: st.DataObject) -> None:
    shape = operation(name).output_shape
    members = json.loads(body_of(name, data.draw(outputs(name))))
    nulls = {member: None for member in shape.members if member not in shape.required_members}
    absent = json.dumps(members).encode()
    null = json.dumps({**nulls, **members}).encode()
    assert ours(DECODERS[name](null)) == ours(DECODERS[name](absent))


def test_the_members_of_an_invoke_travel_as_status_headers_and_body(
    server: Loopback, client: LambdaClient
) -> None:
    server.usual = Answer.http(
        202,
        b'{"answer":42}',
        X_Amz_Function_Error="Unhandled",
        X_Amz_Executed_Version="7",
        X_Amz_Durable_Execution_Arn=ARN,
    )
    request = control_plane.InvokeRequest(function_name="f:prod", payload=b"{}")
    assert asyncio.run(LambdaControlPlane(client).invoke(request)) == control_plane.InvokeResponse(
        status_code=202,
        payload=b'{"answer":42}',
        function_error="Unhandled",
        executed_version="7",
        durable_execution_arn=ARN,
    )


def test_a_handler_starts_the_next_execution_with_one_asynchronous_invoke(
    server: Loopback, client: LambdaClient
) -> None:
    server.usual = Answer.http(202, b"", X_Amz_Durable_Execution_Arn=ARN)
    request = control_plane.InvokeRequest(
        function_name="f:7",
        payload=b'{"month":2}',
        invocation_type=control_plane.InvocationType.EVENT,
        durable_execution_name="monthly-run2-5f0c9a1b7e3d",
    )
    response = asyncio.run(LambdaDataPlane(client).start_execution(request))
    assert response.durable_execution_arn == ARN
    [received] = server.requests
    assert (received.method, received.target.partition("?")[0], received.body) == (
        "POST",
        "/2015-03-31/functions/f%3A7/invocations",
        b'{"month":2}',
    )
    assert received.headers["x-amz-invocation-type"] == "Event"
    assert received.headers["x-amz-durable-execution-name"] == "monthly-run2-5f0c9a1b7e3d"
    assert "Credential=" in received.headers["authorization"]


def test_timestamps_of_stop_and_delete_are_milliseconds(
    server: Loopback, client: LambdaClient
) -> None:
    plane = LambdaControlPlane(client)
    server.answers.extend(
        [
            Answer.http(body=b'{"StopTimestamp":1767225600.123}'),
            Answer.http(202, b'{"DeletionRequestTimestamp":1767225600}'),
        ]
    )

    async def main() -> tuple[int, int]:
        return await plane.stop(ARN), await plane.delete(ARN)

    assert asyncio.run(main()) == (1767225600123, 1767225600000)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"Operations":7}', b"", b"\xff"])
def test_a_malformed_success_is_an_error_with_operation_and_cause(
    server: Loopback, client: LambdaClient, body: bytes
) -> None:
    server.usual = Answer.http(body=body)
    plane = LambdaDataPlane(client)
    request = data_plane.StateRequest(durable_execution_arn=ARN, checkpoint_token="t")
    with pytest.raises(ServiceError, match="GetDurableExecutionState: HTTP 200 with a body"):
        asyncio.run(plane.get_state(request))


def test_a_stop_without_its_timestamp_is_no_answer(server: Loopback, client: LambdaClient) -> None:
    server.usual = Answer.http(body=b"{}")
    with pytest.raises(ServiceError, match="StopDurableExecution: HTTP 200 with a body"):
        asyncio.run(LambdaControlPlane(client).stop(ARN))


@pytest.fixture(scope="module")
def botocore_client(module_server: Loopback) -> Iterator[Any]:
    """botocore's own client, calling the test server."""
    client = botocore.session.Session().create_client(
        "lambda",
        region_name="eu-west-1",
        endpoint_url=f"http://{module_server.host}:{module_server.port}",
        aws_access_key_id="AKID",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield client
    client.close()


BOTOCORE_CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "CheckpointDurableExecution": (
        "checkpoint_durable_execution",
        {"DurableExecutionArn": ARN, "CheckpointToken": "t"},
    ),
    "GetDurableExecutionState": (
        "get_durable_execution_state",
        {"DurableExecutionArn": ARN, "CheckpointToken": "t"},
    ),
    "GetDurableExecution": ("get_durable_execution", {"DurableExecutionArn": ARN}),
    "GetDurableExecutionHistory": ("get_durable_execution_history", {"DurableExecutionArn": ARN}),
    "ListDurableExecutionsByFunction": (
        "list_durable_executions_by_function",
        {"FunctionName": "f"},
    ),
}


@pytest.mark.parametrize("name", BOTOCORE_CALLS)
@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_botocores_client_reads_the_responses_that_we_write(
    module_server: Loopback, botocore_client: Any, name: str, data: st.DataObject
) -> None:
    result = DECODERS[name](body_of(name, data.draw(outputs(name))))
    module_server.usual = Answer.http(body=ENCODERS[name](result))
    method, arguments = BOTOCORE_CALLS[name]
    answer = getattr(botocore_client, method)(**arguments)
    del answer["ResponseMetadata"]
    assert meaning(answer) == ours(result)


def test_both_clients_ask_the_same_server_the_same_thing(
    module_server: Loopback, botocore_client: Any
) -> None:
    """Compare one request of each client as received."""
    module_server.requests.clear()
    module_server.usual = Answer.http(body=b'{"StopTimestamp":0}')
    botocore_client.stop_durable_execution(
        DurableExecutionArn=ARN, Error={"ErrorType": "T", "StackTrace": ["a"]}
    )
    client = LambdaClient(environ=module_server.environ())

    async def main() -> None:
        error = ErrorObject(error_type="T", stack_trace=["a"])
        await LambdaControlPlane(client).stop(ARN, error)
        await client.aclose()

    asyncio.run(main())
    botocores, ourselves = module_server.requests
    assert ourselves.method == botocores.method
    assert ourselves.target == botocores.target
    assert json.loads(ourselves.body) == json.loads(botocores.body)
    for header in ("content-type", "host"):
        assert ourselves.headers[header] == botocores.headers[header]
