from __future__ import annotations

from urllib.parse import quote

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.server.routes import ROUTES, find_route

OTHERS = {"Invoke", "GetFunction", "ListFunctions", "ListVersionsByFunction", "ListAliases"}
MODEL = botocore.session.Session().get_service_model("lambda")


def test_every_operation_of_the_durable_api_has_a_route_and_no_route_is_made_up() -> None:
    described = {
        (name, http["method"], http["requestUri"])
        for name in MODEL.operation_names
        if (http := MODEL.operation_model(name).http)
        if name in OTHERS or "DurableExecution" in name
    }
    assert len(described) == 17
    assert {(route.operation, route.method, route.template) for route in ROUTES} == described


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_a_path_leads_to_its_own_route(route: object) -> None:
    path = route.template.replace("{", "").replace("}", "").encode()
    assert find_route(route.method, path)[0] is route


@given(st.text(min_size=1))
def test_whatever_is_in_a_segment_comes_out_as_it_went_in(text: str) -> None:
    path = f"/2025-12-01/durable-execution-callbacks/{quote(text, safe='')}/succeed"
    route, variables = find_route("POST", path.encode())
    assert route.operation == "SendDurableExecutionCallbackSuccess"
    assert variables == {"CallbackId": text}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", b"/2025-12-01/durable-executions"),
        ("PUT", b"/2025-12-01/durable-executions/arn"),
        ("GET", b"/2025-12-01/durable-executions/arn/checkpoint"),
        ("GET", b"/2025-12-01/durable-executions/arn/"),
        ("GET", b"/2024-12-01/durable-executions/arn"),
        ("POST", b"/2015-03-31/functions"),
    ],
)
def test_what_is_not_in_the_table_is_an_unknown_operation(method: str, path: bytes) -> None:
    with pytest.raises(ServiceError) as raised:
        find_route(method, path)
    assert (raised.value.code, raised.value.status) == ("UnknownOperationException", 404)
    assert method in raised.value.message and path.decode() in raised.value.message


def test_an_arn_that_was_not_encoded_is_not_mistaken_for_a_longer_path() -> None:
    arn = b"arn:aws:lambda:us-east-1:123456789012:function:f:1/durable-execution/name/id"
    with pytest.raises(ServiceError, match="no operation"):
        find_route("GET", b"/2025-12-01/durable-executions/" + arn)


def test_a_segment_that_is_no_utf_8_is_refused() -> None:
    with pytest.raises(ServiceError) as raised:
        find_route("GET", b"/2025-12-01/durable-executions/%FF")
    assert raised.value.code == "InvalidParameterValueException"
