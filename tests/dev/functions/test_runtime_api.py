"""The Runtime API of a worker, over loopback, without processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from durable_execution_sdk.dev.functions.exchange import Exchange, Handover, handover
from durable_execution_sdk.dev.functions.runtime_api import RuntimeApi
from durable_execution_sdk.emulator.functions.invokers import Answer, Call
from durable_execution_sdk.protocol.error_object import ErrorObject

PREFIX = "/2018-06-01/runtime"


def call(request_id: str = "r1", **options: Any) -> Handover:
    made = Call(
        request_id=request_id,
        function_name="f",
        version="1",
        function_arn="arn:f:1",
        payload=b'{"a":1}',
        remaining=lambda: 1000,
        **options,
    )
    return handover(made, None, 3.0)


class Api:
    def __init__(self) -> None:
        self.drained = 0
        self.notes: list[bytes] = []
        self.exchange = Exchange(self.drain)
        self.server = RuntimeApi(self.exchange, lambda _, body: self.notes.append(body))
        self.address = ""

    def drain(self) -> None:
        self.drained += 1


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Api, httpx.AsyncClient]]:
    api = Api()
    api.address = await api.server.start()
    async with httpx.AsyncClient(base_url=f"http://{api.address}", timeout=10) as client:
        yield api, client
    api.exchange.close(Answer())
    api.server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others)


def run(test: Callable[[Api, httpx.AsyncClient], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            async with listening() as (api, client):
                await test(api, client)

    asyncio.run(main())


def test_an_invocation_has_lambdas_headers() -> None:
    async def test(api: Api, client: httpx.AsyncClient) -> None:
        api.exchange.offer(call(tenant_id="t", trace_header="Root=1-2-3;Parent=p;Sampled=1"))
        response = await client.get(f"{PREFIX}/invocation/next")
        assert response.status_code == 200
        assert response.json() == {"a": 1}
        headers = response.headers
        assert headers["Lambda-Runtime-Aws-Request-Id"] == "r1"
        assert headers["Lambda-Runtime-Invoked-Function-Arn"] == "arn:f:1"
        assert headers["Lambda-Runtime-Aws-Tenant-Id"] == "t"
        trace = headers["Lambda-Runtime-Trace-Id"]
        assert trace.startswith("Root=1-2-3;")
        assert "Parent=p;" not in trace
        assert int(headers["Lambda-Runtime-Deadline-Ms"]) > 0

    run(test)


def test_all_invocations_of_an_execution_are_of_one_trace() -> None:
    made = call().call

    def fields(arn: str | None, call: Call = made, **options: bool) -> dict[str, str]:
        header = handover(call, arn, 3.0, **options).trace_header
        return dict(field.split("=", 1) for field in header.split(";"))

    first, second = fields("arn:1"), fields("arn:1")
    assert first["Root"] == second["Root"] != fields("arn:2")["Root"]
    assert first["Parent"] != second["Parent"]
    assert fields(None)["Root"] != fields(None)["Root"]
    assert (first["Sampled"], fields("arn:1", is_sampled=True)["Sampled"]) == ("0", "1")
    of_a_caller = msgspec.structs.replace(made, trace_header="Root=1-2-3;Sampled=0")
    assert fields("arn:1", of_a_caller, is_sampled=True)["Root"] == "1-2-3"
    assert fields("arn:1", of_a_caller, is_sampled=True)["Sampled"] == "0"


@pytest.mark.parametrize("value", ["t\u00e9", "\u20ac", "a\r\nInjected: yes", "\x00\x7f"])
def test_a_value_that_no_header_can_have_does_not_keep_the_call_back(value: str) -> None:
    async def test(api: Api, client: httpx.AsyncClient) -> None:
        answer = api.exchange.offer(call(tenant_id=value, trace_header=f"Root={value}"))
        response = await client.get(f"{PREFIX}/invocation/next")
        assert response.status_code == 200
        assert "Injected" not in response.headers
        assert "?" in response.headers["Lambda-Runtime-Aws-Tenant-Id"]
        await client.post(f"{PREFIX}/invocation/r1/response", content=b"1")
        assert (await answer).payload == b"1"

    run(test)


def test_a_failure_that_is_nested_too_deeply_keeps_its_text() -> None:
    async def test(api: Api, client: httpx.AsyncClient) -> None:
        answer = api.exchange.offer(call())
        await client.get(f"{PREFIX}/invocation/next")
        body = b'{"stackTrace": ' + b"[" * 100_000
        response = await client.post(f"{PREFIX}/invocation/r1/error", content=body)
        assert response.status_code == 202
        error = (await answer).error
        assert error is not None
        assert error.error_type == "Runtime.Unknown"

    run(test)


def test_the_answer_resolves_the_invocation_after_the_output_is_read() -> None:
    async def test(api: Api, client: httpx.AsyncClient) -> None:
        answer = api.exchange.offer(call())
        await client.get(f"{PREFIX}/invocation/next")
        assert api.drained == 0
        response = await client.post(f"{PREFIX}/invocation/r1/response", content=b'"yes"')
        assert response.status_code == 202
        assert api.drained == 1
        assert (await answer) == Answer(payload=b'"yes"')
        again = await client.post(f"{PREFIX}/invocation/r1/response", content=b'"no"')
        assert (again.status_code, again.json()["errorType"]) == (400, "InvalidRequestID")

    run(test)


def test_a_chunked_answer_and_a_failure_are_read() -> None:
    async def test(api: Api, client: httpx.AsyncClient) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield b'"ab'
            yield b'c"'

        answer = api.exchange.offer(call("one"))
        await client.get(f"{PREFIX}/invocation/next")
        await client.post(f"{PREFIX}/invocation/one/response", content=chunks())
        assert (await answer).payload == b'"abc"'
        answer = api.exchange.offer(call("two"))
        await client.get(f"{PREFIX}/invocation/next")
        body = {"errorType": "E", "errorMessage": "m", "stackTrace": ["a", ["f", 1, "g", "h"]]}
        await client.post(f"{PREFIX}/invocation/two/error", json=body)
        error = (await answer).error
        assert error == ErrorObject(
            error_type="E", error_message="m", stack_trace=["a", "['f', 1, 'g', 'h']"]
        )

    run(test)


def test_a_failure_that_is_no_json_keeps_its_text() -> None:
    async def test(api: Api, client: httpx.AsyncClient) -> None:
        response = await client.post(
            f"{PREFIX}/init/error",
            content=b"it \xff broke",
            headers={"Lambda-Runtime-Function-Error-Type": "Runtime.Custom"},
        )
        assert response.status_code == 202
        error = api.exchange.init_error
        assert error is not None
        assert (error.error_type, error.error_message) == (
            "Runtime.Custom",
            "it \N{REPLACEMENT CHARACTER} broke",
        )

    run(test)


def test_a_client_that_is_gone_does_not_take_the_call() -> None:
    async def test(api: Api, client: httpx.AsyncClient) -> None:
        host, port = api.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {PREFIX}/invocation/next HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await writer.drain()
        while not api.exchange.is_ready:
            await asyncio.sleep(0)
        writer.close()
        await writer.wait_closed()
        # The end of the connection reaches the server before anything that is sent after it.
        await client.post("/nothing")
        answer = api.exchange.offer(call())
        await client.get(f"{PREFIX}/invocation/next")
        await client.post(f"{PREFIX}/invocation/r1/response", content=b"1")
        assert (await answer).payload == b"1"

    run(test)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{PREFIX}/invocation/next"),
        ("POST", f"{PREFIX}/invocation/r1/response"),
        ("POST", f"{PREFIX}/init/error"),
        ("POST", "/durable/2026-11-01/notes"),
    ],
)
def test_a_web_page_is_refused(headers: dict[str, str], method: str, path: str) -> None:
    async def test(api: Api, client: httpx.AsyncClient) -> None:
        answer = api.exchange.offer(call())
        response = await client.request(method, path, headers=headers, content=b'"x"')
        assert response.status_code == 403
        assert json.loads(response.content)["errorType"] == "AccessDenied"
        assert not answer.done()
        assert api.notes == []
        assert api.exchange.init_error is None

    run(test)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("POST", "/2018-06-01/runtime/invocation/next"), ("PUT", "/x"), ("POST", "/x")],
)
def test_unknown_requests_are_refused_in_words(method: str, path: str) -> None:
    async def test(api: Api, client: httpx.AsyncClient) -> None:
        response = await client.request(method, path)
        assert response.status_code == 404
        assert f"{method} {path}" in response.json()["errorMessage"]

    run(test)


def test_a_client_is_ready_from_its_first_request_and_not_from_its_first_call() -> None:
    async def test(api: Api, client: httpx.AsyncClient) -> None:
        assert api.exchange.ready_at is None
        asking = asyncio.create_task(client.get(f"{PREFIX}/invocation/next"))
        while not api.exchange.is_ready:
            await asyncio.sleep(0)
        ready_at = api.exchange.ready_at
        assert ready_at is not None
        api.exchange.offer(call())
        await asking
        await client.post(f"{PREFIX}/invocation/r1/response", content=b"1")
        api.exchange.offer(call("r2"))
        await client.get(f"{PREFIX}/invocation/next")
        assert api.exchange.ready_at == ready_at

    run(test)
