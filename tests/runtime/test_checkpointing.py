"""Checkpointing: the number of calls that workflows cost, and the effects of the modes."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

import pytest
from tests.rig import Ran, run_workflow
from tests.virtual_time import virtual_time

from durable_execution_sdk import (
    CheckpointingMode,
    DurableContext,
    Duration,
    StepConfig,
    StepContext,
    StepSemantics,
    WaitForConditionConfig,
    poll_until,
)
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.protocol.data_plane import CheckpointResponse
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import OperationType
from durable_execution_sdk.protocol.updates import (
    OperationAction,
    OperationUpdate,
    length_of_batch,
)
from durable_execution_sdk.runtime.log import checkpointer

SECOND = Duration.from_seconds(1)
AT_MOST_ONCE = StepConfig(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY)
MODES = list(CheckpointingMode)


class Slow:
    """A service that takes a few turns of the loop for an answer, and records the calls."""

    def __init__(self, plane: Any, calls: list[list[str]]) -> None:
        self.plane, self.now, self.get_state = plane, plane.now, plane.get_state
        self.calls = calls
        self.in_flight = 0

    async def checkpoint(self, request: Any) -> Any:
        self.in_flight += 1
        assert self.in_flight == 1, "one writer"
        self.calls.append([f"{u.action} {u.name}" for u in request.updates])
        for _ in range(10):
            await asyncio.sleep(0)
        response = await self.plane.checkpoint(request)
        self.in_flight -= 1
        return response


class HeldBack(Slow):
    """A service that does not answer the first call before ``go`` is set; meanwhile the loop is idle."""

    def __init__(self, plane: Any, calls: list[list[str]], go: asyncio.Event) -> None:
        super().__init__(plane, calls)
        self.go = go
        self.acknowledged: list[str] = []

    async def checkpoint(self, request: Any) -> Any:
        async with asyncio.timeout(60):
            await self.go.wait()
        response = await super().checkpoint(request)
        self.acknowledged.extend(f"{u.action} {u.name}" for u in request.updates)
        return response


def run(workflow: Any, mode: CheckpointingMode = CheckpointingMode.BATCHED) -> tuple[Ran, Any]:
    calls: list[list[str]] = []
    ran = run_workflow(
        workflow,
        options={"checkpointing": mode},
        wrappers=Wrappers(data_plane=lambda plane: Slow(plane, calls)),
    )
    return ran, calls


def test_a_thousand_sequential_steps_cost_a_thousand_calls() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> int:
        total = 0
        for _ in range(1000):
            total += await ctx.step(one)
        return total

    async def one() -> int:
        return 1

    # No START goes alone, though the machine may be busy for a while.
    with mock.patch.object(checkpointer, "_SLOW_SECONDS", 60):
        ran, calls = run(workflow)
    assert ran.result == 1000
    assert len(calls) == 1000


def test_steps_started_together_share_calls() -> None:
    async def one() -> int:
        return 1

    async def workflow(event: Any, ctx: DurableContext) -> int:
        return sum(await asyncio.gather(*(ctx.step(one) for _ in range(200))))

    ran, calls = run(workflow)
    assert ran.result == 200
    assert len(calls) <= 4
    assert sum(map(len, calls)) == 400


def test_one_call_carries_no_more_than_it_may() -> None:
    async def one() -> str:
        return "é" * 50_000

    async def workflow(event: Any, ctx: DurableContext) -> int:
        results = await asyncio.gather(*(ctx.step(one) for _ in range(300)))
        return len(results)

    sizes: list[int] = []

    class Measuring(Slow):
        async def checkpoint(self, request: Any) -> Any:
            sizes.append(sum(len((u.payload or "").encode()) for u in request.updates))
            assert len(request.updates) <= 250
            return await super().checkpoint(request)

    ran = run_workflow(workflow, wrappers=Wrappers(data_plane=lambda plane: Measuring(plane, [])))
    assert ran.result == 300
    assert max(sizes) <= 750 * 1024


def test_updates_without_a_payload_count_too() -> None:
    batches: list[list[OperationUpdate]] = []

    class Plane(Slow):
        def __init__(self) -> None:
            """Return an empty page."""

        async def checkpoint(self, request: Any) -> CheckpointResponse:
            batches.append(request.updates)
            return CheckpointResponse(checkpoint_token="next")

    def update(number: int, action: OperationAction, payload: str | None = None) -> OperationUpdate:
        return OperationUpdate(
            id=f"{number}", type=OperationType.STEP, action=action, payload=payload
        )

    async def main() -> None:
        writer = checkpointer.Checkpointer(
            Plane(),
            "arn",
            "token",
            loop=asyncio.get_running_loop(),
            receive=lambda *_: None,
            fail=lambda *_: None,
        )
        writer.submit(update(0, OperationAction.SUCCEED, "x" * 720_000))
        for number in range(1, 240):
            writer.leave_behind(update(number, OperationAction.START))
        await writer.flush()
        await writer.close()

    asyncio.run(main())
    assert [len(batch) for batch in batches] == [120, 120]
    assert 720_000 + 120 * 400 <= 750 * 1024 < 720_000 + 121 * 400


def of_step(operation_id: str, action: Any, **members: Any) -> OperationUpdate:
    return OperationUpdate(id=operation_id, type=OperationType.STEP, action=action, **members)


LARGE = 750 * 1024 - 800  # with the START of its step it is as much as one call may carry


@pytest.mark.parametrize(
    ("updates", "most", "expected"),
    [
        ([of_step("a", "START"), of_step("a", "SUCCEED", payload="1")], 250, 2),
        ([of_step("a", "START"), of_step("a", "SUCCEED", payload="1")], 1, 1),
        ([of_step("a", "START"), of_step("a", "SUCCEED", payload="x" * LARGE)], 250, 2),
        ([of_step("a", "START"), of_step("a", "SUCCEED", payload="x" * (LARGE + 1))], 250, 1),
        ([of_step("a", "START"), of_step("a", "SUCCEED", payload="\N{GRINNING FACE}" * 191_801)], 250, 1),
        ([of_step("a", "START"), of_step("a", "FAIL", error=ErrorObject(error_message="x" * LARGE))], 250, 2),
        ([of_step("a", "START"), of_step("a", "FAIL", error=ErrorObject(error_message="x" * 768_000))], 250, 1),
        ([of_step("a", "SUCCEED", payload="x" * 900_000)], 250, 1),
        ([of_step("a", "RETRY"), of_step("a", "START")], 250, 1),
        ([of_step("a", "START"), of_step("a", "START")], 250, 1),
        ([of_step("a", "START"), of_step("b", "START")], 250, 2),
        ([of_step("a", "START"), of_step("a", "RETRY"), of_step("a", "START")], 250, 2),
        ([of_step("a", "START"), of_step("b", "START"), of_step("a", "SUCCEED")], 250, 3),
        ([of_step("a", "START"), of_step("b", "START"), of_step("b", "SUCCEED")], 2, 2),
    ],
)  # fmt: skip
def test_a_batch_is_as_long_as_one_call_may_be(
    updates: list[OperationUpdate], most: int, expected: int
) -> None:
    assert length_of_batch(updates, most) == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (CheckpointingMode.BATCHED, [["START a", "SUCCEED a"], ["START b", "SUCCEED b"]]),
        (CheckpointingMode.EAGER, [["START a"], ["SUCCEED a"], ["START b"], ["SUCCEED b"]]),
    ],
)
def test_modes_differ_in_when_updates_are_sent(
    mode: CheckpointingMode, expected: list[list[str]]
) -> None:
    async def one() -> int:
        return 1

    async def workflow(event: Any, ctx: DurableContext) -> int:
        return await ctx.step(one, name="a") + await ctx.step(one, name="b")

    ran, calls = run(workflow, mode)
    assert (ran.result, calls) == (2, expected)


def test_optimistic_mode_hands_results_on_before_they_are_acknowledged() -> None:
    calls: list[list[str]] = []
    order: list[str] = []
    go = asyncio.Event()

    async def body(name: str) -> str:
        order.append(name)
        if name == "s9":
            go.set()
        return name

    async def workflow(event: Any, ctx: DurableContext) -> int:
        for n in range(10):
            await ctx.step(body, f"s{n}", name=f"s{n}")
        return 10

    ran = run_workflow(
        workflow,
        options={"checkpointing": CheckpointingMode.OPTIMISTIC},
        wrappers=Wrappers(data_plane=lambda plane: HeldBack(plane, calls, go)),
    )
    assert ran.result == 10
    assert order == [f"s{n}" for n in range(10)]
    # The first call is in flight until the last body runs.
    assert calls[0] == ["START s0", "SUCCEED s0"]
    assert (
        calls[1][:17]
        == [f"{action} s{n}" for n in range(1, 10) for action in ("START", "SUCCEED")][:17]
    )
    assert sum(map(len, calls)) == 20


def test_in_optimistic_mode_an_at_most_once_step_waits_for_all_before_it() -> None:
    planes: list[HeldBack] = []
    go = asyncio.Event()

    def held_back(plane: Any) -> HeldBack:
        planes.append(HeldBack(plane, [], go))
        return planes[-1]

    async def early(n: int) -> None:
        if n == 2:
            assert planes[-1].acknowledged == []
            go.set()

    async def charge() -> list[str]:
        return list(planes[-1].acknowledged)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        for n in range(3):
            await ctx.step(early, n, name=f"e{n}")
        return await ctx.step(charge, name="charge", config=AT_MOST_ONCE)

    ran = run_workflow(
        workflow,
        options={"checkpointing": CheckpointingMode.OPTIMISTIC},
        wrappers=Wrappers(data_plane=held_back),
    )
    assert ran.status == "SUCCEEDED", ran.error
    assert ran.result[-1] == "START charge"
    assert {"SUCCEED e0", "SUCCEED e1", "SUCCEED e2"} <= set(ran.result)


def test_in_eager_mode_a_body_runs_when_its_start_is_acknowledged() -> None:
    acknowledged: list[str] = []
    seen: list[list[str]] = []

    class Acknowledging(Slow):
        async def checkpoint(self, request: Any) -> Any:
            response = await super().checkpoint(request)
            acknowledged.extend(f"{u.action} {u.name}" for u in request.updates)
            return response

    async def step() -> None:
        seen.append(list(acknowledged))
        if StepContext.current().attempt == 1:
            raise RuntimeError("not yet")

    async def check(state: int) -> int:
        seen.append(list(acknowledged))
        return state + 1

    async def child(ctx: DurableContext) -> None:
        await ctx.step(step, name="step")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.run_in_child_context(child, name="child")
        strategy = poll_until(lambda state: state == 1)
        config = WaitForConditionConfig(initial_state=0, wait_strategy=strategy)
        await ctx.wait_for_condition(check, config, name="poll")

    ran = run_workflow(
        workflow,
        options={"checkpointing": CheckpointingMode.EAGER},
        wrappers=Wrappers(data_plane=lambda plane: Acknowledging(plane, [])),
    )
    assert ran.status == "SUCCEEDED"
    assert seen[0] == ["START child", "START step"]
    assert seen[1] == [*seen[0], "RETRY step", "START step"]
    assert seen[2][-1] == "START poll"


@pytest.mark.parametrize("is_idle", [False, True], ids=["loop busy", "loop idle"])
@pytest.mark.parametrize("mode", [CheckpointingMode.BATCHED, CheckpointingMode.EAGER])
def test_no_result_reaches_the_workflow_before_it_is_acknowledged(
    mode: CheckpointingMode, is_idle: bool
) -> None:
    acknowledged: set[str] = set()

    class Acknowledging(Slow):
        async def checkpoint(self, request: Any) -> Any:
            if is_idle:
                await asyncio.sleep(1)
            response = await super().checkpoint(request)
            acknowledged.update(f"{u.action} {u.name}" for u in request.updates)
            return response

    async def one() -> int:
        return 1

    async def child(ctx: DurableContext) -> int:
        return await ctx.step(one, name="in")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(one, name="a")
        assert "SUCCEED a" in acknowledged
        handle = ctx.step(one, name="b")
        while not handle.done():
            await asyncio.sleep(0.0005)
        assert "SUCCEED b" in acknowledged
        await ctx.run_in_child_context(child, name="c")
        assert {"SUCCEED c", "SUCCEED in"} <= acknowledged
        return "checked"

    with virtual_time():
        ran = run_workflow(
            workflow,
            options={"checkpointing": mode},
            wrappers=Wrappers(data_plane=lambda plane: Acknowledging(plane, [])),
        )
    assert ran.result == "checked", ran.error


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_does_the_same_and_replays_the_same(mode: CheckpointingMode) -> None:
    seen: list[list[Any]] = []
    times: list[Any] = []

    async def body(n: int) -> int:
        await asyncio.sleep(0)
        return n

    async def child(ctx: DurableContext) -> int:
        await ctx.wait(SECOND)
        return await ctx.step(body, 7)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        values: list[Any] = []
        seen.append(values)
        values.append(await ctx.step(body, 1))
        times.append(ctx.now())
        values.append(await asyncio.gather(ctx.step(body, 2), ctx.step(body, 3)))
        values.append(await ctx.step(body, 4, config=AT_MOST_ONCE))
        await ctx.wait(SECOND)
        values.append(await ctx.run_in_child_context(child))
        values.append(await ctx.step(body, 5))
        times.append(ctx.now())

    ran, _ = run(workflow, mode)
    assert ran.status == "SUCCEEDED", ran.error
    assert seen[-1] == [1, [2, 3], 4, 7, 5]
    for earlier in seen:
        assert seen[-1][: len(earlier)] == earlier
    assert len(set(times)) == 2


def test_the_start_of_a_slow_step_is_shown_while_it_runs() -> None:
    async def slow() -> None:
        while not any("START slow" in call for call in calls):
            await asyncio.sleep(0.001)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        async with asyncio.timeout(5):
            await ctx.step(slow, name="slow")

    with mock.patch.object(checkpointer, "_SLOW_SECONDS", 0.002):
        calls: list[list[str]] = []
        run_workflow(workflow, wrappers=Wrappers(data_plane=lambda plane: Slow(plane, calls)))
    assert calls == [["START slow"], ["SUCCEED slow"]]


def test_the_start_of_a_slow_step_is_shown_when_a_slow_call_is_over() -> None:
    calls: list[list[str]] = []

    class Slower(Slow):
        async def checkpoint(self, request: Any) -> Any:
            if not in_flight.is_set():
                in_flight.set()
                await asyncio.sleep(0.01)
            return await super().checkpoint(request)

    async def slow() -> None:
        while not any("START slow" in call for call in calls):
            await asyncio.sleep(0.001)

    async def quick() -> None:
        pass

    async def workflow(event: Any, ctx: DurableContext) -> None:
        first = ctx.step(quick, name="first")
        await in_flight.wait()
        async with asyncio.timeout(5):
            await ctx.step(slow, name="slow")
        await first

    in_flight = asyncio.Event()
    with mock.patch.object(checkpointer, "_SLOW_SECONDS", 0.002):
        run_workflow(workflow, wrappers=Wrappers(data_plane=lambda plane: Slower(plane, calls)))
    assert calls == [["START first", "SUCCEED first"], ["START slow"], ["SUCCEED slow"]]


def test_each_call_has_a_client_token_of_its_own() -> None:
    tokens: list[str] = []

    class Tokens(Slow):
        async def checkpoint(self, request: Any) -> Any:
            tokens.append(request.client_token)
            return await super().checkpoint(request)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        for _ in range(5):
            await ctx.step(lambda: 1)

    run_workflow(workflow, wrappers=Wrappers(data_plane=lambda plane: Tokens(plane, [])))
    assert len(set(tokens)) == 5


def test_a_workflow_without_operations_costs_no_call() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        await asyncio.sleep(0)
        return "done"

    ran, calls = run(workflow)
    assert (ran.result, calls) == ("done", [])


@pytest.mark.parametrize("mode", CheckpointingMode)
def test_an_invocation_that_ends_with_a_call_in_flight_makes_no_other(
    mode: CheckpointingMode,
) -> None:
    calls: list[list[str]] = []

    class Late(Slow):
        async def checkpoint(self, request: Any) -> Any:
            in_flight.set()
            await asyncio.sleep(0.01)
            return await super().checkpoint(request)

    async def quick() -> None:
        pass

    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.step(quick, name="quick")
        while not in_flight.is_set():
            await asyncio.sleep(0)

    in_flight = asyncio.Event()
    run_workflow(
        workflow,
        options={"checkpointing": mode},
        wrappers=Wrappers(data_plane=lambda plane: Late(plane, calls)),
    )
    # In eager mode the handler has returned before the body could start.
    ends = [] if mode is CheckpointingMode.EAGER else ["SUCCEED quick"]
    assert calls == [["START quick", *ends]]
