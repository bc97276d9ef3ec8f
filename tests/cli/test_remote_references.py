"""The references of executions at an endpoint whose list has many pages, some of them empty."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from tests.client.shop import order
from tests.rig import Rig

from durable_execution_sdk.cli.refusals import Refusal
from durable_execution_sdk.cli.remote.executions import ExecutionReference
from durable_execution_sdk.client.endpoint_connection import EndpointConnection, EndpointOptions
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.protocol.control_plane import ListPage, ListRequest


class EmptyPages(EmulatorControlPlane):
    """The control plane of a rig that has an empty page before each page of one execution, and does not filter."""

    async def list_executions(self, request: ListRequest) -> ListPage:
        kind, _, marker = (request.marker or "empty:").partition(":")
        if kind == "empty":
            return ListPage(durable_executions=[], next_marker=f"full:{marker}")
        asked = replace(
            request, marker=marker or None, max_items=1, durable_execution_name=None, statuses=[]
        )
        page = await super().list_executions(asked)
        return replace(page, next_marker=page.next_marker and f"empty:{page.next_marker}")


def connection(rig: Rig) -> EndpointConnection:
    made = EndpointConnection(None, EndpointOptions(url="http://127.0.0.1:1"))
    made.control = EmptyPages(rig.driver)  # type: ignore[assignment]  # answers in place of the endpoint
    return made


def test_an_execution_is_found_on_any_page() -> None:
    rig = Rig(order)
    arns = [rig.start({"id": "A", "amount": number}, f"n-{number}") for number in range(4)]
    for text, arn in (("n-0", arns[0]), ("n-3", arns[3]), ("@last", arns[3])):
        found = asyncio.run(ExecutionReference(f"workflow/{text}").find(connection(rig)))
        assert found.arn == arn


def test_an_execution_that_is_on_no_page_is_refused_with_near_names() -> None:
    rig = Rig(order)
    with pytest.raises(Refusal, match="workflow has no executions at"):
        asyncio.run(ExecutionReference("workflow/@last").find(connection(rig)))
    rig.start({"id": "A", "amount": 1}, "first-order")
    rig.start({"id": "A", "amount": 2}, "another")
    with pytest.raises(Refusal, match=r"no execution 'first-ordr' at .*did you mean 'first-order'"):
        asyncio.run(ExecutionReference("workflow/first-ordr").find(connection(rig)))
