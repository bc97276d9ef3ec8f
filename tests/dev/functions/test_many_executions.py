from __future__ import annotations

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.cli.process import running
from tests.dev.dev_rig import DevRig
from tests.dev.test_a_day import answer, aws

pytestmark = pytest.mark.dev

CODE = """
from durable_execution_sdk import DurableContext, Duration, durable_execution

@durable_execution
async def handler(event: int, ctx: DurableContext) -> int:
    first = await ctx.step(lambda: event + 1, name="first")
    await ctx.wait(Duration.from_seconds(1), name="nap")
    return await ctx.step(lambda: first * 2, name="second")
"""


def test_a_thousand_executions_run_over_eight_workers(tmp_path: Path) -> None:
    with DevRig(tmp_path, workers=8) as rig:
        rig.add("many", CODE)
        with ThreadPoolExecutor(4) as threads:
            arns = list(threads.map(lambda number: rig.start("many", number), range(1_000)))
        results = [json.loads(rig.finish(arn, seconds=120).result or "") for arn in arns]
        assert results == [(number + 1) * 2 for number in range(1_000)]
        invocations = rig.records.invocations
        assert [record.error_type for record in invocations if record.error_type] == []
        # A wait may be over before its invocation suspends.
        assert 1_000 <= len(invocations) <= 2_000
        # Eight at once, and the spare one.
        assert len({record.worker for record in invocations}) <= 9
        assert max(record.peak_kilobytes or 0 for record in invocations) < 150_000


SUSPENDED = """
from durable_execution_sdk import DurableContext, durable_execution

@durable_execution
async def handler(event: int, ctx: DurableContext) -> int:
    first = await ctx.step(lambda: event + 1, name="first")
    return first * await (await ctx.create_callback(name="approval"))
"""

MOST_MEGABYTES = 150
"""Memory of the server while 1,000 executions are suspended, and while they end."""

MOST_GROWTH = 50
"""Megabytes of it that are for them: 50 kB for each."""


def most_megabytes(process: int) -> float:
    """Return the most resident memory that a process has had."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as on Linux")
def test_the_server_keeps_a_thousand_suspended_executions_in_little_memory(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SUSPENDED)
    with running(tmp_path, "dev", "app.py", "--port", "0") as server:
        url = server.until("durable dev listens at").split()[4]
        server.until("start one with")
        before = most_megabytes(server.process.pid)
        with aws(url) as client, ThreadPoolExecutor(4) as threads:

            def start(number: int) -> str:
                response = client.invoke(
                    FunctionName="handler:$LATEST",
                    InvocationType="Event",
                    Payload=json.dumps(number).encode(),
                )
                arn: str = response["DurableExecutionArn"]
                return arn

            arns = list(threads.map(start, range(1_000)))
            for _ in arns:
                server.until("CallbackStarted")
            assert most_megabytes(server.process.pid) < min(MOST_MEGABYTES, before + MOST_GROWTH)
            list(threads.map(lambda arn: answer(client, arn, b"2"), arns))
            for _ in arns:
                server.until("ExecutionSucceeded")
            assert most_megabytes(server.process.pid) < min(MOST_MEGABYTES, before + MOST_GROWTH)
            shown = client.get_durable_execution(DurableExecutionArn=arns[-1])
            assert shown["Result"] == "2000"
