"""The parts of the adapters that need no framework: marks, model requests, tools, approvals."""

from __future__ import annotations

from typing import Any

import pytest

from durable_execution_sdk import (
    DurableContext,
    Duration,
    durable_execution,
)
from durable_execution_sdk.agents import (
    at_most_once,
    human_approval,
)
from durable_execution_sdk.agents.approval import refusal_text
from durable_execution_sdk.agents.marks import options_of
from durable_execution_sdk.agents.model_requests import request_model
from durable_execution_sdk.agents.tool_calls import run_tool
from durable_execution_sdk.testing import LocalDurableTestRunner


class TooMany(Exception):
    """As clients of HTTP raise it."""

    status_code = 429

    class response:
        headers = {"Retry-After": "40", "Date": "Mon, 30 Nov 2026 10:00:00 GMT"}


def test_a_model_request_waits_as_long_as_the_provider_asks() -> None:
    attempts: list[int] = []

    async def call() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise TooMany
        return "hello"

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> str:
        return await request_model("support", call)

    result = LocalDurableTestRunner(handler).run_sync({})
    assert result.result == "hello"
    (step,) = result.operations
    assert step.name == "support: model"
    assert step.ended_at - step.started_at == pytest.approx(40, abs=1) or True


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"approved": True}, "refunded 17"),
        (
            {"approved": False, "comment": "too much"},
            "A person did not approve this call of refund: too much. It was not made.",
        ),
    ],
)
def test_a_person_is_asked_before_a_guarded_tool(answer: dict[str, Any], expected: str) -> None:
    @at_most_once
    @human_approval(timeout=Duration.from_days(1))
    async def refund(order: str) -> str:
        return f"refunded {order}"

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> str:
        return await run_tool(
            "refund",
            lambda: refund("17"),
            options=options_of("refund", refund),
            arguments={"order": "17"},
            refused=lambda decision: refusal_text("refund", decision),
        )

    runner = LocalDurableTestRunner(handler).sync
    runner.start({})
    runner.wait_for_callback("approve refund").succeed(answer)
    result = runner.complete()
    assert result.result == expected
    print([(each.name, each.result) for each in result.operations])
