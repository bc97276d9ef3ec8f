"""The next page of the state is requested before a page is decoded."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.aws.conftest import Answer, Loopback

from durable_execution_sdk.aws import LambdaClient
from durable_execution_sdk.aws.data_plane import LambdaDataPlane
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.data_plane import StateRequest

REQUEST = StateRequest(
    durable_execution_arn="arn:aws:lambda:eu-west-1:1:function:f:1/durable-execution/n/r",
    checkpoint_token="token",
    marker="first",
)


def page(number: int, marker: str | None) -> Answer:
    operation = {"Id": str(number), "Type": "STEP", "Status": "SUCCEEDED"}
    return Answer.http(body=json.dumps({"Operations": [operation], "NextMarker": marker}).encode())


async def until_asked(server: Loopback, times: int) -> None:
    for _ in range(1_000):
        if len(server.requests) == times:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"{len(server.requests)} requests instead of {times}")


def test_the_next_page_is_requested_in_advance(server: Loopback, client: LambdaClient) -> None:
    server.answers.extend([page(1, "second"), page(2, "third"), page(3, None)])
    plane = LambdaDataPlane(client)

    async def main() -> list[str]:
        first = await plane.get_state(REQUEST)
        await until_asked(server, 2)
        operation_ids = [first.operations[0].id]
        marker = first.next_marker
        while marker:
            next_request = StateRequest(
                durable_execution_arn=REQUEST.durable_execution_arn,
                checkpoint_token="token",
                marker=marker,
            )
            page = await plane.get_state(next_request)
            operation_ids.append(page.operations[0].id)
            marker = page.next_marker
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return operation_ids

    assert asyncio.run(main()) == ["1", "2", "3"]
    assert ["Marker=first", "Marker=second", "Marker=third"] == [
        next(part for part in request.target.split("&") if "Marker" in part).rpartition("?")[2]
        for request in server.requests
    ]


def test_a_page_that_was_requested_in_advance_and_is_not_needed_is_cancelled(
    server: Loopback, client: LambdaClient
) -> None:
    server.answers.extend([page(1, "second"), page(2, None), page(9, None)])
    plane = LambdaDataPlane(client)

    async def main() -> str:
        await plane.get_state(REQUEST)
        other = StateRequest(
            durable_execution_arn=REQUEST.durable_execution_arn, checkpoint_token="another"
        )
        await until_asked(server, 2)
        page = await plane.get_state(other)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return page.operations[0].id

    assert asyncio.run(main()) == "9"


def test_a_page_that_makes_no_sense_leaves_no_call_behind(
    server: Loopback, client: LambdaClient
) -> None:
    server.answers.append(Answer.http(body=b'{"Operations": [{"Id": 1}], "NextMarker": "more"}'))
    plane = LambdaDataPlane(client)

    async def main() -> None:
        with pytest.raises(ServiceError, match="not an answer"):
            await plane.get_state(REQUEST)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_page_asked_for_in_a_loop_that_has_ended_is_asked_for_again(
    server: Loopback, client: LambdaClient
) -> None:
    server.answers.extend([page(1, "second")])
    server.usual = page(2, None)
    plane = LambdaDataPlane(client)
    first = asyncio.run(plane.get_state(REQUEST))
    next_request = StateRequest(
        durable_execution_arn=REQUEST.durable_execution_arn,
        checkpoint_token="token",
        marker=first.next_marker,
    )
    assert asyncio.run(plane.get_state(next_request)).operations[0].id == "2"
