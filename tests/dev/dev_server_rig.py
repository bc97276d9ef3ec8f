"""A development server with functions of the test's own process, and clients of its routes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from durable_execution_sdk import (
    CompletionConfig,
    DurableContext,
    Duration,
    FixedDelay,
    MapConfig,
    NoRetry,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.dev.server import DevServer, ServerOptions
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest

PATIENCE = 30


class DeclinedError(Exception):
    """Fails a step."""


def charge() -> str:
    raise DeclinedError("no money")


async def group(ctx: DurableContext) -> int:
    def one() -> int:
        return 1

    return await ctx.step(one)


@durable_execution
async def order(event: Any, ctx: DurableContext) -> Any:
    await ctx.run_in_child_context(group, name="group")
    try:
        await ctx.step(charge, config=StepConfig(retry_strategy=NoRetry()))
    except DeclinedError:
        pass
    return await (await ctx.create_callback(name="approval"))


@durable_execution
async def support(event: Any, ctx: DurableContext) -> Any:
    return [await ctx.inbox("tickets").get(), await ctx.inbox("tickets").get()]


@durable_execution
async def outer(event: Any, ctx: DurableContext) -> Any:
    return await ctx.invoke("order:$LATEST", {"from": "outer"}, name="inner")


@durable_execution
async def retries(event: Any, ctx: DurableContext) -> Any:
    config = StepConfig(retry_strategy=FixedDelay(delay=Duration.from_hours(1)))
    return await ctx.step(charge, config=config)


async def spread_one(ctx: DurableContext, item: int, index: int) -> Any:
    if item == 0:
        return await ctx.step(charge, config=StepConfig(retry_strategy=NoRetry()))
    if item == 1:
        return await (await ctx.create_callback(name="approval"))
    return item


@durable_execution
async def spread(event: Any, ctx: DurableContext) -> Any:
    config = MapConfig(completion=CompletionConfig.all_completed())
    batch = await ctx.map([0, 1, 2], spread_one, config=config)
    return batch.success_count


@durable_execution
async def tells(event: Any, ctx: DurableContext) -> Any:
    """Set the event as the status, and wait for an answer; a test adds it to its server."""
    ctx.set_status("replaced")
    await ctx.step(lambda: None, name="first")
    ctx.set_status(event)
    answer = await (await ctx.create_callback(name="approval"))
    ctx.progress(2, 2, label="answers")
    return answer


@contextmanager
def dev_server(store: Path, **options: Any) -> Iterator[DevServer]:
    with DevServer(ServerOptions(store=store, **{"port": 0, **options})) as server:
        for handler in (order, outer, retries, spread, support):
            server.functions.add_durable(handler.__name__, handler.bind)
        server.announce()
        yield server


@dataclass(frozen=True)
class Client:
    """Reads the routes of a server."""

    server: DevServer

    @contextmanager
    def asked(self, path: str, method: str = "GET", **headers: str) -> Iterator[HTTPResponse]:
        host = self.server.url.removeprefix("http://")
        connection = HTTPConnection(host, timeout=PATIENCE)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=named)
            yield connection.getresponse()
        finally:
            connection.close()

    def get(self, path: str, **query: Any) -> Any:
        with self.asked(f"{path}?{urlencode(query, doseq=True)}") as answer:
            body = answer.read()
            assert answer.status == 200, body
            return json.loads(body)

    def refused(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        with self.asked(path, method, **headers) as answer:
            return answer.status, answer.read().decode()

    @contextmanager
    def stream(self, path: str, **headers: str) -> Iterator[Iterator[dict[str, Any]]]:
        """Yield the messages of a stream, each with its id, event and data."""
        with self.asked(path, **headers) as answer:
            assert answer.status == 200, answer.read()
            assert answer.getheader("content-type", "").startswith("text/event-stream")
            yield _messages(answer)

    def post(self, path: str, body: Any = None) -> Any:
        """Perform an action, and return its answer."""
        status, answer = self.posted(path, json.dumps(body or {}).encode())
        assert status == 200, answer
        return json.loads(answer)

    def posted(
        self, path: str, body: bytes, content_type: str | None = "application/json"
    ) -> tuple[int, str]:
        """Send a body, and return the status and the text of the answer."""
        host = self.server.url.removeprefix("http://")
        connection = HTTPConnection(host, timeout=PATIENCE)
        headers = {} if content_type is None else {"Content-Type": content_type}
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def until_ended(self, name: str) -> dict[str, Any]:
        """Wait until an execution has ended; return its document."""
        message = self.until(
            execution(name, "/events"),
            lambda m: m["event"] == "changes" and m["data"]["execution"]["activity"] == "ended",
        )
        data: dict[str, Any] = message["data"]
        return data

    def start(
        self, function: str, name: str, payload: Any = None, qualifier: str = "$LATEST"
    ) -> str:
        return self.server.emulator.start(
            InvokeRequest(
                function_name=f"{function}:{qualifier}",
                payload=json.dumps(payload).encode(),
                invocation_type=InvocationType.EVENT,
                durable_execution_name=name,
            )
        )

    def until(self, path: str, wanted: Any) -> dict[str, Any]:
        """Read a stream until a message fits, and return it."""
        with self.stream(path) as messages:
            return next(message for message in messages if wanted(message))

    def until_waiting(self, name: str) -> dict[str, Any]:
        """Wait until an execution waits for an answer; return its row."""

        def waits(message: dict[str, Any]) -> bool:
            data = message["data"]
            return bool(
                data.get("durable_execution_name") == name and data.get("activity") == "asking"
            )

        listed = self.get("/_durable/executions")
        rows: list[dict[str, Any]] = listed["executions"]
        for row in rows:
            if waits({"data": row}):
                return row
        message = self.until(f"/_durable/events?since={listed['number']}", waits)
        data: dict[str, Any] = message["data"]
        return data

    def answer(self, row: dict[str, Any], data: str = "1") -> None:
        [waiting] = row["waiting"]
        self.server.emulator.callback_success(waiting["callback_id"], data.encode())


def execution(reference: str, rest: str = "") -> str:
    return f"/_durable/executions/{quote(reference, safe='')}{rest}"


def _messages(answer: HTTPResponse) -> Iterator[dict[str, Any]]:
    # As in a browser, a message without an id has that of the one before.
    fields: dict[str, Any] = {"id": ""}
    deadline = time.monotonic() + 2 * PATIENCE
    while line := answer.readline().decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if name and not line.startswith(":"):
            fields[name] = value
        elif line.startswith(":"):
            assert time.monotonic() < deadline, "the stream says nothing"
        elif fields.get("event"):
            number = int(fields["id"]) if fields["id"].isdecimal() else fields["id"]
            yield {**fields, "id": number, "data": json.loads(fields["data"])}
            fields = {"id": fields["id"]}
