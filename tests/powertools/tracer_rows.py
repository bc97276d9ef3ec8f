"""Programs for the table about the tracer: each returns the verdict that its row has.

They run in a process of their own: X-Ray's SDK reads its environment when it is imported, and sends what it
records to the address of a daemon, whose part is taken by a socket of this process.

python -m tests.powertools.tracer_rows   prints the verdicts as JSON
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from typing import Any

from tests.powertools.lambda_rig import Wrap, run, unwrapped

from durable_execution_sdk import ConfigError, DurableContext, Duration, durable_execution

SEGMENT = "53995c3f42cd8ad8"  # of the invocation, which Lambda itself records

Subsegment = dict[str, Any]


class Daemon:
    """A tracer of Powertools as in Lambda, and the subsegments that it has sent."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        os.environ.update(
            LAMBDA_TASK_ROOT="/var/task",
            AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{self.socket.getsockname()[1]}",
            POWERTOOLS_SERVICE_NAME="shop",
            _X_AMZN_TRACE_ID=f"Root=1-5759e988-bd862e3fe1be46a994272793;Parent={SEGMENT};Sampled=1",
        )
        from aws_lambda_powertools import Tracer

        self.tracer: Any = Tracer(auto_patch=False)

    def take(self) -> list[Subsegment]:
        taken: list[Subsegment] = []
        while True:
            try:
                data = self.socket.recv(65_536)
            except BlockingIOError:
                return taken
            taken.append(json.loads(data.partition(b"\n")[2]))

    def of(self, workflow: Any, wrap: Wrap = unwrapped) -> list[Subsegment]:
        """Run a workflow, and return what it has sent; the names end in the function's."""
        assert run(durable_execution(workflow), wrap=wrap).status == "SUCCEEDED"
        return self.take()


def names(subsegments: list[Subsegment]) -> list[str]:
    return [part["name"].rpartition(".")[2].removeprefix("## ") for part in subsegments]


def around(daemon: Daemon) -> str:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.wait(Duration.from_seconds(5))

    parts = daemon.of(workflow, wrap=daemon.tracer.capture_lambda_handler)
    assert names(parts) == ["workflow", "workflow"]
    assert {part["parent_id"] for part in parts} == {SEGMENT}
    return "each invocation"


def below(daemon: Daemon) -> str:
    async def workflow(event: Any, ctx: DurableContext) -> None: ...

    try:
        durable_execution(daemon.tracer.capture_lambda_handler(workflow))
    except ConfigError:
        return "refused"
    return "works"


def step(daemon: Daemon) -> str:
    attempts = []

    @daemon.tracer.capture_method
    def pay() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("no")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(pay)
        await ctx.wait(Duration.from_seconds(5))

    first, second = daemon.of(workflow)
    assert names([first, second]) == ["pay", "pay"]
    assert first["fault"] and not second.get("fault")
    return "each attempt"


def step_in_a_thread(daemon: Daemon) -> str:
    @daemon.tracer.capture_method
    async def coroutine() -> None: ...

    @daemon.tracer.capture_method
    def plain() -> None: ...

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(coroutine)
        await ctx.step(plain)

    first, second, handler = daemon.of(workflow, wrap=daemon.tracer.capture_lambda_handler)
    assert names([first, second, handler]) == ["coroutine", "plain", "workflow"]
    assert first["parent_id"] == handler["id"]
    return "beside it" if second["parent_id"] == SEGMENT else "inside it"


def steps_that_overlap(daemon: Daemon) -> str:
    attempts: list[str] = []

    @daemon.tracer.capture_method
    async def first() -> str:
        await began.wait()
        return "first"

    @daemon.tracer.capture_method
    async def second() -> str:
        attempts.append("second")
        began.set()
        await ended.wait()
        return "second"

    async def workflow(event: Any, ctx: DurableContext) -> None:
        nonlocal began, ended
        began, ended = asyncio.Event(), asyncio.Event()
        one = ctx.step(first)
        await ctx.step(lambda: None, name="between")
        two = ctx.step(second)
        await one
        ended.set()
        await two

    began, ended = asyncio.Event(), asyncio.Event()
    daemon.of(workflow)
    # The end of the first one ends the subsegment of the second, which then fails to add its response.
    return "wrong" if attempts == ["second", "second"] else "works"


def responses(daemon: Daemon) -> str:
    @daemon.tracer.capture_method
    def read_card() -> str:
        return "4111 1111"

    @daemon.tracer.capture_method(capture_response=False)
    def read_card_quietly() -> str:
        return "4111 1111"

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(read_card)
        await ctx.step(read_card_quietly)

    loud, quiet = daemon.of(workflow)
    assert "4111" not in json.dumps(quiet)
    return "leaks" if "4111" in json.dumps(loud) else "works"


ROWS: dict[str, Callable[[Daemon], str]] = {
    "`tracer.capture_lambda_handler` around the durable handler": around,
    "`@tracer.capture_lambda_handler` below `@durable_execution`": below,
    "`@tracer.capture_method` on the function of a step": step,
    "the subsegment of a plain `def` step, and that of the handler": step_in_a_thread,
    "`@tracer.capture_method` on `async def` steps that overlap": steps_that_overlap,
    "the response of a function that is captured": responses,
}

if __name__ == "__main__":
    listener = Daemon()
    print(json.dumps({row: program(listener) for row, program in ROWS.items()}))
    listener.socket.close()
