"""Types that the checkers must infer for users; checked, never run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, assert_type

from durable_execution_sdk import (
    INJECTED,
    BatchResult,
    Callback,
    CallbackConfig,
    Depends,
    DurableContext,
    DurableHandler,
    Duration,
    Handle,
    InvokeConfig,
    ItemBatcher,
    MapConfig,
    ParallelConfig,
    Settled,
    StepContext,
    WaitForCallbackConfig,
    WaitForConditionConfig,
    WithRetryConfig,
    durable_execution,
    durable_step,
    poll_until,
)
from durable_execution_sdk.client import (
    DurableClient,
    ExecutionHandle,
    FunctionRef,
    SyncDurableClient,
    SyncExecutionHandle,
)
from durable_execution_sdk.middleware import Middleware
from durable_execution_sdk.plugins import DurablePlugin, OperationInfo
from durable_execution_sdk.testing import (
    CloudDurableTestRunner,
    DurableTestResult,
    Faults,
    LocalDurableTestRunner,
    PendingCallback,
    ReplayReport,
    RunnerFactory,
    SafetyReport,
    SyncPendingCallback,
    assert_history,
    check_crash_safety,
    check_crash_safety_sync,
    check_replay,
    check_schedules,
)


@dataclass
class Order:
    id: str
    amount: float


async def charge(order: Order, currency: str) -> int:
    return len(order.id + currency)


def validate(order: Order) -> bool:
    return order.amount > 0


def nothing() -> None: ...


async def refund(payment: int) -> None: ...


@durable_step()
async def bound(order: Order) -> str:
    return order.id


def submit(callback_id: str, order: Order) -> None: ...


async def check(state: int) -> int:
    return state + 1


class Gateway:
    """A resource of steps."""


def get_gateway() -> Gateway:
    return Gateway()


async def connect() -> Gateway:
    return Gateway()


async def in_session(
    gateway: Annotated[Gateway, Depends(connect)],
) -> AsyncGenerator[Gateway, None]:
    yield gateway


def in_transaction() -> Generator[Gateway, None, None]:
    yield Gateway()


GivenGateway = Annotated[Gateway, Depends(in_session, keep=True)]


async def charge_by(order: Order, *, gateway: GivenGateway = INJECTED) -> int:
    assert_type(gateway, Gateway)
    return 1


def validate_by(order: Order, gateway: Gateway = Depends(get_gateway)) -> bool:
    return True


async def submit_by(
    callback_id: str, order: Order, *, gateway: GivenGateway = INJECTED
) -> None: ...


def check_by(state: int, *, gateway: Gateway = Depends(in_transaction)) -> int:
    return state


assert_type(Depends(get_gateway), Gateway)
assert_type(Depends(connect, keep=False), Gateway)
assert_type(Depends(in_session), Gateway)
assert_type(Depends(in_transaction), Gateway)
assert_type(Depends(Gateway), Gateway)


async def child(ctx: DurableContext, order: Order) -> list[str]:
    return [order.id]


async def shipped(ctx: DurableContext, order: Order, index: int) -> bool:
    return True


async def shipped_together(ctx: DurableContext, orders: list[Order], index: int) -> list[bool]:
    return [True for _ in orders]


async def stream() -> AsyncIterator[Order]:
    yield Order("1", 2.0)


async def one(ctx: DurableContext) -> int:
    return 1


@durable_execution
async def handler(event: Order, ctx: DurableContext) -> str:
    assert_type(await ctx.step(charge, event, "EUR"), int)
    assert_type(await ctx.step(validate, event), bool)
    assert_type(await ctx.step(bound, event), str)
    await ctx.step(nothing)
    assert_type(await ctx.step(charge_by, event), int)
    assert_type(await ctx.step(validate_by, event), bool)
    await ctx.wait_for_callback(submit_by, event)
    assert_type(
        await ctx.wait_for_condition(
            check_by,
            config=WaitForConditionConfig(
                initial_state=0, wait_strategy=poll_until(lambda state: state > 3)
            ),
        ),
        int,
    )
    await ctx.wait(Duration.from_seconds(5))
    assert_type(ctx.patched("fraud"), bool)
    assert_type(ctx.patched("fraud", each_time=True), bool)
    ctx.set_status({"phase": event}, every=timedelta(seconds=5))
    ctx.progress(1, 2.5, label="parcels", every=Duration.from_seconds(5))
    assert_type(ctx.wait(Duration.from_seconds(5)), Handle[None])
    assert_type(ctx.step(validate, event), Handle[bool])
    assert_type(ctx.invoke("f:1", event), Handle[Any])
    assert_type(ctx.step(validate, event).name, str | None)
    assert_type(ctx.step(validate, event).operation_id, str)
    assert_type(ctx.step(validate, event).cancel(), bool)
    await ctx.wait(timedelta(hours=1), name="pause")
    assert_type(
        await ctx.wait_for_condition(
            check,
            config=WaitForConditionConfig(
                initial_state=0, wait_strategy=poll_until(lambda state: state > 3)
            ),
        ),
        int,
    )
    callback = await ctx.create_callback("a", config=CallbackConfig(result_type=Order))
    assert_type(callback, Callback[Order])
    assert_type(await callback, Order)
    assert_type(
        await ctx.wait_for_callback(submit, event, config=WaitForCallbackConfig(result_type=Order)),
        Order,
    )
    assert_type(await ctx.invoke("f:1", event, config=InvokeConfig(result_type=Order)), Order)
    assert_type(await ctx.invoke("f:1", event), Any)
    assert_type(await ctx.run_in_child_context(child, event), list[str])
    paid, valid = ctx.step(charge, event, "EUR"), ctx.step(validate, event)
    assert_type(await ctx.all(paid, valid), tuple[int, bool])
    assert_type(await ctx.all(paid, valid, ctx.step(bound, event)), tuple[int, bool, str])
    assert_type(await ctx.all(*[paid]), tuple[int, ...])
    assert_type(await ctx.race(paid, ctx.wait(timedelta(1)), name="limited"), int | None)
    assert_type(await ctx.any(paid, charge(event, "EUR"), ctx.step(bound, event)), int | str)
    assert_type(await ctx.all_settled(paid, valid), tuple[Settled[int], Settled[bool]])
    assert_type((await ctx.all_settled(*[paid]))[0].result(), int)
    assert_type(await ctx.with_retry(child, event, config=WithRetryConfig()), list[str])
    async with ctx.saga() as saga:
        assert_type(await saga.step(charge, event, "EUR", compensate=refund), int)
        assert_type(await saga.step(validate, event, compensate=lambda ok: ok), bool)
        saga.add_compensation(charge, event, "EUR")
    batch = await ctx.map([event], shipped, config=MapConfig(max_concurrency=2))
    assert_type(batch, BatchResult[bool])
    assert_type(batch.results(), list[bool])
    assert_type(batch.items[0].result, bool | None)
    assert_type(await ctx.map(stream(), shipped), BatchResult[bool])
    batched = MapConfig(item_batcher=ItemBatcher(max_items=5))
    assert_type(await ctx.map([event], shipped_together, config=batched), BatchResult[bool])
    assert_type(await ctx.parallel([one, one]), BatchResult[int])
    assert_type(await ctx.parallel({"a": one}, config=ParallelConfig()), BatchResult[int])
    both = await asyncio.gather(ctx.step(charge, event, "EUR"), ctx.step(validate, event))
    assert_type(both, tuple[int, bool])
    return event.id


assert_type(handler, DurableHandler[Order, str])


class Observer(DurablePlugin):
    def on_operation_end(self, info: OperationInfo) -> None:
        assert_type(info.end_timestamp, datetime | None)


class Interceptor(Middleware):
    async def around_step(self, info: StepContext, call_next: Callable[[], Awaitable[Any]]) -> Any:
        assert_type(info.attempt, int)
        return await call_next()


@durable_execution(plugins=[Observer()], middleware=[Interceptor()])
async def observed(event: int, ctx: DurableContext) -> int:
    return event


assert_type(observed, DurableHandler[int, int])


@durable_execution(deadline_margin=1.0)
async def configured(event: dict[str, Any], ctx: DurableContext) -> None: ...


assert_type(configured, DurableHandler[dict[str, Any], None])


async def a_test(durable_runner: RunnerFactory) -> None:
    runner = durable_runner(handler)
    assert_type(runner, LocalDurableTestRunner[str])
    assert_type(LocalDurableTestRunner(handler), LocalDurableTestRunner[str])
    result = await runner.run(Order("1", 2.0))
    assert_type(result, DurableTestResult[str])
    assert_type(result.result, str)
    assert_type(result.operation("charge").result_as(int), int)
    assert_type(await runner.wait_for_callback("approval"), PendingCallback)
    assert_type(runner.sync.wait_for_callback("approval"), SyncPendingCallback)
    assert_type(runner.run_sync().result, str)
    assert_type(runner.sync.complete(), DurableTestResult[str])
    assert_type(runner.fresh(), LocalDurableTestRunner[str])
    deployed = CloudDurableTestRunner("orders:live", result_type=Order)
    assert_type((await deployed.run()).result, Order)
    plain = CloudDurableTestRunner("orders:live")
    assert_type(plain.run_sync().result, Any)
    assert_type(deployed.sync.complete().result, Order)


async def proofs(durable_runner: RunnerFactory, page: dict[str, Any]) -> None:
    async def play(runner: LocalDurableTestRunner[str]) -> DurableTestResult[str]:
        await runner.start(Order("1", 2.0))
        await (await runner.wait_for_callback()).succeed("yes")
        return await runner.complete()

    def play_sync(runner: LocalDurableTestRunner[str]) -> DurableTestResult[str]:
        return runner.run_sync()

    world: set[str] = set()
    safe = await check_crash_safety(
        handler, play=play, setup=world.clear, observe=lambda: world, on_crash=world.clear
    )
    assert_type(safe, SafetyReport)
    runner = durable_runner(handler)
    assert_type(check_crash_safety_sync(runner, play=play_sync), SafetyReport)
    assert_type(await check_schedules(runner, Order("1", 2.0), seeds=range(3)), SafetyReport)
    result = await play(runner)
    for history in (result, result.history, page, [page], "history.json", Path("history.json")):
        assert_type(await check_replay(handler, history), ReplayReport)
    assert_history(result, "order", replace={r"\d+": "n"}, directory=Path("histories"))
    assert_type(runner.faults.crash_at(checkpoint=1, when="after").throttle(), Faults)


@durable_execution
async def ships(event: Order, ctx: DurableContext) -> list[bool]:
    return [True]


async def client(callback_id: str) -> None:
    orders = FunctionRef("orders:live", input=Order, output=str)
    assert_type(orders, FunctionRef[Order, str])
    assert_type(FunctionRef("orders:live", handler=ships), FunctionRef[Order, list[bool]])
    assert_type(FunctionRef("orders:live", output=list[int]), FunctionRef[Any, list[int]])
    assert_type(FunctionRef("orders:live", input=Order), FunctionRef[Order, Any])
    assert_type(FunctionRef("orders:live"), FunctionRef[Any, Any])
    async with DurableClient(functions={ships: "ships:live", handler: "orders:live"}) as made:
        assert_type(made, DurableClient)
        handle = await made.start(ships, Order("1", 2.0), name="a")
        assert_type(handle, ExecutionHandle[list[bool]])
        assert_type(await handle.result(timeout=5), list[bool])
        assert_type(await (await made.start(orders, Order("1", 2.0))).result(), str)
        assert_type(await (await made.start("orders:live", {"any": "thing"})).result(), Any)
        assert_type(await (await made.execution("a", ships)).result(), list[bool])
        assert_type(await (await made.execution("arn:1", orders)).result(), str)
        assert_type(await (await made.execution("arn:1")).result(), Any)
        async for each in made.list(orders, statuses=["RUNNING"], started_after=datetime.now()):
            assert_type(await each.result(), str)
            await each.stop(ValueError("late"))
        assert_type(await (await handle.latest()).result(follow=False), list[bool])
        assert_type(await handle.callbacks("approval"), list[PendingCallback])
        await made.callback(callback_id).succeed(Order("1", 2.0))
        assert_type(await handle.status(), str)
        assert_type(await handle.custom_status(), Any)
        assert_type(await handle.custom_status(Order), Order | None)
        assert_type([event.event_type for event in await handle.history()], list[str])
        assert_type([operation.name for operation in await handle.operations()], list[str | None])


def sync_client(callback_id: str, durable_runner: RunnerFactory) -> None:
    orders = FunctionRef("orders:live", input=Order, output=str)
    with SyncDurableClient() as made:
        assert_type(made, SyncDurableClient)
        handle = made.start(ships, Order("1", 2.0), name="a")
        assert_type(handle, SyncExecutionHandle[list[bool]])
        assert_type(handle.result(), list[bool])
        assert_type(made.start(orders, Order("1", 2.0)).result(), str)
        assert_type(made.start("orders:live").result(), Any)
        assert_type(made.execution("a", ships).result(), list[bool])
        assert_type([each.result() for each in made.list(orders)], list[str])
        assert_type(made.list("orders"), Iterator[SyncExecutionHandle[Any]])
        assert_type(handle.latest().result(follow=False), list[bool])
        assert_type(handle.callbacks(), list[SyncPendingCallback])
        assert_type(handle.custom_status(Order), Order | None)
        made.callback(callback_id).fail(ValueError("no"))
    assert_type(LocalDurableTestRunner(ships), LocalDurableTestRunner[list[bool]])
    assert_type(durable_runner(handler).client(), DurableClient)
    assert_type(durable_runner(handler).sync.client(), SyncDurableClient)


@durable_execution
async def goes_on(event: Order, ctx: DurableContext) -> int:
    """Return on one way only: the other one does not."""
    if event.id == "last":
        return 1
    await ctx.continue_as_new(event, qualifier="live")
