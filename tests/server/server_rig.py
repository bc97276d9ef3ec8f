"""An emulator for server tests: functions controlled by their event, and helpers to call the API."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from durable_execution_sdk import (
    CallbackConfig,
    DurableContext,
    Duration,
    FixedDelay,
    NoRetry,
    StepConfig,
    StepContext,
    durable_execution,
)
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest
from durable_execution_sdk.server.application import application
from durable_execution_sdk.server.backend import Backend

FUNCTION = "workflow:$LATEST"


@durable_execution
async def workflow(event: dict[str, Any], ctx: DurableContext) -> Any:
    """Run the operation that the event names, or all operations."""
    match event["do"]:
        case "add":
            return await ctx.step(lambda: event["a"] + event["b"], name="add")
        case "fail":
            raise LookupError("no tea")
        case "ask":
            return await (await ctx.create_callback(name="question"))
        case "sleep":
            await ctx.wait(Duration.from_seconds(event.get("seconds", 1)), name="nap")
            return "awake"
        case "everything":
            return await everything(ctx)
        case other:
            raise AssertionError(other)


async def everything(ctx: DurableContext) -> Any:
    """Run each kind of operation once with success and once with failure."""

    def sometimes() -> str:
        if StepContext.current().attempt == 1:
            raise ValueError("not yet")
        return "now"

    def never() -> None:
        raise KeyError("lost")

    retry = StepConfig(retry_strategy=FixedDelay(delay=Duration.from_seconds(1), max_attempts=2))
    await ctx.step(sometimes, name="twice", config=retry)
    try:
        await ctx.step(never, name="never", config=StepConfig(retry_strategy=NoRetry()))
    except KeyError:
        pass
    await ctx.wait(Duration.from_seconds(60), name="minute")
    await ctx.invoke("greet", {"name": "Ada"}, name="plain")
    await ctx.invoke(FUNCTION, {"do": "add", "a": 1, "b": 2}, name="durable")

    async def inside(child: DurableContext) -> str:
        return await child.step(lambda: "deep", name="inner")

    await ctx.run_in_child_context(inside, name="child")
    config: CallbackConfig[str] = CallbackConfig(timeout=Duration.from_seconds(5))
    try:
        await (await ctx.create_callback(name="unanswered", config=config))
    except Exception as error:
        return type(error).__name__
    return None


def greet(event: Any, context: Any) -> Any:
    """Serve as a plain Lambda function."""
    if event == "explode":
        raise RuntimeError("boom")
    return {"hello": event["name"] if isinstance(event, dict) else event}


@dataclass
class ServerRig:
    """An emulator on a virtual clock; the test has to call its driver."""

    clock: VirtualClock = field(default_factory=VirtualClock)

    def __post_init__(self) -> None:
        functions = Functions()
        functions.add_durable("workflow", workflow.bind)
        functions.add_durable("other", workflow.bind)
        functions.add_plain("greet", greet)
        self.emulator = Emulator(MemoryStore(), self.clock, functions)
        self.driver = Driver(self.emulator)

    def start(self, event: Any, name: str | None = None) -> str:
        return self.emulator.start(
            InvokeRequest(
                function_name=FUNCTION,
                payload=json.dumps(event).encode(),
                invocation_type=InvocationType.EVENT,
                durable_execution_name=name,
            )
        )

    def run(self, event: Any, name: str | None = None) -> str:
        arn = self.start(event, name)
        self.driver.run_until_closed(arn)
        return arn

    def begin(self, event: Any, name: str | None = None) -> str:
        """Run an execution until it waits for an answer from outside."""
        arn = self.start(event, name)
        self.driver.run_until(lambda: False, family=arn)
        return arn

    def callback_id(self, arn: str) -> str:
        [id_] = [
            operation.callback_details.callback_id
            for operation in self.emulator.operations(arn)
            if operation.callback_details is not None
        ]
        assert id_ is not None
        return id_

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the API once in this process, without a socket."""

        async def send() -> httpx.Response:
            with Backend(self.driver) as backend:
                transport = httpx.ASGITransport(application(backend))
                async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                    return await client.request(method, path, **options)

        return asyncio.run(send())


def execution(arn: str, call: str = "") -> str:
    """Build the path of an execution."""
    return f"/2025-12-01/durable-executions/{quote(arn, safe='')}{call}"


def callback(callback_id: str, call: str) -> str:
    """Build the path of a callback."""
    return f"/2025-12-01/durable-execution-callbacks/{quote(callback_id, safe='')}/{call}"


def invocations(function: str = FUNCTION) -> str:
    """Build the path of a function's invocations."""
    return f"/2015-03-31/functions/{quote(function, safe='')}/invocations"
