"""The workflows of AWS's scenarios for traces, by the name that their input has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from durable_execution_sdk import (
    ChildConfig,
    CompletionConfig,
    DurableContext,
    Duration,
    FixedDelay,
    MapConfig,
    NoRetry,
    ParallelConfig,
    StepConfig,
    StepContext,
    StepError,
    WaitDecision,
    WaitForConditionConfig,
)

Workflow = Callable[[Any, DurableContext], Awaitable[Any]]

SCENARIOS: dict[str, Workflow] = {}
SECOND = Duration.from_seconds(1)
ONCE = StepConfig(retry_strategy=NoRetry())


def scenario(name: str) -> Callable[[Workflow], Workflow]:
    """Register a workflow."""

    def register(workflow: Workflow) -> Workflow:
        SCENARIOS[name] = workflow
        return workflow

    return register


async def run(event: Any, ctx: DurableContext) -> Any:
    """Run the workflow of the scenario that the input names."""
    return await SCENARIOS[event["scenario"]](event, ctx)


async def target(event: Any, ctx: DurableContext) -> str:
    """Be invoked by another execution, and do as it asks."""
    if delay := event.get("delay_seconds"):
        await ctx.wait(Duration.from_seconds(int(delay)), name="otel-long-invoke-target-wait")
    if event.get("fails"):
        raise RuntimeError("the target fails on purpose")
    return "target-complete"


def fail(*_: Any) -> Any:
    raise RuntimeError("fails on purpose")


async def fail_later(*_: Any) -> Any:
    fail()


@scenario("success")
async def success(event: Any, ctx: DurableContext) -> str:
    return await ctx.step(lambda: "ok", name="otel-success")


@scenario("wait-resume")
async def wait_resume(event: Any, ctx: DurableContext) -> str:
    await ctx.wait(SECOND, name="otel-wait")
    return await ctx.step(lambda: "ok", name="otel-after-resume")


async def _retried(ctx: DurableContext, name: str, delay: Duration) -> str:
    def once_more() -> str:
        return "ok" if StepContext.current().attempt > 1 else fail()

    strategy = FixedDelay(max_attempts=2, delay=delay)
    return await ctx.step(once_more, name=name, config=StepConfig(retry_strategy=strategy))


@scenario("retry")
async def retry(event: Any, ctx: DurableContext) -> str:
    return await _retried(ctx, "otel-retry", SECOND)


@scenario("terminal-failure")
async def terminal_failure(event: Any, ctx: DurableContext) -> None:
    await ctx.step(fail, name="otel-terminal-failure", config=ONCE)


@scenario("child-context")
async def child_context(event: Any, ctx: DurableContext) -> str:
    async def child(inner: DurableContext) -> str:
        return await inner.step(lambda: "ok", name="otel-child-step")

    return await ctx.run_in_child_context(child, name="otel-child-context")


@scenario("parallel-hierarchy")
async def parallel_hierarchy(event: Any, ctx: DurableContext) -> None:
    def branch(letter: str) -> Any:
        async def body(inner: DurableContext) -> str:
            return await inner.step(lambda: letter, name=f"otel-parallel-step-{letter}")

        return body

    branches = {f"otel-parallel-branch-{letter}": branch(letter) for letter in "ab"}
    config = ParallelConfig(max_concurrency=1)
    await ctx.parallel(branches, name="otel-parallel", config=config)


@scenario("map-hierarchy")
async def map_hierarchy(event: Any, ctx: DurableContext) -> None:
    async def item(inner: DurableContext, item: int, index: int) -> int:
        return await inner.step(lambda: item, name=f"otel-map-step-{index}")

    config = MapConfig(max_concurrency=1, item_namer=lambda _, index: f"otel-map-iteration-{index}")
    await ctx.map([1, 2], item, name="otel-map", config=config)


@scenario("handled-failure")
async def handled_failure(event: Any, ctx: DurableContext) -> str:
    try:
        await ctx.step(fail, name="otel-handled-failure", config=ONCE)
    except StepError:
        return await ctx.step(lambda: "ok", name="otel-recovery-step")
    return "not reached"


@scenario("wait-for-condition")
async def wait_for_condition(event: Any, ctx: DurableContext) -> int:
    def decide(state: int, attempt: int) -> WaitDecision:
        return WaitDecision.stop() if state >= 2 else WaitDecision.continue_after(SECOND)

    config = WaitForConditionConfig(initial_state=0, wait_strategy=decide)
    return await ctx.wait_for_condition(lambda state: state + 1, config, name="otel-condition")


@scenario("wait-for-callback")
async def wait_for_callback(event: Any, ctx: DurableContext) -> Any:
    return await ctx.wait_for_callback(lambda _: None, name="otel-callback")


@scenario("chained-invoke")
async def chained_invoke(event: Any, ctx: DurableContext) -> Any:
    return await ctx.invoke("target:$LATEST", {}, name="otel-invoke")


@scenario("child-context-failure")
async def child_context_failure(event: Any, ctx: DurableContext) -> None:
    await ctx.run_in_child_context(fail_later, name="otel-failed-child-context")


@scenario("parallel-failure")
async def parallel_failure(event: Any, ctx: DurableContext) -> None:
    branches = {"otel-failed-parallel-branch": fail_later}
    config = ParallelConfig(completion=CompletionConfig.all_completed())
    batch = await ctx.parallel(branches, name="otel-failed-parallel", config=config)
    batch.throw_if_error()


@scenario("map-failure")
async def map_failure(event: Any, ctx: DurableContext) -> None:
    config = MapConfig(
        completion=CompletionConfig.all_completed(),
        item_namer=lambda _, index: f"otel-failed-map-iteration-{index}",
    )
    batch = await ctx.map([1], fail_later, name="otel-failed-map", config=config)
    batch.throw_if_error()


@scenario("wait-interrupted")
async def wait_interrupted(event: Any, ctx: DurableContext) -> None:
    await ctx.wait(Duration.from_days(300), name="otel-interrupted-wait")


@scenario("wait-for-condition-failure")
async def wait_for_condition_failure(event: Any, ctx: DurableContext) -> None:
    config = WaitForConditionConfig(initial_state=0, wait_strategy=lambda *_: WaitDecision.stop())
    await ctx.wait_for_condition(fail, config, name="otel-failed-condition")


@scenario("wait-for-callback-failure")
async def wait_for_callback_failure(event: Any, ctx: DurableContext) -> None:
    await ctx.wait_for_callback(lambda _: None, name="otel-failed-callback")


@scenario("chained-invoke-failure")
async def chained_invoke_failure(event: Any, ctx: DurableContext) -> None:
    await ctx.invoke("target:$LATEST", {"fails": True}, name="otel-failed-invoke")


@scenario("execution-failure")
async def execution_failure(event: Any, ctx: DurableContext) -> None:
    fail()


@scenario("virtual-context")
async def virtual_context(event: Any, ctx: DurableContext) -> str:
    async def child(inner: DurableContext) -> str:
        return "virtual-complete"

    config = ChildConfig(virtual=True)
    return await ctx.run_in_child_context(child, name="otel-virtual-context", config=config)


@scenario("long-wait")
async def long_wait(event: Any, ctx: DurableContext) -> str:
    await ctx.wait(Duration.from_seconds(int(event["delay_seconds"])), name="otel-long-wait")
    return await ctx.step(lambda: "ok", name="otel-after-long-wait")


@scenario("long-retry")
async def long_retry(event: Any, ctx: DurableContext) -> str:
    delay = Duration.from_seconds(int(event["delay_seconds"]))
    return await _retried(ctx, "otel-long-retry", delay)


@scenario("long-callback")
async def long_callback(event: Any, ctx: DurableContext) -> Any:
    return await ctx.wait_for_callback(lambda _: None, name="otel-long-callback")


@scenario("long-chained-invoke")
async def long_chained_invoke(event: Any, ctx: DurableContext) -> Any:
    payload = {"delay_seconds": event["delay_seconds"]}
    return await ctx.invoke("target:$LATEST", payload, name="otel-long-invoke")
