"""The end of an execution: results of any size, and ends that the workflow chooses itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.rig import Ran, rig_of, run_workflow

from durable_execution_sdk import DurableContext, Duration
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest

MIB = 1024 * 1024


def run_synchronously(workflow: Any) -> Ran:
    """Start it synchronously: the result may then be larger."""
    rig = rig_of(workflow)
    arn = rig.emulator.start(
        InvokeRequest(
            function_name="workflow:$LATEST",
            payload=b"null",
            invocation_type=InvocationType.REQUEST_RESPONSE,
        )
    )
    return rig.drive(arn, until=rig.clock.now() + 86_400_000)


def test_the_execution_ends_as_succeeded_and_nothing_runs_after_it() -> None:
    seen: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def side() -> None:
            await ctx.wait(Duration.from_seconds(1))
            seen.append("side")

        task = asyncio.create_task(side())
        await ctx.step(lambda: 1)
        await ctx.complete_execution_success({"early": True})
        seen.append("after")
        await task
        return "never"

    ran = run_workflow(workflow)
    assert (ran.status, ran.result, seen) == ("SUCCEEDED", {"early": True}, [])
    assert ran.invocations == 1


@pytest.mark.parametrize("error", ["a message", LookupError("gone")])
def test_the_execution_ends_as_failed(error: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        await ctx.complete_execution_failure(error)
        return "never"

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    assert ran.error.error_message in ("a message", "gone")
    assert ran.error.error_type in ("ExecutionError", "LookupError")


@pytest.mark.parametrize("after", ["return", "step", "wait", "gather"])
@pytest.mark.parametrize("how", ["success", "failure"])
def test_the_end_begins_at_the_call_awaited_or_not(how: str, after: str) -> None:
    ran_after: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        await ctx.step(lambda: 1)
        if how == "success":
            ending = ctx.complete_execution_success(5)
        else:
            ending = ctx.complete_execution_failure("no more")
        match after:
            case "step":
                await ctx.step(lambda: ran_after.append(1))
            case "wait":
                await ctx.wait(Duration.from_days(1))
            case "gather":
                await asyncio.gather(ctx.step(lambda: ran_after.append(1)), ending)
        return "other"

    ran = run_workflow(workflow)
    assert ran.status == ("SUCCEEDED" if how == "success" else "FAILED")
    assert (ran.result, ran.error and ran.error.error_message) in ((5, None), (None, "no more"))
    assert (ran_after, ran.invocations) == ([], 1)


def test_the_first_of_two_ends_stands() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        ctx.complete_execution_failure("first")
        ctx.complete_execution_success(5)
        return "other"

    ran = run_workflow(workflow)
    assert (ran.status, ran.error.error_message) == ("FAILED", "first")


def test_a_child_context_may_end_the_execution() -> None:
    async def child(ctx: DurableContext) -> None:
        await ctx.complete_execution_success(5)

    async def workflow(event: Any, ctx: DurableContext) -> str:
        await ctx.run_in_child_context(child)
        return "never"

    assert run_workflow(workflow).result == 5


def test_code_that_swallows_everything_does_not_undo_the_end() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            await ctx.complete_execution_success(5)
        except BaseException:
            pass
        try:
            await ctx.step(lambda: 1)
        except BaseException:
            pass
        return "other"

    ran = run_workflow(workflow)
    assert ran.result == 5
    assert "StepStarted" not in ran.types()


def test_a_result_that_is_no_json_is_refused_where_it_is_given() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            await ctx.complete_execution_success(object())
        except Exception as error:
            return type(error).__name__

    assert run_workflow(workflow).result == "SerDesError"


@pytest.mark.parametrize("size", [6 * MIB - 51, 6 * MIB - 50, 6 * MIB - 2, 6 * MIB])
def test_a_result_that_does_not_fit_into_the_answer_goes_into_the_log(size: int) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        return "x" * (size - 2)

    ran = run_synchronously(workflow)
    assert ran.status == "SUCCEEDED", ran.error
    assert len(ran.result) == size - 2
    assert ran.invocations == 1


@pytest.mark.parametrize("letter", ['"', "\\", "\n", "é", "\x7f", "😀"])
def test_the_size_of_a_result_is_that_of_its_escaped_json(letter: str) -> None:
    """A result is JSON text within JSON text: its quotes are escaped once more."""

    async def workflow(event: Any, ctx: DurableContext) -> str:
        return letter * (2 * MIB)

    ran = run_synchronously(workflow)
    if len((letter * 2).encode()) * MIB > 6 * MIB:
        assert ran.status == "FAILED"
    else:
        assert ran.status == "SUCCEEDED", ran.error
        assert ran.result == letter * (2 * MIB)
    assert ran.invocations == 1


def test_a_result_that_the_service_does_not_take_fails_with_a_reason() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        return "x" * (6 * MIB)

    ran = run_synchronously(workflow)
    assert ran.status == "FAILED"
    assert "6291456" in ran.error.error_message.replace(",", "")


def test_an_error_is_never_too_large_for_the_answer() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        raise ValueError("x" * 7 * MIB, "y" * 7 * MIB)

    ran = run_workflow(workflow)
    assert (ran.status, ran.error.error_type) == ("FAILED", "ValueError")
