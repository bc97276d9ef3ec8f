"""Code that the type checkers must refuse: each marked line is an error, and no other line is."""

from typing import Annotated

from durable_execution_sdk import (
    INJECTED,
    Depends,
    DurableContext,
    MapConfig,
    StepConfig,
    WaitForConditionConfig,
    durable_execution,
    poll_until,
)
from durable_execution_sdk.client import DurableClient, FunctionRef, SyncDurableClient
from durable_execution_sdk.testing import Faults, check_crash_safety_sync


async def charge(order: str, amount: int) -> bool:
    return bool(order) and amount > 0


def check(state: int) -> int:
    return state + 1


async def child(ctx: DurableContext, item: str) -> str:
    return item


async def item(ctx: DurableContext, item: str, index: int) -> str:
    return f"{index}: {item}"


class Client: ...


def get_client() -> Client:
    return Client()


async def pay(order: str, *, client: Annotated[Client, Depends(get_client)] = INJECTED) -> None: ...
async def pay_at_once(order: str, client: Annotated[Client, Depends(get_client)]) -> None: ...


async def pay_text(order: str, client: str = Depends(get_client)) -> None: ...  # error: a Client


@durable_execution
async def handler(event: dict[str, str], ctx: DurableContext) -> None:
    await ctx.step(charge, "a")  # error: an argument is missing
    await ctx.step(charge, "a", "b")  # error: a wrong argument
    await ctx.step(charge, "a", 1, 2)  # error: an argument too many
    await ctx.step(charge, "a", 1, amount=2)  # error: keyword arguments go through partial
    wrong: str = await ctx.step(charge, "a", 1)  # error: the result is a bool
    await ctx.step(charge, "a", 1, config="at most once")  # error: no config
    await ctx.step(pay, 5)  # error: the order is a str
    await ctx.step(pay, "a", Client())  # error: the SDK gives the client
    await ctx.step(pay_at_once, "a")  # error: a resource needs a default, for type checkers
    await ctx.wait("5 seconds")  # error: no duration
    await ctx.wait(seconds=3)  # error: no such option
    await ctx.step(charge, "a", 1, retry_strategy=None)  # error: an option of the config
    await ctx.run_in_child_context(child, "a", order="b")  # error: no such option
    await ctx.create_callback(timeout=3)  # error: an option of the config
    await ctx.invoke("f", tenant_id="t")  # error: an option of the config
    await ctx.parallel({}, max_concurrency=1)  # error: an option of the config
    await ctx.race(ctx.step(charge, "a", 1), timeout=3)  # error: no such option
    text = WaitForConditionConfig(initial_state="zero", wait_strategy=poll_until(str.isdigit))
    await ctx.wait_for_condition(check, text)  # error: the state is an int
    await ctx.run_in_child_context(child, 5)  # error: no str
    await ctx.run_in_child_context(charge, "a", 1)  # error: takes no context
    await ctx.race(charge, ctx.step(charge, "a", 1))  # error: a function is nothing to await
    charged = ctx.step(charge, "a", 1)
    charged.fail(LookupError("a"))  # error: a handle has no such method
    charged.submit(charged)  # error: nor can it record anything else
    charged.run.end(None)  # error: nor lead to what runs it
    first: str = (await ctx.all(charged, charged))[0]  # error: a bool
    del first
    await ctx.with_retry(child, 5)  # error: no str
    async with ctx.saga() as saga:
        await saga.step(charge, "a", 1)  # error: nothing to compensate with
        await saga.step(charge, "a", 1, compensate=check, name=1)  # error: a name is text
        await saga.step(check, 1, compensate=str.upper)  # error: the result is an int
        saga.add_compensation(charge, "a")  # error: an argument is missing
    await ctx.map([1], item)  # error: the items are no str
    await ctx.map(["a"], item, max_concurrency=10)  # error: an option of the config
    await ctx.map(5, item)  # error: nothing to iterate over
    await ctx.map(["a"], child)  # error: takes no index
    await ctx.parallel([child])  # error: takes an item
    await ctx.parallel([1])  # error: no function
    MapConfig(max_concurrency="all")  # error: no number
    StepConfig(retries=3)  # error: no such option
    del wrong


@durable_execution  # error: takes no context
async def lonely(event: str) -> None: ...


@durable_execution  # error: not async
def plain(event: str, ctx: DurableContext) -> None: ...


def proofs(faults: Faults) -> None:
    faults.crash_at(checkpoint=1, when="during")  # error: before, after or response_lost
    faults.crash_at(1)  # error: a bare number does not say of what
    check_crash_safety_sync(charge, "a")  # error: no handler


@durable_execution
async def shout(event: str, ctx: DurableContext) -> int:
    return len(event)


async def clients(client: DurableClient, sync: SyncDurableClient) -> None:
    ref = FunctionRef("orders:live", input=int, output=str)
    await client.start(shout, 5)  # error: the event is a text
    sync.start(shout, 5)  # error: so it is
    await client.start(ref, "a")  # error: the event is a number
    await client.start(shout)  # error: without an event
    number: int = await (await client.start(ref, 5)).result()  # error: a text
    text: str = sync.start(shout, "a").result()  # error: a number
    del number, text
    FunctionRef("orders:live", handler=charge)  # error: no handler
    client.list(ref, state="RUNNING")  # error: no such filter
