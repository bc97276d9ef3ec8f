"""Answers of the service to checkpoints, and their effect on an invocation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.rig import Ran, rig_of, run_workflow

from durable_execution_sdk import DurableContext, Duration, ServiceError
from durable_execution_sdk.emulator.function_caller import Wrappers

SECOND = Duration.from_seconds(1)
Answer = Callable[[Any, Any, int], Any]


class Answering:
    """A service whose n-th answer to a checkpoint is replaced."""

    def __init__(self, plane: Any, answer: Answer) -> None:
        self.plane, self.now, self.get_state = plane, plane.now, plane.get_state
        self.answer = answer
        self.calls = 0

    async def checkpoint(self, request: Any) -> Any:
        self.calls += 1
        return await self.answer(self.plane, request, self.calls)


def run(workflow: Any, answer: Answer) -> Ran:
    return run_workflow(
        workflow, wrappers=Wrappers(data_plane=lambda plane: Answering(plane, answer))
    )


async def two_steps(event: Any, ctx: DurableContext) -> list[int]:
    return [await ctx.step(lambda: 1, name="one"), await ctx.step(lambda: 2, name="two")]


def failing(at: int, **error: Any) -> Answer:
    async def answer(plane: Any, request: Any, call: int) -> Any:
        if call == at:
            raise ServiceError("says the service", **error)
        return await plane.checkpoint(request)

    return answer


@pytest.mark.parametrize(
    "error",
    [
        {"code": "TooManyRequestsException", "status": 429},
        {"code": "ServiceException", "status": 500},
        {"code": None, "status": 503},
        {"code": None, "status": None},
    ],
)
def test_a_transient_error_is_raised_so_that_lambda_invokes_again(error: dict[str, Any]) -> None:
    ran = run(two_steps, failing(2, **error))
    assert ran.result == [1, 2]
    assert ran.invocations == 2
    ended = [e for e in ran.events if e.event_type == "InvocationCompleted"]
    assert ended[0].invocation_completed_details.error.payload.error_type == "ServiceError"


@pytest.mark.parametrize("text", ["Invalid checkpoint token", "invalid Checkpoint Token: x"])
def test_a_stale_token_is_raised(text: str) -> None:
    async def answer(plane: Any, request: Any, call: int) -> Any:
        if call == 1:
            raise ServiceError(text, code="InvalidParameterValueException", status=400)
        return await plane.checkpoint(request)

    ran = run(two_steps, answer)
    assert (ran.result, ran.invocations) == ([1, 2], 2)


@pytest.mark.parametrize(
    "error",
    [
        {"code": "InvalidParameterValueException", "status": 400},
        {"code": "AccessDeniedException", "status": 403},
        {"code": "ResourceNotFoundException", "status": 404},
        {"code": "KMSAccessDeniedException", "status": 502},
    ],
)
def test_a_permanent_refusal_fails_the_execution_and_names_the_operation(
    error: dict[str, Any],
) -> None:
    ran = run(two_steps, failing(2, **error))
    assert ran.status == "FAILED"
    assert "step 'two'" in ran.error.error_message
    assert error["code"] in ran.error.error_message
    assert ran.invocations == 1


def test_an_answer_without_a_token_ends_the_invocation_as_pending() -> None:
    async def answer(plane: Any, request: Any, call: int) -> Any:
        response = await plane.checkpoint(request)
        return msgspec.structs.replace(response, checkpoint_token=None) if call == 1 else response

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await asyncio.gather(ctx.wait(SECOND), ctx.step(lambda: 1), ctx.create_callback())

    async def main(event: Any, ctx: DurableContext) -> str:
        await workflow(event, ctx)
        return "done"

    ran = run(main, answer)
    assert ran.result == "done", ran.error
    assert ran.invocations == 2


def test_an_answer_without_a_token_and_operations_fails_nothing() -> None:
    async def answer(plane: Any, request: Any, call: int) -> Any:
        response = await plane.checkpoint(request)
        if call == 1:
            return msgspec.structs.replace(response, checkpoint_token=None, operations=[])
        return response

    async def workflow(event: Any, ctx: DurableContext) -> str:
        callback = await ctx.create_callback()
        await ctx.wait(SECOND)
        return str(bool(callback.callback_id))

    rig = rig_of(workflow, wrappers=Wrappers(data_plane=lambda plane: Answering(plane, answer)))
    arn = rig.start()
    ran = rig.drive(arn, until=rig.clock.now() + 60_000)
    assert ran.status == "RUNNING"
    assert ran.error is None


@pytest.mark.parametrize("turns", range(12))
def test_no_task_sees_effects_of_other_tasks_when_the_token_is_gone(turns: int) -> None:
    entered: list[list[int]] = []

    async def answer(plane: Any, request: Any, call: int) -> Any:
        response = await plane.checkpoint(request)
        for _ in range(turns):
            await asyncio.sleep(0)
        return msgspec.structs.replace(response, checkpoint_token=None) if call == 1 else response

    async def workflow(event: Any, ctx: DurableContext) -> str:
        entered.append([])
        ctx.wait(SECOND)
        lock = asyncio.Lock()

        async def use(n: int) -> None:
            async with lock:
                entered[-1].append(n)
                await ctx.wait(SECOND)

        async def both() -> None:
            await asyncio.gather(use(0), use(1))

        await asyncio.create_task(both())
        return "done"

    ran = run(workflow, answer)
    assert ran.result == "done", ran.error
    assert entered[0] in ([], [0])
    assert entered[-1] == [0, 1]


def test_an_answer_may_repeat_operations() -> None:
    operations_so_far: dict[str, Any] = {}

    async def answer(plane: Any, request: Any, call: int) -> Any:
        response = await plane.checkpoint(request)
        operations_so_far.update({op.id: op for op in response.operations})
        return msgspec.structs.replace(response, operations=list(operations_so_far.values()))

    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def side() -> None:
            seen.append(await ctx.step(lambda: "side", name="side"))
            await asyncio.sleep(0.001)
            seen.append(await ctx.step(lambda: "again", name="again"))

        task = asyncio.create_task(side())
        for n in range(4):
            seen.append(await ctx.step(lambda: n, name=f"s{n}"))
        await task

    assert run(workflow, answer).status == "SUCCEEDED"
    assert sorted(map(str, seen)) == ["0", "1", "2", "3", "again", "side"]


def test_an_answer_need_not_contain_the_acknowledged_operations() -> None:
    async def answer(plane: Any, request: Any, call: int) -> Any:
        response = await plane.checkpoint(request)
        ended = [op for op in response.operations if op.type in ("CALLBACK", "WAIT")]
        return msgspec.structs.replace(response, operations=ended)

    async def child(ctx: DurableContext) -> str:
        return await ctx.step(lambda: "in", name="in")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return [
            await ctx.step(lambda: 1),
            await ctx.run_in_child_context(child),
            await ctx.wait(SECOND),
        ]

    assert run(workflow, answer).result == [1, "in", None]


def test_pages_of_an_answer_are_read() -> None:
    from durable_execution_sdk.engine.limits import Limits

    async def workflow(event: Any, ctx: DurableContext) -> int:
        results = await asyncio.gather(*(ctx.step(lambda: 1, name=f"s{n}") for n in range(50)))
        await ctx.wait(SECOND)
        return sum(results)

    pages: list[str] = []

    class Paged:
        def __init__(self, plane: Any) -> None:
            self.plane, self.now, self.checkpoint = plane, plane.now, plane.checkpoint

        async def get_state(self, request: Any) -> Any:
            pages.append(request.marker)
            assert request.max_items == 1000
            return await self.plane.get_state(msgspec.structs.replace(request, max_items=7))

    ran = run_workflow(
        workflow, limits=Limits(first_page_items=3), wrappers=Wrappers(data_plane=Paged)
    )
    assert ran.result == 50
    assert len(pages) >= 7


def test_a_page_that_cannot_be_read_is_an_error_like_any_other() -> None:
    from durable_execution_sdk.engine.limits import Limits

    attempts: list[int] = []

    class Broken:
        def __init__(self, plane: Any) -> None:
            self.plane, self.now, self.checkpoint = plane, plane.now, plane.checkpoint

        async def get_state(self, request: Any) -> Any:
            attempts.append(1)
            if len(attempts) == 1:
                raise ServiceError("slow down", status=429)
            raise ServiceError("not you", code="AccessDeniedException", status=403)

    ran = run_workflow(
        two_waits, limits=Limits(first_page_items=1), wrappers=Wrappers(data_plane=Broken)
    )
    assert (ran.status, len(attempts)) == ("FAILED", 2)
    assert "AccessDeniedException" in ran.error.error_message


async def two_waits(event: Any, ctx: DurableContext) -> None:
    await ctx.wait(SECOND)
    await ctx.wait(SECOND)


def test_a_refusal_of_the_last_updates_outranks_what_the_code_came_to() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def slow() -> None:
            await asyncio.sleep(3600)

        ctx.step(slow, name="unfinished")
        return "done"

    ran = run(workflow, failing(1, code="AccessDeniedException", status=403))
    assert ran.status == "FAILED"
    assert "'unfinished'" in ran.error.error_message


def test_unknown_types_and_statuses_are_tolerated() -> None:
    async def answer(plane: Any, request: Any, call: int) -> Any:
        response = await plane.checkpoint(request)
        new = msgspec.structs.replace(
            response.operations[0], id="new", type="QUANTUM", status="ENTANGLED"
        )
        return msgspec.structs.replace(response, operations=[new, *response.operations])

    assert run(two_steps, answer).result == [1, 2]
