"""The documents of `durable dev` name the executions before and after one that went on as a new one."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.dev.dev_server_rig import Client, dev_server

from durable_execution_sdk import DurableContext, Duration, durable_execution
from durable_execution_sdk.engine.execution_time import TimeMode


@durable_execution
async def counts(event: int, ctx: DurableContext) -> int:
    await ctx.wait(Duration.from_days(30))
    if event < 3:
        await ctx.continue_as_new(event + 1)
    return event


def test_a_chain_in_the_documents_and_the_rows(tmp_path: Path) -> None:
    with dev_server(tmp_path / "x.db", time_mode=TimeMode.SKIP) as server:
        server.functions.add_durable("counts", counts.bind)
        client = Client(server)
        client.start("counts", "n", 1)
        documents: list[dict[str, Any]] = [client.until_ended("n")]
        while (following := documents[-1]["continued_as"]) is not None:
            documents.append(client.until_ended(following["durable_execution_name"]))
        names = [each["execution"]["durable_execution_name"] for each in documents]
        assert [name.partition("-run")[2][:1] for name in names] == ["", "2", "3"]
        for before, after in itertools.pairwise(documents):
            assert before["continued_as"] == {
                key: after["execution"][key]
                for key in ("durable_execution_name", "durable_execution_arn")
            }
            assert after["continues"] == {
                key: before["execution"][key]
                for key in ("durable_execution_name", "durable_execution_arn")
            }
            # Time goes on where the execution before had come to.
            assert started(after) - started(before) >= timedelta(days=30)
        assert documents[0]["continues"] is None
        assert [each["execution"]["continued_as"] for each in documents] == [*names[1:], None]


def started(document: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(document["execution"]["start_timestamp"])
