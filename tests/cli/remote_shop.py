"""A server over HTTP with a function that has versions, aliases and open executions."""

from __future__ import annotations

import json
from typing import Any

from tests.rig import Rig

from durable_execution_sdk import DurableContext, Duration, durable_execution
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest

CODE = """
    import os

    @durable_execution
    async def workflow(event: dict, ctx: DurableContext) -> str:
        print("running in", os.getpid())
        await ctx.step(lambda: 1, name={0!r})
        if "ask" in event:
            await (await ctx.create_callback(name="approve"))
        await ctx.wait(Duration.from_days(1), name="pause")
        return "shipped"
"""


@durable_execution
async def workflow(event: Any, ctx: DurableContext) -> str:
    await ctx.step(lambda: 1, name="charge")
    if "patch" in event and ctx.patched("patch"):
        await ctx.step(lambda: 2, name="new")
    if "child" in event:
        await ctx.run_in_child_context(patched_in_a_child, name="child")
    if "ask" in event:
        await (await ctx.create_callback(name="approve"))
    if "submit" in event:
        await ctx.wait_for_callback(lambda _id: None, name="approve")
    await ctx.wait(Duration.from_days(1), name="pause")
    return "shipped"


async def patched_in_a_child(ctx: DurableContext) -> bool:
    return ctx.patched("inner", each_time=True)


def greet(event: Any, context: Any) -> str:
    return "hello"


class RemoteShop:
    """The function ``workflow`` with the versions 1 to 3, of which the alias ``live`` stands for the third."""

    def __init__(self) -> None:
        self.url = ""
        self.rig = Rig(workflow, plain={"greet": greet})
        functions = self.rig.emulator.functions
        function = functions.get("workflow")
        assert function is not None
        for version in ("1", "2", "3"):
            functions.add_version(version, function)
        functions.add_alias("workflow", "live", "3")

    def start(
        self, event: Any, name: str, version: str = "$LATEST", *, until_end: bool = False
    ) -> str:
        """Start an execution, and run it until it waits, or until it has ended."""
        arn = self.rig.emulator.start(
            InvokeRequest(
                function_name=f"workflow:{version}",
                payload=json.dumps(event).encode(),
                invocation_type=InvocationType.EVENT,
                durable_execution_name=name,
            )
        )
        self.rig.drive(arn, until=None if until_end else self.rig.clock.now() + 1_000)
        return arn
