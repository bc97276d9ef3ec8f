"""A question to a person says what it is about, in the list of callbacks and in the stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.dev.dev_server_rig import Client, dev_server

from durable_execution_sdk import DurableContext, StepConfig, durable_execution
from durable_execution_sdk.agents import ask_person

ABOUT = {"question": "May I refund order 17?", "about": {"order": "17", "amount": 90}}


@durable_execution
async def refund(event: Any, ctx: DurableContext) -> Any:
    return await ask_person("May I refund order 17?", about=ABOUT["about"])  # type: ignore[arg-type]


@durable_execution
async def bare(event: Any, ctx: DurableContext) -> Any:
    async def beside(_: DurableContext) -> Any:
        callback = await ctx_of().create_callback(name="bare")
        await ctx_of().step(lambda: "not about it", name="other", config=StepConfig())
        return await callback

    def ctx_of() -> DurableContext:
        return DurableContext.current()

    return await ctx.run_in_child_context(beside)


@durable_execution
async def long(event: Any, ctx: DurableContext) -> Any:
    return await ctx.wait_for_callback(lambda _: "x" * 20_000, name="long")


@pytest.fixture
def client(tmp_path: Path) -> Any:
    with dev_server(tmp_path / "store.db") as server:
        for handler in (refund, bare, long):
            server.functions.add_durable(handler.__name__, handler.bind)
        yield Client(server)


def test_the_stream_and_the_list_tell_the_question(client: Client) -> None:
    number = client.get("/_durable/executions")["number"]
    client.start("refund", "r")
    with client.stream(f"/_durable/events?since={number}") as messages:
        told = next(
            message
            for message in messages
            if message["event"] == "callbacks"
            and any(each["about"] for each in message["data"]["callbacks"])
        )
    assert told["data"]["callbacks"][0]["about"] == ABOUT
    assert client.get("/_durable/callbacks")["callbacks"][0]["about"] == ABOUT


@pytest.mark.parametrize("name", ["bare", "long"])
def test_nothing_is_shown_for_other_callbacks_and_for_long_results(
    client: Client, name: str
) -> None:
    client.start(name, name)
    client.until_waiting(name)
    [callback] = client.get("/_durable/callbacks")["callbacks"]
    assert callback["about"] is None
