"""Requests are valid by botocore's service model, and equal to those of botocore."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.aws.conftest import Answer, Loopback
from tests.aws.shapes import OPERATIONS, inputs, operation, parameters, to_milliseconds, violations

from durable_execution_sdk.aws import LambdaClient
from durable_execution_sdk.aws.control_plane import LambdaControlPlane
from durable_execution_sdk.aws.data_plane import LambdaDataPlane
from durable_execution_sdk.call_timing import Backoff
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol import control_plane as control
from durable_execution_sdk.protocol import data_plane
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.updates import OperationUpdate

# Parameters that the ports do not offer: logs in the response, and the context of mobile clients.
NOT_OFFERED = frozenset({"LogType", "ClientContext"})
DEFAULTS: dict[str, Any] = {
    "MaxItems": 0,
    "IncludeExecutionData": True,
    "ReverseOrder": False,
    "Updates": [],
    "InvocationType": "RequestResponse",
    "Payload": b"",
    "Result": b"",
    "Error": {},
}
ANSWERS = {
    "CheckpointDurableExecution": b'{"NewExecutionState":{}}',
    "GetDurableExecutionState": b'{"Operations":[]}',
    "GetDurableExecution": json.dumps(
        {
            "DurableExecutionArn": "a",
            "DurableExecutionName": "n",
            "FunctionArn": "f",
            "Status": "RUNNING",
            "StartTimestamp": 0,
        }
    ).encode(),
    "GetDurableExecutionHistory": b'{"Events":[]}',
    "StopDurableExecution": b'{"StopTimestamp":0}',
    "DeleteDurableExecution": b'{"DeletionRequestTimestamp":0}',
}

Params = dict[str, Any]


class Planes(NamedTuple):
    """Both ports, and their event loop."""

    data: LambdaDataPlane
    control: LambdaControlPlane
    runner: asyncio.Runner


def milliseconds(params: Params, name: str) -> int | None:
    return to_milliseconds(params[name]) if name in params else None


def error_of(params: Params) -> ErrorObject | None:
    return msgspec.convert(params["Error"], ErrorObject) if "Error" in params else None


def options(params: Params, *names: str) -> dict[str, Any]:
    """Return the present parameters, with the names of our structs."""
    return {msgspec_name(name): params[name] for name in names if name in params}


def msgspec_name(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]


CALLS: dict[str, Callable[[LambdaDataPlane, LambdaControlPlane, Params], Awaitable[Any]]] = {
    "CheckpointDurableExecution": lambda data, _, p: data.checkpoint(
        data_plane.CheckpointRequest(
            durable_execution_arn=p["DurableExecutionArn"],
            checkpoint_token=p["CheckpointToken"],
            updates=msgspec.convert(p.get("Updates", []), list[OperationUpdate]),
            client_token=p.get("ClientToken"),
        )
    ),
    "GetDurableExecutionState": lambda data, _, p: data.get_state(
        data_plane.StateRequest(
            **options(p, "DurableExecutionArn", "CheckpointToken", "Marker", "MaxItems")
        )
    ),
    "Invoke": lambda _, plane, p: plane.invoke(
        control.InvokeRequest(
            **options(p, "FunctionName", "Payload", "Qualifier", "DurableExecutionName"),
            **options(p, "TenantId"),
            invocation_type=control.InvocationType(p.get("InvocationType", "RequestResponse")),
        )
    ),
    "GetDurableExecution": lambda _, plane, p: plane.describe(
        p["DurableExecutionArn"], **options(p, "IncludeExecutionData")
    ),
    "GetDurableExecutionHistory": lambda _, plane, p: plane.history(
        control.HistoryRequest(
            **options(p, "DurableExecutionArn", "IncludeExecutionData", "ReverseOrder"),
            **options(p, "Marker", "MaxItems"),
        )
    ),
    "ListDurableExecutionsByFunction": lambda _, plane, p: plane.list_executions(
        control.ListRequest(
            **options(p, "FunctionName", "Qualifier", "DurableExecutionName", "Statuses"),
            **options(p, "ReverseOrder", "Marker", "MaxItems"),
            started_after=milliseconds(p, "StartedAfter"),
            started_before=milliseconds(p, "StartedBefore"),
        )
    ),
    "StopDurableExecution": lambda _, plane, p: plane.stop(p["DurableExecutionArn"], error_of(p)),
    "PauseDurableExecution": lambda _, plane, p: plane.pause(
        p["DurableExecutionArn"],
        control.PauseRequest(**options(p, "ClientToken", "Reason", "ExecutionTimeoutPaused")),
    ),
    "ResumeDurableExecution": lambda _, plane, p: plane.resume(
        p["DurableExecutionArn"], control.ResumeRequest(**options(p, "ClientToken", "Reason"))
    ),
    "DeleteDurableExecution": lambda _, plane, p: plane.delete(p["DurableExecutionArn"]),
    "SendDurableExecutionCallbackSuccess": lambda _, plane, p: plane.callback_success(
        p["CallbackId"], p.get("Result")
    ),
    "SendDurableExecutionCallbackFailure": lambda _, plane, p: plane.callback_failure(
        p["CallbackId"], error_of(p)
    ),
    "SendDurableExecutionCallbackHeartbeat": lambda _, plane, p: plane.callback_heartbeat(
        p["CallbackId"]
    ),
}


@pytest.fixture(scope="module")
def planes(module_server: Loopback) -> Iterator[Planes]:
    client = LambdaClient(environ=module_server.environ(), backoff=Backoff(attempts=1))
    with asyncio.Runner() as runner:
        yield Planes(LambdaDataPlane(client), LambdaControlPlane(client), runner)
        runner.run(client.aclose())


@pytest.mark.parametrize("name", OPERATIONS)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_requests_fit_the_service_model(
    module_server: Loopback, planes: Planes, name: str, data: st.DataObject
) -> None:
    params = data.draw(inputs(name, without=NOT_OFFERED))
    model = operation(name)
    module_server.usual = Answer.http(body=ANSWERS.get(name, b"{}"))
    module_server.requests.clear()
    planes.runner.run(_call(name, planes, params))

    [request] = module_server.requests
    request_parameters = parameters(name, request)
    assert violations(model.input_shape, request_parameters) == []
    assert not ParamValidator().validate(request_parameters, model.input_shape).has_errors()
    if "ClientToken" in request_parameters and "ClientToken" not in params:
        params = {**params, "ClientToken": request_parameters["ClientToken"]}
    assert without_defaults(request_parameters) == without_defaults(params)

    botocore_request = create_serializer("rest-json").serialize_to_request(
        request_parameters, model
    )
    assert request.target.partition("?")[0] == botocore_request["url_path"]
    assert plain(request.body) == plain(botocore_request["body"])


async def _call(name: str, planes: Planes, params: Params) -> None:
    await CALLS[name](planes.data, planes.control, params)


def without_defaults(params: Params) -> Params:
    """Return the parameters without those equal to the default; sort the statuses of a filter."""
    return {
        name: sorted(value) if name == "Statuses" else value
        for name, value in params.items()
        if name not in DEFAULTS or value != DEFAULTS[name]
    }


def plain(body: Any) -> Any:
    raw = body if isinstance(body, bytes) else body.encode()
    try:
        return json.loads(raw)
    except ValueError:
        return raw


@pytest.mark.parametrize("member", ["durable_execution_name", "tenant_id"])
def test_text_that_does_not_fit_a_header_is_refused(
    module_server: Loopback, planes: Planes, member: str
) -> None:
    module_server.requests.clear()
    for text in ["a\r\nx: y", "é"]:
        request = msgspec.structs.replace(
            control.InvokeRequest(function_name="f"), **{member: text}
        )
        with pytest.raises(ConfigError, match=f"{member}: .* cannot be sent"):
            planes.runner.run(_invoke(planes, request))
    assert module_server.requests == []


async def _invoke(planes: Planes, request: control.InvokeRequest) -> None:
    await planes.control.invoke(request)


def test_retries_of_a_checkpoint_carry_one_client_token(
    server: Loopback, client: LambdaClient
) -> None:
    server.answers.extend(
        [
            Answer.http(500, b'{"Message":"again"}'),
            Answer(then_close=True),
            Answer.http(body=ANSWERS["CheckpointDurableExecution"]),
            Answer.http(body=ANSWERS["CheckpointDurableExecution"]),
        ]
    )
    request = data_plane.CheckpointRequest(durable_execution_arn="arn", checkpoint_token="t")

    async def main() -> None:
        plane = LambdaDataPlane(client)
        await plane.checkpoint(request)
        await plane.checkpoint(request)

    asyncio.run(main())
    tokens = [json.loads(received.body)["ClientToken"] for received in server.requests]
    assert tokens[0] == tokens[1] == tokens[2] != tokens[3]


def test_the_services_time_is_the_clocks(client: LambdaClient) -> None:
    before = time.time_ns() // 1_000_000
    assert before <= LambdaDataPlane(client).now() <= time.time_ns() // 1_000_000
