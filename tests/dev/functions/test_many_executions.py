from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.dev.dev_rig import DevRig

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
