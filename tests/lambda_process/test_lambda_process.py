"""A function in AWS's own runtime interface client, with the embedded engine as the service.

The function runs in a real process with its real client over HTTP; only the service's time is virtual.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.lambda_process.sandbox import Sandbox

from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.invokers import Answer, Call
from durable_execution_sdk.emulator.functions.registry import Function, Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.protocol.control_plane import HistoryRequest
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.server.http_server import Server, serve

TASK = Path(__file__).parent / "task"


class Line:
    """Records the connections of the function's checkpoints."""

    def __init__(self, app: ASGIApp, connections: list[Any]) -> None:
        self._app = app
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith("/checkpoint"):
            self._connections.append(scope["client"])
        await self._app(scope, receive, send)


@dataclass
class Ran:
    """Outcome of an execution."""

    arn: str
    result: Any
    events: list[HistoryEvent]

    @property
    def types(self) -> list[str]:
        return [event.event_type for event in self.events]


@dataclass
class Region:
    """A service with one function, in a process of its own."""

    emulator: Emulator
    server: Server
    sandbox: Sandbox
    connections: list[Any] = field(default_factory=list)

    def run(self, event: Any) -> Ran:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port)
        path = "/2015-03-31/functions/shop/invocations?Qualifier=%24LATEST"
        connection.request("POST", path, json.dumps(event))
        answer = connection.getresponse()
        arn = answer.headers["X-Amz-Durable-Execution-Arn"]
        body = json.loads(answer.read())
        connection.close()
        assert answer.headers["X-Amz-Function-Error"] is None, body
        page = self.emulator.history(HistoryRequest(durable_execution_arn=arn, max_items=1000))
        return Ran(arn=arn, result=body, events=page.events)


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    functions = Functions()
    emulator = Emulator(MemoryStore(), VirtualClock(), functions)
    connections: list[Any] = []
    middleware = [Middleware(Line, connections=connections)]
    with serve(Driver(emulator), workers=1, middleware=middleware) as server:
        log = tmp_path / "log"
        with Sandbox(TASK, "shop.handler", log=log, AWS_ENDPOINT_URL_LAMBDA=server.url) as sandbox:
            functions.add_function(
                Function(name="shop", durable=True, connect=lambda _: sandbox, timeout=60)
            )
            yield Region(emulator, server, sandbox, connections)


def test_a_workflow_suspends_and_resumes_in_one_process_over_one_connection(region: Region) -> None:
    cold = region.run({"order_id": "A1", "amount": 7})
    warm = region.run({"order_id": "B2", "amount": 9})

    assert (cold.result["status"], cold.result["reservation"]) == ("free", "A1-7")
    assert warm.result["reservation"] == "B2-9"
    assert cold.result["process"] == warm.result["process"] != os.getpid()
    assert region.sandbox.starts == 1
    assert len(region.connections) >= 8 and len(set(region.connections)) == 1

    attempt = ["StepStarted", "StepFailed", "InvocationCompleted"]
    assert cold.types == warm.types
    assert cold.types == [
        "ExecutionStarted",
        *attempt,
        *attempt,
        "StepStarted",
        "StepSucceeded",
        "WaitStarted",
        "InvocationCompleted",
        "WaitSucceeded",
        "InvocationCompleted",
        "ExecutionSucceeded",
    ]

    logged = region.sandbox.lines()
    assert [line["message"] for line in logged] == [
        "order received",
        "reserving, attempt 1",
        "reserving, attempt 2",
        "reserving, attempt 3",
        "cooled off",
    ] * 2
    assert [line["executionArn"] for line in logged] == [cold.arn] * 5 + [warm.arn] * 5
    assert all(line["level"] == "INFO" and line["requestId"] for line in logged)
    assert len({line["requestId"] for line in logged}) == 8
    assert [line.get("attempt") for line in logged[:5]] == [None, 1, 2, 3, None]
    assert {line["operation_name"] for line in logged[1:4]} == {"reserve"}


def test_a_process_killed_in_an_at_most_once_step_does_not_run_it_again(region: Region) -> None:
    with socket.create_server(("127.0.0.1", 0)) as provider:
        ran: list[Ran] = []
        event = {"order_id": "C3", "amount": 5, "payment_port": provider.getsockname()[1]}
        customer = threading.Thread(target=lambda: ran.append(region.run(event)))
        customer.start()
        charged, _ = provider.accept()
        region.sandbox.kill()
        customer.join()
        charged.close()
        provider.setblocking(False)
        with pytest.raises(BlockingIOError):
            provider.accept()

    [execution] = ran
    assert execution.result["status"] == "ask the provider"
    assert region.sandbox.starts == 2
    errors = [
        event.invocation_completed_details.error.payload
        for event in execution.events
        if event.invocation_completed_details is not None
        and event.invocation_completed_details.error is not None
        and event.invocation_completed_details.error.payload is not None
    ]
    assert [error.error_type for error in errors] == ["Runtime.ExitError"]
    charges = [event.event_type for event in execution.events if event.name == "charge"]
    assert charges == ["StepStarted", "StepFailed"]
    assert [line["message"] for line in region.sandbox.lines()].count("cooled off") == 1


def test_a_step_that_the_provider_answers_succeeds(region: Region) -> None:
    with socket.create_server(("127.0.0.1", 0)) as provider:

        def answer() -> None:
            connection, _ = provider.accept()
            with connection:
                connection.sendall(b"paid")

        answering = threading.Thread(target=answer)
        answering.start()
        port = provider.getsockname()[1]
        ran = region.run({"order_id": "D4", "amount": 5, "payment_port": port})
        answering.join()
    assert ran.result["status"] == "paid"


def test_a_handler_that_cannot_be_loaded_fails_the_invocation_with_the_reason(
    tmp_path: Path,
) -> None:
    call = Call(
        request_id="1",
        function_name="shop",
        version="$LATEST",
        function_arn="arn:aws:lambda:us-east-1:123456789012:function:shop:$LATEST",
        payload=b"{}",
        remaining=lambda: 60_000,
    )
    with Sandbox(TASK, "nowhere.handler", log=tmp_path / "log") as sandbox:
        answer: Answer = sandbox(call)
    assert answer.error is not None
    assert answer.error.error_type == "Runtime.ImportModuleError"
    assert "nowhere" in (answer.error.error_message or "")
