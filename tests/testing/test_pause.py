"""A test pauses and resumes an execution."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.rig import Rig

from durable_execution_sdk import DurableContext, Duration, ServiceError, durable_execution
from durable_execution_sdk.server.http_server import serve
from durable_execution_sdk.testing import (
    CloudDurableTestRunner,
    DurableTestError,
    LocalDurableTestRunner,
    StuckError,
)


@durable_execution
async def approve(event: object, ctx: DurableContext) -> str:
    await ctx.step(lambda: "asked", name="ask")
    await ctx.wait(Duration.from_days(2), name="cool_down")
    approval = await ctx.create_callback("approval")
    by: str = await approval
    return await ctx.step(lambda: f"approved by {by}", name="note")


def test_a_paused_execution_is_not_invoked_while_its_waits_go_on() -> None:
    runner = LocalDurableTestRunner(approve).sync
    runner.start()
    runner.run_until_suspended()
    assert runner.pause("lunch").status == "PAUSED"
    later = runner.advance(days=3)
    assert (later.status, len(later.invocations)) == ("PAUSED", 1)
    assert later.operation("cool_down").duration == timedelta(days=2)
    resumed = runner.resume("back")
    assert (resumed.status, len(resumed.invocations)) == ("RUNNING", 1)
    runner.wait_for_callback("approval").succeed("Ada")
    assert runner.complete().result == "approved by Ada"


def test_a_callback_is_answered_during_a_pause() -> None:
    runner = LocalDurableTestRunner(approve).sync
    runner.start()
    approval = runner.wait_for_callback("approval")
    runner.pause()
    approval.succeed("Bob")
    with pytest.raises(StuckError, match=r"the execution is paused\n *let it go on: resume\(\)"):
        runner.complete()
    assert runner.result().operations_by_status("SUCCEEDED")[-1].name == "approval"
    runner.resume()
    assert runner.complete().result == "approved by Bob"


def test_before_it_starts_and_after_it_has_ended() -> None:
    runner = LocalDurableTestRunner(approve).sync
    for act in (runner.pause, runner.resume):
        with pytest.raises(DurableTestError, match="nothing was started"):
            act()
    runner.start()
    runner.pause()
    assert runner.run_until_suspended().operations == []
    runner.stop()
    with pytest.raises(ServiceError, match="it is STOPPED, not RUNNING"):
        runner.pause()
    with pytest.raises(ServiceError, match="it is STOPPED, not PAUSED"):
        runner.resume()


def test_a_pause_that_comes_while_a_step_runs_begins_at_its_checkpoint() -> None:
    async def test() -> None:
        statuses: list[str] = []

        @durable_execution
        async def two_steps(event: object, ctx: DurableContext) -> str:
            def pauses() -> None:
                statuses.append(runner.sync.pause().status)

            await ctx.step(pauses, name="first")
            await ctx.step(lambda: None, name="second")
            return "done"

        runner = LocalDurableTestRunner(two_steps)
        await runner.start()
        paused = await runner.run_until_suspended()
        assert statuses == ["PAUSING"]
        assert paused.status == "PAUSED"
        assert paused.operation("first").status == "SUCCEEDED"
        assert (await runner.resume()).status == "RUNNING"
        assert (await runner.complete()).result == "done"
        assert statuses == ["PAUSING"]

    asyncio.run(test())


def test_a_deployed_execution_is_paused_and_resumed() -> None:
    async def test() -> None:
        with serve(Rig(approve).driver, workers=1) as server:
            environ = {
                "AWS_ENDPOINT_URL_LAMBDA": server.url,
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
                "AWS_SECRET_ACCESS_KEY": "secret",
            }
            runner = CloudDurableTestRunner("workflow:$LATEST", timeout=20, environ=environ)
            await runner.start()
            approval = await runner.wait_for_callback("approval")
            assert (await runner.pause("lunch")).status == "PAUSED"
            await approval.succeed("Eve")
            assert (await runner.result()).status == "PAUSED"
            assert (await runner.resume()).status in ("RUNNING", "SUCCEEDED")
            assert (await runner.complete()).result == "approved by Eve"
            await runner.start(name="another")
            await runner.wait_for_callback()
            assert runner.sync.pause().status == "PAUSED"
            assert runner.sync.resume("go on").status == "RUNNING"
            runner.sync.stop()

    asyncio.run(test())
