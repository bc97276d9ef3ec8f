"""Functions as Lambda's API describes and lists them, to botocore."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest
from msgspec.structs import replace
from tests.server.server_rig import ServerRig

ARN = "arn:aws:lambda:us-east-1:123456789012:function"


def test_a_durable_function_is_described_with_its_limits(api: Any) -> None:
    configuration = api.get_function(FunctionName="workflow")["Configuration"]
    assert configuration == {
        "FunctionName": "workflow",
        "FunctionArn": f"{ARN}:workflow",
        "Version": "$LATEST",
        "Timeout": 1_800,
        "MemorySize": 128,
        "PackageType": "Zip",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "DurableConfig": {"ExecutionTimeout": 31_622_400, "RetentionPeriodInDays": 14},
    }


def test_a_plain_function_has_no_durable_configuration(api: Any) -> None:
    assert "DurableConfig" not in api.get_function(FunctionName="greet")["Configuration"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("workflow", {"Qualifier": "$LATEST"}),
        ("workflow:$LATEST", {}),
        (f"{ARN}:workflow:$LATEST", {}),
        ("123456789012:function:workflow:$LATEST", {}),
    ],
)
def test_a_qualified_name_gives_the_qualified_arn(
    api: Any, name: str, options: dict[str, str]
) -> None:
    configuration = api.get_function(FunctionName=name, **options)["Configuration"]
    assert configuration["FunctionArn"] == f"{ARN}:workflow:$LATEST"


@pytest.mark.parametrize("call", ["get_function", "list_versions_by_function"])
def test_an_unknown_function_is_refused_as_lambda_does(api: Any, call: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        getattr(api, call)(FunctionName="nope")
    assert raised.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert raised.value.response["Error"]["Message"] == f"Function not found: {ARN}:nope"


def test_functions_are_listed_by_name(api: Any) -> None:
    listed = api.list_functions()["Functions"]
    assert [each["FunctionArn"] for each in listed] == [
        f"{ARN}:greet",
        f"{ARN}:other",
        f"{ARN}:workflow",
    ]
    versions = api.list_functions(FunctionVersion="ALL")["Functions"]
    assert [each["FunctionArn"] for each in versions] == [
        f"{each['FunctionArn']}:$LATEST" for each in listed
    ]


def test_pages_of_one_give_every_function_once(api: Any) -> None:
    paginator = api.get_paginator("list_functions")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 1}))
    assert [[each["FunctionName"] for each in page["Functions"]] for page in pages] == [
        ["greet"],
        ["other"],
        ["workflow"],
    ]


def test_versions_are_listed_with_qualified_arns(api: Any) -> None:
    for name in ("workflow", f"{ARN}:workflow"):
        answer = api.list_versions_by_function(FunctionName=name)
        assert [each["FunctionArn"] for each in answer["Versions"]] == [f"{ARN}:workflow:$LATEST"]
        assert "NextMarker" not in answer


def test_a_function_that_comes_between_two_pages_shifts_nothing(server_rig: ServerRig) -> None:
    path = "/2015-03-31/functions"
    first = server_rig.call("GET", path, params={"MaxItems": "2"}).json()
    server_rig.emulator.functions.add_plain("another", lambda event, context: None)
    rest = server_rig.call("GET", path, params={"Marker": first["NextMarker"]}).json()
    assert [each["FunctionName"] for each in rest["Functions"]] == ["workflow"]


def test_published_versions_are_listed_after_the_latest(server_rig: ServerRig) -> None:
    functions = server_rig.emulator.functions
    latest = functions.get("greet")
    assert latest is not None
    for version, seconds in (("10", 10), ("2", 2)):
        functions.add_version(version, replace(latest, timeout=seconds))
    path = "/2015-03-31/functions/greet/versions"
    first = server_rig.call("GET", path, params={"MaxItems": "2"}).json()
    rest = server_rig.call("GET", path, params={"Marker": first["NextMarker"]}).json()
    versions = first["Versions"] + rest["Versions"]
    assert [each["FunctionArn"].rpartition(":")[2] for each in versions] == ["$LATEST", "2", "10"]
    assert [each["Timeout"] for each in versions] == [1_800, 2, 10]
    described = server_rig.call("GET", "/2015-03-31/functions/greet:2").json()["Configuration"]
    assert (described["Version"], described["Timeout"]) == ("2", 2)


def test_a_page_has_fifty_functions_at_most(server_rig: ServerRig) -> None:
    for number in range(60):
        server_rig.emulator.functions.add_plain(f"f{number}", lambda event, context: None)
    page = server_rig.call("GET", "/2015-03-31/functions", params={"MaxItems": "10000"}).json()
    assert len(page["Functions"]) == 50


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"MaxItems": "10001"}, "Invalid MaxItems 10001"),
        ({"MaxItems": "many"}, "MaxItems is a whole number"),
        ({"Marker": "x"}, "Invalid Marker"),
        ({"FunctionVersion": "1"}, "FunctionVersion is ALL"),
        ({"MasterRegion": "us-east-1"}, "MasterRegion needs FunctionVersion=ALL"),
    ],
)
def test_what_lambda_refuses_is_refused(
    server_rig: ServerRig, query: dict[str, str], message: str
) -> None:
    answer = server_rig.call("GET", "/2015-03-31/functions", params=query)
    assert (answer.status_code, message in answer.json()["message"]) == (400, True)


def test_there_are_no_replicas_at_the_edge(server_rig: ServerRig) -> None:
    query = {"MasterRegion": "us-east-1", "FunctionVersion": "ALL"}
    answer = server_rig.call("GET", "/2015-03-31/functions", params=query)
    assert answer.json() == {"Functions": []}
