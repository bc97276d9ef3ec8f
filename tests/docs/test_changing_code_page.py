"""The page about changing code: its table is that of the tests, and each of its claims is run."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.docs.tables import DOCS, rows_of
from tests.replay.code_changes import CHANGES
from tests.rig import Ran, Rig

from durable_execution_sdk import DurableContext, Duration, MapConfig, durable_execution
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.replay.check import replay_history

TEXT = (DOCS / "changing-code.md").read_text(encoding="utf-8")
DAY = Duration.from_days(1)
Code = Callable[[DurableContext], Awaitable[Any]]
RUNS: Counter[str] = Counter()


async def work(value: str) -> str:
    RUNS[value] += 1
    return value


def changed(old: Code, new: Code, wrappers: Wrappers | None = None) -> Ran:
    """Run the old code in the first invocation, and the new code in the others."""
    RUNS.clear()
    codes = [old, new]

    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await (codes.pop(0) if len(codes) > 1 else codes[0])(ctx)

    return Rig(workflow, wrappers=wrappers or Wrappers()).run()


def test_the_table_has_the_rows_that_are_run() -> None:
    rows = re.findall(r"^\| (.+) \| ([a-z ]+) \| ([a-z ]+) \| ([a-z ]+) \|$", TEXT, re.MULTILINE)
    table = [row for row in rows if row[0] != "change"]
    assert table == [(change.text, *change.gives) for change in CHANGES]


# Silent changes, by their rows.


def argument(value: str) -> Code:
    async def run(ctx: DurableContext) -> str:
        first: str = await ctx.step(work, value, name="same")
        await ctx.wait(DAY)
        return first

    return run


def test_arguments_of_a_recorded_step() -> None:
    assert changed(argument("a"), argument("b")).result == "a"
    assert RUNS == Counter("a")


def test_code_between_operations() -> None:
    def flow(text: str) -> Code:
        async def run(ctx: DurableContext) -> str:
            first: str = await ctx.step(work, "a")
            first += text
            await ctx.wait(DAY)
            return first

        return run

    assert changed(flow("1"), flow("2")).result == "a2"


def test_the_function_and_payload_of_a_recorded_invoke() -> None:
    def flow(payload: int) -> Code:
        async def run(ctx: DurableContext) -> Any:
            found = await ctx.invoke("double:$LATEST", payload, name="double")
            await ctx.wait(DAY)
            return found

        return run

    @durable_execution
    async def double(event: int, ctx: DurableContext) -> int:
        return event * 2

    codes = [flow(1), flow(1), flow(5)]

    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await (codes.pop(0) if len(codes) > 1 else codes[0])(ctx)

    ran = Rig(workflow, others={"double": double}).run()
    assert ran.result == 2
    assert not replay_history(workflow, ran.events, execution_arn=ran.arn).ok


def gathered(*values: str) -> Code:
    async def pay(ctx: DurableContext, value: str) -> str:
        return await ctx.step(work, value)

    async def run(ctx: DurableContext) -> list[str]:
        async def rest() -> None:
            await ctx.wait(DAY)

        *seen, _ = await asyncio.gather(*(pay(ctx, each) for each in values), rest())
        return seen

    return run


def mapped(*values: str) -> Code:
    async def run(ctx: DurableContext) -> Any:
        async def item(inner: DurableContext, value: str, _: int) -> str:
            return await inner.step(work, value, name="work")

        async def rest() -> None:
            await ctx.wait(DAY)

        async def items() -> Any:
            return (await ctx.map(values, item, config=MapConfig(max_concurrency=1))).results()

        seen, _ = await asyncio.gather(items(), rest())
        return seen

    return run


def beside(*values: str) -> Code:
    async def run(ctx: DurableContext) -> list[str]:
        async def rest() -> None:
            await ctx.wait(DAY)

        async def all_of_them() -> list[str]:
            return [await ctx.step(work, value) for value in values]

        seen, _ = await asyncio.gather(all_of_them(), rest())
        return seen

    return run


@pytest.mark.parametrize("flow", [beside, gathered], ids=["steps", "tasks"])
def test_operations_of_one_name_take_the_results_of_others(flow: Callable[..., Code]) -> None:
    ran = changed(flow("b", "c"), flow("a", "b", "c"))
    assert ran.status == "SUCCEEDED", ran.error
    assert ran.result == ["b", "c", "c"]
    assert RUNS == Counter(b=1, c=2)


def test_items_without_a_namer_take_the_results_of_others() -> None:
    died = []

    def dies(plane: Any) -> Any:
        class Dying:
            async def checkpoint(self, request: Any) -> Any:
                response = await plane.checkpoint(request)
                if (
                    any(
                        each.name == "map-item-1" and each.action == "SUCCEED"
                        for each in request.updates
                    )
                    and not died
                ):
                    died.append(1)
                    raise ConnectionError("the process dies here")
                return response

            async def get_state(self, request: Any) -> Any:
                return await plane.get_state(request)

            def now(self) -> int:
                return int(plane.now())

        return Dying()

    ran = changed(mapped("b", "c"), mapped("a", "b", "c"), Wrappers(data_plane=dies))
    assert ran.status == "SUCCEEDED", ran.error
    assert ran.result == ["b", "c", "c"]
    assert RUNS == Counter(b=1, c=2)


def test_the_code_of_a_context_that_has_ended() -> None:
    def flow(value: str) -> Code:
        async def run(ctx: DurableContext) -> str:
            async def part(inner: DurableContext) -> str:
                return await inner.step(work, value, name=value)

            found = await ctx.run_in_child_context(part)
            await ctx.wait(DAY)
            return found

        return run

    assert changed(flow("a"), flow("b")).result == "a"
    assert RUNS == Counter("a")


def test_an_operation_behind_all_that_is_recorded() -> None:
    async def more(ctx: DurableContext) -> str:
        first = await argument("a")(ctx)
        return first + await ctx.step(work, "b")

    assert changed(argument("a"), more).result == "ab"
    assert RUNS == Counter("ab")


def test_a_step_whose_start_was_not_recorded() -> None:
    died = []

    def dies(plane: Any) -> Any:
        class Dying:
            async def checkpoint(self, request: Any) -> Any:
                if not died:
                    died.append(1)
                    raise ConnectionError("the process dies here")
                return await plane.checkpoint(request)

            async def get_state(self, request: Any) -> Any:
                return await plane.get_state(request)

            def now(self) -> int:
                return int(plane.now())

        return Dying()

    async def patched(ctx: DurableContext) -> str:
        if ctx.patched("b"):
            return await ctx.step(work, "b")
        return await ctx.step(work, "a")

    ran = changed(argument("a"), patched, Wrappers(data_plane=dies))
    assert ran.result == "b"
    assert RUNS == Counter("ab")  # the body of "a" ran, and the log does not tell


PROOFS = {
    "the arguments or the body of a recorded step": test_arguments_of_a_recorded_step,
    "code between operations": test_code_between_operations,
    "the function and payload of a recorded invoke": test_the_function_and_payload_of_a_recorded_invoke,
    "a step of the same name added before others": test_operations_of_one_name_take_the_results_of_others,
    "a task of the same function and names added before others": (
        test_operations_of_one_name_take_the_results_of_others
    ),
    "an item added at the start of a map without `item_namer`": (
        test_items_without_a_namer_take_the_results_of_others
    ),
    "the code of a context that has ended": test_the_code_of_a_context_that_has_ended,
    "an operation put behind all that is recorded": test_an_operation_behind_all_that_is_recorded,
    "a step whose body ran and whose START was not recorded, when the process died": (
        test_a_step_whose_start_was_not_recorded
    ),
}


def test_each_silent_change_is_run() -> None:
    rows = rows_of("changing-code.md", "## What is silent, and why")
    assert [row.code for row in rows] == list(PROOFS)


# Renaming coroutine functions.


async def pay(ctx: DurableContext, order: str) -> str:
    return await ctx.step(work, order, name=f"pay {order}")


async def charge(ctx: DurableContext, order: str) -> str:
    return await ctx.step(work, order, name=f"pay {order}")


async def charge_as_pay(ctx: DurableContext, order: str) -> str:
    return await ctx.step(work, order, name=f"pay {order}")


charge_as_pay.__qualname__ = "pay"


def orders(function: Any) -> Code:
    async def run(ctx: DurableContext) -> list[str]:
        chosen = function(ctx) if function is by_patch else function
        seen = await asyncio.gather(*(chosen(ctx, order) for order in "xy"))
        await ctx.wait(DAY)
        return list(seen)

    return run


def by_patch(ctx: DurableContext) -> Any:
    return charge if ctx.patched("charge") else pay


def test_the_rename_of_a_coroutine_function_is_told() -> None:
    ran = changed(orders(pay), orders(charge))
    assert ran.status == "FAILED"
    assert "a coroutine function that tasks are made of was renamed" in str(ran.error)


@pytest.mark.parametrize("function", [charge_as_pay, by_patch])
def test_two_ways_to_rename_it_all_the_same(function: Any) -> None:
    ran = changed(orders(pay), orders(function))
    assert ran.result == ["x", "y"]
    assert RUNS == Counter("xy")


# The patch of the page.


def page_flow(*, is_new: bool) -> Code:
    names: dict[str, Any] = {"DurableContext": DurableContext, "Duration": Duration}
    for name in ("reserve", "check_fraud", "charge"):
        exec(f"async def {name}(order): return await work('{name}')", {"work": work}, names)
    block = next(
        each
        for each in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
        if "check-fraud" in each
    )
    if not is_new:
        block = re.sub(r"    if ctx.patched.*?\n.*?\n", "", block)
    exec(block, names)

    async def run(ctx: DurableContext) -> Any:
        return await names["order"]({"id": "7"}, ctx)

    return run


def test_the_patch_of_the_page() -> None:
    assert changed(page_flow(is_new=False), page_flow(is_new=True)).result == "done"
    assert RUNS == Counter(["reserve", "charge"])
    ran = changed(page_flow(is_new=True), page_flow(is_new=True))
    assert RUNS == Counter(["reserve", "check_fraud", "charge"])

    @durable_execution
    async def order(event: Any, ctx: DurableContext) -> Any:
        return await page_flow(is_new=False)(ctx)

    report = str(replay_history(order, ran.events, execution_arn=ran.arn))
    shown = re.search(r"```text\norder: replay.*?```", TEXT, re.DOTALL)
    assert shown is not None
    for line in shown[0].splitlines()[1:-1]:
        assert line.strip() == "..." or line.removeprefix("order: ") in report
