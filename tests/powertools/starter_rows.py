"""Programs for the table about batches, with the starter of the page against a server of Lambda's API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.powertools.page import module_of_the_page
from tests.powertools.queue import sqs_event
from tests.rig import Rig

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.emulator.functions.invokers import Call, LambdaContext
from durable_execution_sdk.protocol.control_plane import ListRequest
from durable_execution_sdk.server.http_server import serve


@durable_execution
async def order(event: dict[str, Any], ctx: DurableContext) -> str:
    return str(event["id"])


@contextmanager
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Rig, Callable[[Any], Any]]]:
    """Serve the function ``order``, and give the starter that starts it."""
    rig = Rig(order, others={"order": order})
    for name, value in {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }.items():
        monkeypatch.setenv(name, value)
    with serve(rig.driver, workers=0) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
        starter = module_of_the_page().starter
        call = Call(
            request_id="request",
            function_name="starter",
            version="1",
            function_arn="arn:aws:lambda:us-east-1:123456789012:function:starter:1",
            payload=b"",
            remaining=lambda: 10_000,
        )
        yield rig, lambda event: starter(event, LambdaContext(call))


def executions(rig: Rig) -> list[str]:
    page = rig.emulator.list_executions(ListRequest(function_name="order"))
    return sorted(execution.durable_execution_name for execution in page.durable_executions)


def started_once(monkeypatch: pytest.MonkeyPatch) -> str:
    event = sqs_event({"id": "A"}, {"id": "B"})
    with served(monkeypatch) as (rig, starter):
        for _ in range(2):
            assert starter(event) == {"batchItemFailures": []}
        return "once" if executions(rig) == ["message-0", "message-1"] else str(executions(rig))


def other_input(monkeypatch: pytest.MonkeyPatch) -> str:
    with served(monkeypatch) as (rig, starter):
        starter(sqs_event({"id": "A"}, {"id": "B"}))
        answer = starter(sqs_event({"id": "A"}, {"id": "C"}))
        assert executions(rig) == ["message-0", "message-1"]
    return (
        "told"
        if answer == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}
        else str(answer)
    )


ROWS: dict[str, Callable[[pytest.MonkeyPatch], str]] = {
    "`process_partial_response` in a starter, a message that comes twice": started_once,
    "the same, a name that is taken with another input": other_input,
}
