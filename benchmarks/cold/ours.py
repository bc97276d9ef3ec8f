"""Cold start with this SDK: import, decorate, one step through the default client."""

import json
import os
import sys

from durable_execution_sdk import DurableContext, durable_execution


async def double(n: int) -> int:
    return n * 2


@durable_execution
async def handler(event: int, ctx: DurableContext) -> int:
    return await ctx.step(double, event)


if __name__ == "__main__":
    outcome = handler(json.load(sys.stdin), None)
    assert outcome == {"Status": "SUCCEEDED", "Result": "42"}, outcome
    os._exit(0)  # Lambda's process goes on: to end it belongs to no cold start
