"""Our shapes and limits against the service model of the installed botocore, which tells of what is new.

A failure names each difference. Take a new member, value, or number over into ``protocol`` and into what reads it, or
add it to the table of what is left out, with the reason.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from typing import Any, Literal, get_args

import botocore
import msgspec
import pytest
from botocore.model import Shape
from tests.aws.shapes import OPERATIONS, SERVICE, operation

from durable_execution_sdk.aws import Call, LambdaClient, channel
from durable_execution_sdk.aws.channel import PlainChannel
from durable_execution_sdk.aws.control_plane import LambdaControlPlane
from durable_execution_sdk.aws.endpoint import Endpoint
from durable_execution_sdk.aws.framing import HttpResponse
from durable_execution_sdk.protocol import error_codes, limits
from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    ExecutionStatus,
    HistoryPage,
    HistoryRequest,
    InvocationType,
    InvokeRequest,
    InvokeResponse,
    ListPage,
    ListRequest,
    PauseRequest,
    ResumeRequest,
)
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.functions import (
    AliasConfiguration,
    FunctionConfiguration,
)
from durable_execution_sdk.protocol.history import EventType
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationStatusName,
    OperationTypeName,
)
from durable_execution_sdk.protocol.updates import OperationActionName

INSTALLED = f"botocore {botocore.__version__}"
CURE = (
    "take it over into durable_execution_sdk.protocol and what reads it, or add it to the table of this test"
    " with the reason"
)

STRUCTS: dict[str, Any] = {
    "CheckpointDurableExecutionRequest": CheckpointRequest,
    "CheckpointDurableExecutionResponse": CheckpointResponse,
    "CheckpointUpdatedExecutionState": StatePage,
    "GetDurableExecutionStateRequest": StateRequest,
    "GetDurableExecutionStateResponse": StatePage,
    "GetDurableExecutionResponse": ExecutionDescription,
    "GetDurableExecutionHistoryRequest": HistoryRequest,
    "GetDurableExecutionHistoryResponse": HistoryPage,
    "ListDurableExecutionsByFunctionRequest": ListRequest,
    "ListDurableExecutionsByFunctionResponse": ListPage,
    "PauseDurableExecutionRequest": PauseRequest,
    "ResumeDurableExecutionRequest": ResumeRequest,
    "InvocationRequest": InvokeRequest,
    "InvocationResponse": InvokeResponse,
    "ErrorObject": ErrorObject,
    "Operation": Operation,
}
"""The structs of ``protocol`` by the shapes at which the comparison begins; it goes on with their members."""

ARGUMENTS = {
    "GetDurableExecutionRequest": {"DurableExecutionArn", "IncludeExecutionData"},
    "StopDurableExecutionRequest": {"DurableExecutionArn", "Error"},
    "DeleteDurableExecutionRequest": {"DurableExecutionArn"},
    "SendDurableExecutionCallbackSuccessRequest": {"CallbackId", "Result"},
    "SendDurableExecutionCallbackFailureRequest": {"CallbackId", "Error"},
    "SendDurableExecutionCallbackHeartbeatRequest": {"CallbackId"},
    "StopDurableExecutionResponse": {"StopTimestamp"},
    "DeleteDurableExecutionResponse": {"DeletionRequestTimestamp"},
}
"""The members of requests and responses that are arguments and return values of ours."""

ELSEWHERE = {
    "InvocationRequest": {
        "ClientContext": "for plain functions",
        "LogType": "logs are in CloudWatch",
    },
    "InvocationResponse": {"LogResult": "logs are in CloudWatch"},
    "PauseDurableExecutionRequest": {"DurableExecutionArn": "an argument of the port"},
    "ResumeDurableExecutionRequest": {"DurableExecutionArn": "an argument of the port"},
    "CheckpointDurableExecutionResponse": {"NewExecutionState": "its members are in the response"},
}
"""Members of the model that ours leaves out, with the reason."""

FLATTENED = {"CheckpointDurableExecutionResponse": {"Operations", "NextMarker"}}
"""Members of ours that the model has in a shape of its own."""

HEADERS = {"InvocationRequest": {"TraceHeader"}}
"""Headers that callers send beside the members of the model."""

SAME_NAMES = {"KmsKeyArn": "KMSKeyArn"}

ENUMS = {
    "ExecutionStatus": {*ExecutionStatus},
    "EventType": {*EventType},
    "InvocationType": {*InvocationType},
    "OperationType": {*get_args(OperationTypeName)},
    "OperationStatus": {*get_args(OperationStatusName)},
    "OperationAction": {*get_args(OperationActionName)},
}

RANGES = [
    ("StepOptions", "NextAttemptDelaySeconds", 1, limits.LONGEST_TIMER_SECONDS),
    ("WaitOptions", "WaitSeconds", 1, limits.LONGEST_TIMER_SECONDS),
    ("DurableConfig", "ExecutionTimeout", 1, limits.LONGEST_TIMER_SECONDS),
    ("DurableConfig", "RetentionPeriodInDays", 1, limits.LONGEST_RETENTION_DAYS),
    ("CallbackOptions", "TimeoutSeconds", 0, limits.LONGEST_CALLBACK_TIMEOUT_SECONDS),
    ("CallbackOptions", "HeartbeatTimeoutSeconds", 0, limits.LONGEST_CALLBACK_TIMEOUT_SECONDS),
    ("CreateFunctionRequest", "Timeout", 1, limits.LONGEST_FUNCTION_TIMEOUT_SECONDS),
    ("GetDurableExecutionHistoryRequest", "MaxItems", 0, limits.MAX_PAGE_ITEMS),
    ("ListDurableExecutionsByFunctionRequest", "MaxItems", 0, limits.MAX_PAGE_ITEMS),
    ("ListFunctionsRequest", "MaxItems", 1, limits.MAX_FUNCTIONS_REQUESTED),
    ("OperationUpdate", "Id", 1, limits.MAX_ID_CHARACTERS),
    ("OperationUpdate", "Name", 1, limits.MAX_NAME_CHARACTERS),
    ("OperationUpdate", "SubType", 1, limits.MAX_SUB_TYPE_CHARACTERS),
    ("ChainedInvokeOptions", "FunctionName", 1, limits.MAX_NAME_CHARACTERS),
    ("ChainedInvokeOptions", "TenantId", 1, limits.MAX_NAME_CHARACTERS),
    ("InvocationRequest", "DurableExecutionName", 1, limits.MAX_EXECUTION_NAME_CHARACTERS),
    ("GetDurableExecutionResponse", "InputPayload", 0, limits.MAX_SYNCHRONOUS_PAYLOAD_BYTES),
    ("GetDurableExecutionResponse", "Result", 0, limits.MAX_SYNCHRONOUS_PAYLOAD_BYTES),
    ("SendDurableExecutionCallbackSuccessRequest", "Result", 0, limits.MAX_PAYLOAD_BYTES),
    ("PauseDurableExecutionRequest", "Reason", 0, limits.MAX_REASON_CHARACTERS),
    ("ResumeDurableExecutionRequest", "Reason", 0, limits.MAX_REASON_CHARACTERS),
    ("CreateAliasRequest", "Name", 1, limits.MAX_ALIAS_CHARACTERS),
]

PASSED_ON = re.compile(
    r"KMS|CodeArtifact|EC2|EFS|ENI|S3Files|SnapStart|Runtime|Subnet|InvalidRuntime|InvalidSecurityGroup|InvalidSubnet"
    r"|InvalidZipFile|ModeNotSupported|NoPublishedVersion|RecursiveInvocation|ResourceNotReady"
    r"|SerializedRequestEntityTooLarge|ServiceQuotaExceeded|UnsupportedMediaType"
)
"""Errors that no code of ours tells apart: they reach the caller with their code and status."""

OLDER_SYNCHRONOUS_SECONDS = {"1.44.5": 900, "1.44.6": 900, "1.44.7": 900}
"""The longest function timeout of earlier models; all later ones agree with ``limits``."""


def members(struct: Any) -> dict[str, Any]:
    """Map the API's names of a struct's fields to their types."""
    found = {}
    for field in msgspec.structs.fields(struct):
        name = field.encode_name
        if name == field.name:
            name = "".join(part.capitalize() for part in name.split("_"))
        found[SAME_NAMES.get(name, name)] = field.type
    return found


def struct_in(annotation: Any) -> Any:
    """Return the struct of a member's type, that of its items for a list; ``None`` if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    return next((found for each in get_args(annotation) if (found := struct_in(each))), None)


def item_of(shape: Shape) -> Shape:
    return shape.member if shape.type_name == "list" else shape


def compared() -> Iterator[tuple[str, Any]]:
    """Yield each shape of the model with our struct, those of members included."""
    left, seen = list(STRUCTS.items()), set[str]()
    while left:
        name, struct = left.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name, struct
        shape = SERVICE.shape_for(name)
        types = members(struct)
        for member, inner in shape.members.items():
            nested = struct_in(types.get(member))
            if nested is not None and item_of(inner).type_name == "structure":
                left.append((item_of(inner).name, nested))


@pytest.mark.parametrize(("name", "struct"), [*compared()])
def test_members_are_those_of_the_model(name: str, struct: Any) -> None:
    theirs = set(SERVICE.shape_for(name).members) - ELSEWHERE.get(name, {}).keys()
    ours = set(members(struct)) - FLATTENED.get(name, set()) - HEADERS.get(name, set())
    assert theirs - ours == set(), f"{INSTALLED}: {name} has members that ours has not: {CURE}"
    assert ours - theirs == set(), f"{INSTALLED}: {name} has no such members: remove or rename ours"


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_are_the_members_of_the_model(name: str) -> None:
    assert set(SERVICE.shape_for(name).members) == ARGUMENTS[name], f"{INSTALLED}: {name}: {CURE}"


def test_each_operation_on_executions_is_compared() -> None:
    names = {name for name in SERVICE.operation_names if "Durable" in name}
    assert names <= {*OPERATIONS}, f"{INSTALLED} has operations that ours has not: {CURE}"
    shapes = {shape.name for name in names for shape in _shapes(name) if shape.members}
    assert shapes <= {*STRUCTS, *ARGUMENTS}


def _shapes(name: str) -> list[Any]:
    model = operation(name)
    return [shape for shape in (model.input_shape, model.output_shape) if shape is not None]


@pytest.mark.parametrize("struct", [FunctionConfiguration, AliasConfiguration])
def test_the_members_of_functions_are_in_the_model(struct: Any) -> None:
    """Those that a function has only in AWS are left out of ours."""
    assert set(members(struct)) <= set(SERVICE.shape_for(struct.__name__).members)


@pytest.mark.parametrize("name", ENUMS)
def test_values_are_those_of_the_model(name: str) -> None:
    theirs = set(SERVICE.shape_for(name).metadata["enum"])
    assert theirs == ENUMS[name], f"{INSTALLED}: the values of {name} are others: {CURE}"


@pytest.mark.parametrize(("name", "member", "least", "most"), RANGES)
def test_limits_are_those_of_the_model(name: str, member: str, least: int, most: int) -> None:
    found = SERVICE.shape_for(name).members[member].metadata
    assert (found.get("min"), found.get("max")) == (least, most), (
        f"{INSTALLED}: {name}.{member} has another range: change protocol/limits.py and docs/limits.md"
    )


@pytest.mark.parametrize("name", OPERATIONS)
def test_errors_are_those_of_the_model(name: str) -> None:
    for shape in operation(name).error_shapes:
        status = shape.metadata["error"]["httpStatusCode"]
        if PASSED_ON.match(shape.name):
            assert shape.name not in error_codes.STATUS
        else:
            assert error_codes.STATUS.get(shape.name) == status, (
                f"{INSTALLED}: {name} answers with {shape.name}, {status}, which protocol/error_codes.py has"
                f" not: {CURE}"
            )


def test_every_code_of_ours_is_in_the_model() -> None:
    known = {shape.name for name in OPERATIONS for shape in operation(name).error_shapes}
    assert error_codes.STATUS.keys() <= known


def test_the_longest_function_timeout_is_that_of_the_documentation() -> None:
    text = SERVICE.shape_for("CreateFunctionRequest").members["Timeout"].documentation
    found = re.search(r"the maximum allowed value is ([\d,]+) seconds", text)
    assert found is not None, f"{INSTALLED} says it in other words: read them, and change this test"
    expected = OLDER_SYNCHRONOUS_SECONDS.get(
        botocore.__version__, limits.LONGEST_INVOCATION_SECONDS
    )
    assert int(found[1].replace(",", "")) == expected, (
        f"{INSTALLED} has another longest timeout: change LONGEST_INVOCATION_SECONDS and docs/limits.md"
    )


def test_a_synchronous_invoke_waits_for_its_response_as_long_as_a_function_may_run() -> None:
    limits_of_calls = []

    class Recording(LambdaClient):
        async def call(self, call: Call) -> Any:
            limits_of_calls.append(call.answer_within)
            return HttpResponse(status=200, headers={}, body=b"{}")

    client = Recording(endpoint=Endpoint.at("http://127.0.0.1:9", region="eu-west-1"))
    asyncio.run(LambdaControlPlane(client).invoke(InvokeRequest(function_name="orders:live")))
    assert limits_of_calls == [limits.LONGEST_INVOCATION_SECONDS + 30]


def test_the_peer_is_asked_for_a_sign_of_life_while_a_response_takes_long() -> None:
    """A NAT gateway drops a connection that is silent for 350 seconds."""
    with socket.socket() as sock:
        connection = PlainChannel(sock)
        assert connection.fileno() == sock.fileno()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, channel._KEEP_IDLE) <= 300


def test_a_new_member_would_be_told() -> None:
    class Older(msgspec.Struct, rename="pascal"):
        checkpoint_token: Literal["a"]

    with pytest.raises(AssertionError, match="has members that ours has not: take it over"):
        test_members_are_those_of_the_model("GetDurableExecutionStateRequest", Older)
