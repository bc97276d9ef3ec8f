"""Executions of every shape that a timeline has to show: an order, a large map, branches, deep contexts, a saga."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.dev.dev_server_rig import Client

from durable_execution_sdk import (
    CallbackConfig,
    CompletionConfig,
    DurableContext,
    Duration,
    FixedDelay,
    MapConfig,
    NestingType,
    NoRetry,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.dev.server import DevServer, ServerOptions
from durable_execution_sdk.engine.execution_time import TimeMode

__all__ = ["ITEMS", "Gallery", "gallery", "gallery_server"]

ITEMS = 2_000
BRANCHES = 100
STEPS_OF_A_BRANCH = 20
DEPTH = 300

_ONCE_MORE = StepConfig(retry_strategy=FixedDelay(delay=Duration.from_seconds(30), max_attempts=3))
_NEVER_AGAIN = StepConfig(retry_strategy=NoRetry())
# Items that are operations too would exceed the service's limit.
_ALL = MapConfig(completion=CompletionConfig.all_completed(), nesting=NestingType.FLAT)
_asked: dict[tuple[str, int], int] = {}


class CardDeclinedError(Exception):
    """Fails a payment."""


def done(value: object = "done") -> object:
    return value


def decline(amount: int) -> object:
    raise CardDeclinedError(f"The card was declined for {amount} EUR")


@durable_execution
async def order(event: Any, ctx: DurableContext) -> Any:
    for name in ("reserve stock", "charge card", "print label"):
        await ctx.step(done, {"by": name}, name=name)
    await ctx.wait(Duration.from_hours(20), name="cooling-off")
    await ctx.step(done, name="hand over to carrier")
    await ctx.wait(Duration.from_days(3), name="delivery")
    return await ctx.step(done, name="ask for a review")


@durable_execution
async def prices(event: dict[str, Any], ctx: DurableContext) -> Any:
    run = ctx.execution_arn

    def price(sku: int) -> int:
        if sku % 97 == 4:
            raise CardDeclinedError(f"sku {sku} has no price")
        _asked[run, sku] = _asked.get((run, sku), 0) + 1
        if sku % 50 == 2 and _asked[run, sku] < 3:
            raise TimeoutError(f"the price of sku {sku} took too long")
        return sku * 3

    async def one(ctx: DurableContext, sku: int, _index: int) -> int:
        config = _NEVER_AGAIN if sku % 97 == 4 else _ONCE_MORE
        return await ctx.step(price, sku, name=f"price of {sku}", config=config)

    skus = list(range(event["items"]))
    return (await ctx.map(skus, one, name="prices", config=_ALL)).success_count


@durable_execution
async def branches(event: Any, ctx: DurableContext) -> Any:
    async def branch(ctx: DurableContext) -> None:
        for number in range(STEPS_OF_A_BRANCH):
            await ctx.step(done, number, name=f"stage {number + 1}")

    named = {f"region {number + 1}": branch for number in range(BRANCHES)}
    return (await ctx.parallel(named, name="regions")).success_count


@durable_execution
async def nested(event: Any, ctx: DurableContext) -> Any:
    async def level(ctx: DurableContext, depth: int) -> object:
        if depth > DEPTH:
            return await ctx.step(done, name="the innermost step")
        return await ctx.run_in_child_context(level, depth + 1, name=f"level {depth}")

    return await level(ctx, 1)


@durable_execution
async def leave(event: Any, ctx: DurableContext) -> Any:
    await ctx.step(done, name="ask for leave")
    month: CallbackConfig[object] = CallbackConfig(timeout=Duration.from_days(30))
    approval = await ctx.create_callback(name="approval of the manager", config=month)
    answer = await approval
    await ctx.step(done, name="tell the calendar")
    return answer


@durable_execution
async def race(event: Any, ctx: DurableContext) -> Any:
    answer = await ctx.create_callback(name="answer of the customer")
    await ctx.race(answer, ctx.wait(Duration.from_hours(24), name="a day"))
    return await ctx.step(done, name="remind")


@durable_execution
async def trip(event: Any, ctx: DurableContext) -> None:
    await ctx.step(done, name="book hotel")
    await ctx.step(done, name="book flight")
    try:
        await ctx.step(decline, 480, name="charge card", config=_ONCE_MORE)
    except CardDeclinedError:
        await ctx.step(done, name="cancel flight")
        await ctx.step(done, name="cancel hotel")
        raise


@durable_execution
async def timers(event: Any, ctx: DurableContext) -> Any:
    await asyncio.sleep(3_600)
    inner = ctx.invoke("order:$LATEST", None, name="the order")
    answer = await ctx.create_callback(name="answer")
    async with asyncio.timeout(600):
        await answer
    return await inner


def ship() -> object:
    try:
        return decline(7)
    except CardDeclinedError as error:
        raise RuntimeError("Nothing can be shipped") from error


@durable_execution
async def shipping(event: Any, ctx: DurableContext) -> Any:
    return await ctx.step(ship, name="ship", config=_NEVER_AGAIN)


_FUNCTIONS = (order, prices, branches, nested, leave, race, trip, timers, shipping)


@dataclass(frozen=True)
class Gallery:
    """The executions, by name."""

    client: Client
    arns: Mapping[str, str]


@contextmanager
def gallery_server(store: Path, **options: Any) -> Iterator[DevServer]:
    """Run a server of the functions; in each of its executions time skips over what is waited for."""
    options = {"port": 0, "time_mode": TimeMode.SKIP, **options}
    with DevServer(ServerOptions(store=store, **options)) as server:
        for handler in _FUNCTIONS:
            server.functions.add_durable(handler.__name__, handler.bind)
        server.announce()
        yield server


@contextmanager
def gallery(store: Path, items: int = ITEMS) -> Iterator[Gallery]:
    """Run a server, and one execution of each shape up to its end or to what it waits for."""
    with gallery_server(store) as server:
        client = Client(server)
        arns = {
            name: client.start(name, f"{name}-1", {"items": items})
            for name in ("order", "branches", "nested", "leave", "race", "trip", "prices")
        }
        for name in ("order", "branches", "nested", "trip", "prices"):
            client.until_ended(f"{name}-1")
        for name in ("leave", "race"):
            client.until_waiting(f"{name}-1")
        cut = next(
            each for each in server.emulator.operations(arns["trip"]) if each.name == "charge card"
        )
        arns["fork"] = server.emulator.fork(arns["trip"], before=cut.id, name="trip-fork")
        client.until_ended("trip-fork")
        yield Gallery(client, arns)
