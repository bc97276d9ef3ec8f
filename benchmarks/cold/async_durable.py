"""Cold start with async-durable-execution and its default client."""

import json
import os
import sys

from async_durable_execution import durable_execution, step


async def double() -> int:
    return 42


@durable_execution
async def handler(event: int) -> int:
    assert event == 21
    return await step(double)


if __name__ == "__main__":
    outcome = handler(json.load(sys.stdin), None)
    assert outcome == {"Status": "SUCCEEDED", "Result": "42"}, outcome
    os._exit(0)  # Lambda's process goes on: to end it belongs to no cold start
