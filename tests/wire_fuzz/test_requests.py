"""Mutated requests to the server: responses that the API documents, and no internal errors."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from random import Random
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.server.server_rig import ServerRig, callback, execution, invocations
from tests.wire_fuzz.mutation import as_bytes, bounded_memory, mangled, mutated, seeds

from durable_execution_sdk.server.application import application
from durable_execution_sdk.server.backend import Backend


def token_of(server_rig: ServerRig, arn: str) -> str:
    return base64.b64encode(json.dumps(["run", 1, 0]).encode()).decode()


def update(**members: Any) -> dict[str, Any]:
    return {"Id": "s", "Type": "STEP", "Action": "SUCCEED", "Payload": "1"} | members


def requests(
    server_rig: ServerRig, arn: str, callback_id: str
) -> list[tuple[str, str, dict[str, str], Any]]:
    """Return a valid request of each operation: method, path, query, body."""
    token = token_of(server_rig, arn)
    updates = [
        update(),
        update(Id="w", Type="WAIT", Action="START", WaitOptions={"WaitSeconds": 3}),
        update(Id="c", Type="CALLBACK", Action="START", CallbackOptions={"TimeoutSeconds": 9}),
        update(
            Id="i",
            Type="CHAINED_INVOKE",
            Action="START",
            ChainedInvokeOptions={"FunctionName": "greet:$LATEST"},
        ),
        update(Id="x", Action="FAIL", Error={"ErrorType": "E", "StackTrace": ["a"]}),
        update(Id="r", Action="RETRY", StepOptions={"NextAttemptDelaySeconds": 5}),
    ]
    error = {"ErrorType": "E", "ErrorMessage": "m", "ErrorData": "d", "StackTrace": ["s"]}
    return [
        (
            "POST",
            execution(arn, "/checkpoint"),
            {},
            {"CheckpointToken": token, "Updates": updates, "ClientToken": "t"},
        ),
        ("GET", execution(arn, "/state"), {"CheckpointToken": token, "MaxItems": "5"}, None),
        ("POST", invocations("greet"), {}, {"who": "you"}),
        ("POST", invocations(), {"Qualifier": "$LATEST"}, {"do": "add"}),
        ("GET", execution(arn), {"IncludeExecutionData": "true"}, None),
        ("GET", execution(arn, "/history"), {"MaxItems": "3", "ReverseOrder": "true"}, None),
        (
            "GET",
            "/2025-12-01/functions/workflow/durable-executions",
            {"Statuses": "RUNNING", "MaxItems": "3", "StartedAfter": "2026-01-01T00:00:00Z"},
            None,
        ),
        ("POST", execution(arn, "/stop"), {}, error),
        ("POST", execution(arn, "/pause"), {}, {"Reason": "lunch", "ClientToken": "t"}),
        ("POST", execution(arn, "/resume"), {}, {"Reason": "work"}),
        ("DELETE", execution(arn), {}, None),
        ("POST", callback(callback_id, "succeed"), {}, "yes"),
        ("POST", callback(callback_id, "fail"), {}, error),
        ("POST", callback(callback_id, "heartbeat"), {}, None),
    ]


METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]
HEADERS = {
    "X-Amz-Invocation-Type": ["Event", "RequestResponse", "DryRun", "Never", ""],
    "X-Amz-Durable-Execution-Name": ["n", "", "a b", "x" * 70, "\x7f"],
    "X-Amz-Tenant-Id": ["t", ""],
    "Content-Type": ["application/json", "text/xml", ""],
}


def varied(template: tuple[str, str, dict[str, str], Any], chance: Random) -> dict[str, Any]:
    method, path, query, body = template
    if chance.random() < 0.15:
        method = chance.choice(METHODS)
    if chance.random() < 0.25:
        segments = path.split("/")
        at = chance.randrange(len(segments))
        broken = mangled(segments[at].encode(), chance).decode("utf-8", "replace")
        segments[at] = chance.choice(
            (quote(broken, safe=""), "%ED%A0%80", "%", "", segments[at] * 2)
        )
        path = "/".join(segments)
    if query and chance.random() < 0.5:
        name = chance.choice(list(query))
        query = query | {
            name: chance.choice(
                ("", "-1", "9" * 30, "x", "true", "\x00", "é", "2026", query[name] * 2)
            )
        }
    content = b"" if body is None else as_bytes(mutated(body, chance))
    if chance.random() < 0.3:
        content = mangled(content, chance)
    headers = {
        name: chance.choice(values) for name, values in HEADERS.items() if chance.random() < 0.3
    }
    # A synchronous invoke of a durable function would wait forever: no driver runs it.
    headers.setdefault("X-Amz-Invocation-Type", "Event")
    if headers["X-Amz-Invocation-Type"] in {"RequestResponse", ""}:
        headers["X-Amz-Invocation-Type"] = "Event"
    return {"method": method, "url": path, "params": query, "content": content, "headers": headers}


class RenewedServer:
    """A server with an execution, renewed regularly: requests stop executions and fill the store."""

    def __init__(self) -> None:
        self.server_rig = ServerRig()
        self.arn = self.server_rig.begin({"do": "ask"})
        self.requests = requests(self.server_rig, self.arn, self.server_rig.callback_id(self.arn))


async def play(caplog: pytest.LogCaptureFixture) -> None:
    for block in batches(list(seeds()), 200):
        renewed = RenewedServer()
        with Backend(renewed.server_rig.driver) as backend:
            transport = httpx.ASGITransport(application(backend), raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                for seed in block:
                    await one(client, renewed, seed)
        problems = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert not problems, problems


async def one(client: httpx.AsyncClient, renewed: RenewedServer, seed: int) -> None:
    chance = Random(f"request {seed}")
    request = varied(chance.choice(renewed.requests), chance)
    try:
        built = client.build_request(**request)
    except (httpx.InvalidURL, UnicodeEncodeError, ValueError):
        return  # no client could send it
    answer = await asyncio.wait_for(client.send(built), 20)
    where = f"WIRE_FUZZ_FROM={seed} WIRE_FUZZ=1: {request!r:.1500} -> {answer.status_code} {answer.text:.300}"
    assert answer.status_code < 500, where
    if answer.status_code >= 400:
        if "x-amzn-errortype" not in answer.headers:
            assert answer.status_code == 404, where  # none of Lambda's paths
        elif built.method != "HEAD":
            body = json.loads(answer.content)
            assert body["Type"] == "User", where
            assert body.get("message") or body.get("Message"), where


def batches(values: list[int], size: int) -> list[list[int]]:
    return [values[at : at + size] for at in range(0, len(values), size)]


def test_a_mutated_request_has_a_documented_answer(caplog: pytest.LogCaptureFixture) -> None:
    with bounded_memory():
        asyncio.run(play(caplog))


def test_every_request_is_good_before_it_is_mutated() -> None:
    """The unmutated requests reach their operations."""
    renewed = RenewedServer()
    statuses = [
        renewed.server_rig.call(
            method, path, params=query, content=b"" if body is None else as_bytes(body)
        ).status_code
        for method, path, query, body in renewed.requests
        if "functions" not in path or "greet" in path
    ]
    assert all(status < 500 for status in statuses)
    assert sum(status < 300 for status in statuses) >= 5
