"""Test runners follow executions that go on as new ones, and their time, callbacks and faults go on too."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.rig import Rig

from durable_execution_sdk import CallbackConfig, DurableContext, Duration, durable_execution
from durable_execution_sdk.server.http_server import serve
from durable_execution_sdk.testing import (
    CloudDurableTestRunner,
    LocalDurableTestRunner,
    NoSuchOperationError,
    RunTimeoutError,
    UnexpectedStatusError,
    UnusedFaultError,
    check_crash_safety_sync,
)


@durable_execution
async def monthly(event: int, ctx: DurableContext) -> int:
    await ctx.step(lambda: event, name="bill")
    await ctx.wait(Duration.from_days(30))
    if event < 3:
        await ctx.continue_as_new(event + 1)
    return event


@durable_execution
async def asks(event: int, ctx: DurableContext) -> str:
    if event < 3:
        await ctx.continue_as_new(event + 1)
    callback = await ctx.create_callback("approval", config=CallbackConfig(result_type=str))
    return await callback


@durable_execution
async def for_ever(event: int, ctx: DurableContext) -> None:
    await ctx.wait(Duration.from_days(1))
    await ctx.continue_as_new(event + 1)


def test_run_returns_the_result_of_the_last() -> None:
    runner = LocalDurableTestRunner(monthly)
    result = runner.run_sync(1, name="ada")
    assert (result.result, result.name[:8], result.continued_as) == (3, "ada-run3", None)
    assert [each.name[:8] for each in runner.sync.results()] == ["ada", "ada-run2", "ada-run3"]
    assert asyncio.run(LocalDurableTestRunner(monthly).run(1)).result == 3


def test_without_following_the_first_has_no_result() -> None:
    runner = LocalDurableTestRunner(monthly)
    result = runner.run_sync(1, name="ada", follow=False)
    assert result.succeeded
    assert result.continued_as is not None
    with pytest.raises(UnexpectedStatusError, match=f"it went on as {result.continued_as.name}"):
        print(result.result)
    # The runner is about the first still.
    assert runner.sync.result().name == "ada"
    assert runner.sync.complete().result == 3


def test_time_that_is_advanced_goes_on() -> None:
    runner = LocalDurableTestRunner(monthly).sync
    runner.start(1, name="ada")
    assert runner.run_until_suspended().name == "ada"
    assert runner.advance(days=31).name.startswith("ada-run2")
    assert runner.advance(days=10).name.startswith("ada-run2")
    last = runner.advance(days=60)
    assert (last.result, last.name[:8]) == (3, "ada-run3")
    assert (runner.now - runner.results()[0].started_at).days == 101


def test_a_callback_of_the_last_is_waited_for() -> None:
    runner = LocalDurableTestRunner(asks).sync
    runner.start(1, name="ada")
    runner.wait_for_callback("approval").succeed("yes")
    assert runner.complete().result == "yes"
    runner = LocalDurableTestRunner(monthly).sync
    runner.start(1)
    with pytest.raises(NoSuchOperationError, match="ended before a callback waited"):
        runner.wait_for_callback()
    assert len(runner.results()) == 3


def test_a_chain_without_an_end_ends_by_the_time_limit() -> None:
    with pytest.raises(RunTimeoutError, match="goes on after that"):
        LocalDurableTestRunner(for_ever).run_sync(1, timeout=0.2)
    assert LocalDurableTestRunner(for_ever).run_sync(1, follow=False).succeeded


def test_faults_are_counted_over_the_whole_chain() -> None:
    calm = LocalDurableTestRunner(monthly)
    calm.run_sync(1)
    total = calm.faults.checkpoints
    assert total == 2 * 5 + 2
    for checkpoint in range(1, total + 1):
        runner = LocalDurableTestRunner(monthly)
        runner.crash_at(checkpoint=checkpoint, when="after")
        assert runner.run_sync(1).result == 3
        assert len(runner.sync.results()) == 3
    runner = LocalDurableTestRunner(monthly)
    runner.crash_at(checkpoint=total + 10)
    with pytest.raises(UnusedFaultError):
        runner.run_sync(1)


def test_the_check_of_crashes_looks_at_the_first() -> None:
    report = check_crash_safety_sync(monthly, 1)
    assert report.ok, str(report)


@pytest.mark.parametrize("is_sync", [True, False])
def test_a_deployed_chain_is_followed(is_sync: bool) -> None:
    def run(runner: CloudDurableTestRunner[Any], **options: Any) -> Any:
        if is_sync:
            return runner.run_sync(1, **options)
        return asyncio.run(runner.run(1, **options))

    with serve(Rig(monthly).driver, workers=1) as server:
        environ = {
            "AWS_ENDPOINT_URL_LAMBDA": server.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        runner = CloudDurableTestRunner(
            "workflow:$LATEST", result_type=int, environ=environ, longest_pause=0.02
        )
        assert run(runner).result == 3
        first = run(runner, follow=False)
        assert first.continued_as is not None
        assert first.continued_as.name.startswith(f"{first.name[:20]}")
