"""A dry run of the next invocation finds what the invocation would fail with, and runs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import pytest

from durable_execution_sdk import (
    CheckpointingMode,
    DurableContext,
    DurableError,
    Duration,
    FixedDelay,
    NoRetry,
    OnDivergence,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.engine.views.handler_view import next_invocation
from durable_execution_sdk.protocol.control_plane import InvokeRequest
from durable_execution_sdk.replay.dry_run import dry_run
from durable_execution_sdk.replay.report import Divergence, DivergenceKind

Workflow = Callable[[Any, DurableContext], Coroutine[Any, Any, Any]]

ran: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


def work(name: str) -> str:
    ran.append(name)
    return name


def fails() -> str:
    raise ValueError("no money")


async def original(event: Any, ctx: DurableContext) -> Any:
    await ctx.step(work, "a", name="first")
    callback = await ctx.create_callback(name="approval")
    answer = await callback
    await ctx.step(work, "b", name="last")
    return answer


async def in_child(event: Any, ctx: DurableContext) -> Any:
    async def group(child: DurableContext) -> str:
        return await child.step(work, "a", name="inner")

    await ctx.run_in_child_context(group, name="group")
    await ctx.wait(Duration.from_days(1), name="cool_down")


class Recorded:
    """An execution of a workflow that has gone as far as it can without an answer."""

    def __init__(self, workflow: Workflow, event: str = '{"n": 1}', **options: Any) -> None:
        handler = durable_execution(**options)(workflow)
        functions = Functions()
        functions.add_durable("f", handler.bind)
        self.emulator = Emulator(MemoryStore(), VirtualClock(), functions)
        self.arn = self.emulator.start(
            InvokeRequest(function_name="f:$LATEST", payload=event.encode())
        )
        Driver(self.emulator).run_until(lambda: False, wait=False)
        ran.clear()

    def answer(self) -> None:
        for operation in self.emulator.operations(self.arn):
            if operation.callback_details is not None:
                assert operation.callback_details.callback_id is not None
                self.emulator.callback_success(operation.callback_details.callback_id, b"1")

    def against(self, workflow: Workflow, **options: Any) -> Divergence | None:
        events = len(self.emulator.coordinator.events(self.arn))
        handler = durable_execution(**options)(workflow)
        found = dry_run(handler, next_invocation(self.emulator.snapshot(self.arn)))
        assert len(self.emulator.coordinator.events(self.arn)) == events
        assert ran == []
        return found


def found(divergence: Divergence | None) -> Divergence:
    assert divergence is not None
    return divergence


@pytest.mark.parametrize("mode", list(CheckpointingMode))
def test_unchanged_code_goes_on(mode: CheckpointingMode) -> None:
    recorded = Recorded(original, checkpointing=mode)
    assert recorded.against(original, checkpointing=mode) is None


def test_a_new_operation_at_the_end_of_the_log_is_no_divergence() -> None:
    async def changed(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(work, "a", name="first")
        callback = await ctx.create_callback(name="approval")
        await ctx.step(work, "c", name="added")
        return await callback

    assert Recorded(original).against(changed) is None


@pytest.mark.parametrize("mode", list(CheckpointingMode))
def test_an_edit_beside_the_old_code_by_a_patch_goes_on(mode: CheckpointingMode) -> None:
    async def changed(event: Any, ctx: DurableContext) -> Any:
        if ctx.patched("before"):
            await ctx.step(work, "c", name="added")
        answer = await original(event, ctx)
        if ctx.patched("behind"):
            await ctx.step(work, "c", name="added")
        return answer

    recorded = Recorded(original, checkpointing=mode)
    assert recorded.against(changed, checkpointing=mode) is None
    recorded.answer()
    assert recorded.against(changed, checkpointing=mode) is None


@pytest.mark.parametrize("on_divergence", list(OnDivergence))
def test_a_divergence_is_found_also_if_the_handler_would_raise(on_divergence: OnDivergence) -> None:
    async def changed(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(work, "a", name="other")

    divergence = Recorded(original).against(changed, on_divergence=on_divergence)
    assert found(divergence).kind is DivergenceKind.OTHER_OPERATION


def test_code_in_a_context_that_has_ended_does_not_run_again() -> None:
    async def changed(event: Any, ctx: DurableContext) -> Any:
        async def group(child: DurableContext) -> str:
            raise AssertionError

        await ctx.run_in_child_context(group, name="group")
        await ctx.wait(Duration.from_days(1), name="cool_down")

    assert Recorded(in_child).against(changed) is None


def test_another_operation_is_named_with_the_line_that_asks_for_it() -> None:
    async def changed(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(work, "a", name="renamed")

    divergence = found(Recorded(original).against(changed))
    assert divergence.kind is DivergenceKind.OTHER_OPERATION
    assert divergence.expected == "step 'first'"
    assert divergence.actual == "step 'renamed' (another name)"
    assert divergence.place is not None
    assert divergence.place.text == 'return await ctx.step(work, "a", name="renamed")'
    assert divergence.operation_id is not None


async def mistaken(ctx: DurableContext, name: str) -> Any:
    await ctx.step(work, name, name=name)
    return ctx.nothing  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


async def compensates(event: Any, ctx: DurableContext) -> Any:
    async with ctx.saga() as saga:
        saga.add_compensation(work, "undone")
        await mistaken(ctx, "first")


async def handles(event: Any, ctx: DurableContext) -> Any:
    try:
        await mistaken(ctx, "first")
    except AttributeError:
        await ctx.step(work, "told", name="tell")


async def cleans_up(event: Any, ctx: DurableContext) -> Any:
    try:
        await mistaken(ctx, "first")
    finally:
        await ctx.step(work, "told", name="tell")


@pytest.mark.parametrize("workflow", [compensates, handles, cleans_up])
def test_the_error_that_code_handles_while_it_diverges_is_named(workflow: Workflow) -> None:
    divergence = found(Recorded(original).against(workflow))
    assert divergence.expected.startswith("callback")
    start = "it does so while it handles AttributeError: 'DurableContext' object has no attribute"
    assert divergence.hint.startswith(start)
    line = mistaken.__code__.co_firstlineno + 2
    assert divergence.hint.endswith(f"test_dry_run.py:{line}, in mistaken")


def test_the_error_that_code_handles_in_a_task_is_named() -> None:
    async def branch(event: Any, ctx: DurableContext) -> Any:
        # A task has the name of its function, which an edit keeps.
        return await edited(event, ctx)

    async def in_task(event: Any, ctx: DurableContext) -> Any:
        await asyncio.gather(branch(event, ctx), asyncio.sleep(0))

    edited = original
    recorded = Recorded(in_task)
    edited = handles
    assert "AttributeError" in found(recorded.against(in_task)).hint


def test_an_error_that_was_handled_before_is_not_named() -> None:
    async def changed(event: Any, ctx: DurableContext) -> Any:
        try:
            await mistaken(ctx, "first")
        except AttributeError:
            pass
        await ctx.step(work, "told", name="tell")

    assert found(Recorded(original).against(changed)).hint == ""


def test_an_operation_that_is_not_asked_for_is_named_with_those_that_are() -> None:
    async def both(event: Any, ctx: DurableContext) -> Any:
        async def branch(name: str) -> None:
            await ctx.step(work, name, name=name)

        async def waits() -> None:
            await ctx.wait(Duration.from_days(1))

        await asyncio.gather(branch("a"), branch("b"), waits())

    async def one_by_one(event: Any, ctx: DurableContext) -> Any:
        for name in "ab":
            await ctx.step(work, name, name=name)

    async def returns(event: Any, ctx: DurableContext) -> Any:
        return 1

    divergence = found(Recorded(both).against(one_by_one))
    assert divergence.kind is DivergenceKind.MISSING_OPERATION
    assert (divergence.expected, divergence.actual) == ("step 'a'", "step 'a'")
    assert divergence.place is not None
    assert divergence.place.text == "await ctx.step(work, name, name=name)"
    divergence = found(Recorded(both).against(returns))
    assert (divergence.expected, divergence.actual) == ("step 'a'", "nothing more")


@dataclass
class Typed:
    required: str


def test_an_input_that_no_longer_fits_is_a_failure() -> None:
    async def changed(event: Typed, ctx: DurableContext) -> Any:
        return await original(event, ctx)

    divergence = found(Recorded(original).against(changed))
    assert divergence.kind is DivergenceKind.FAILURE
    assert divergence.actual.startswith(
        "it fails with SerDesError: the input of the execution, for 'event: Typed' of"
    )


def test_an_exception_before_the_first_new_operation_is_a_failure() -> None:
    async def broken(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(work, "a", name="first")
        await ctx.create_callback(name="approval")
        return not_defined  # type: ignore[name-defined] # noqa: F821

    divergence = found(Recorded(original).against(broken))
    assert divergence.kind is DivergenceKind.FAILURE
    assert divergence.expected == "no end after callback 'approval'"
    assert divergence.actual == "it fails with NameError: name 'not_defined' is not defined"
    assert divergence.place is not None
    assert divergence.place.function.endswith("broken")

    async def unreachable(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(work, "a", name="first")
        await (await ctx.create_callback(name="approval"))
        return not_defined  # type: ignore[name-defined] # noqa: F821

    assert Recorded(original).against(unreachable) is None


def test_an_exception_in_one_task_is_found_beside_a_new_operation_in_another() -> None:
    async def broken(event: Any, ctx: DurableContext) -> Any:
        async def raises() -> None:
            raise LookupError

        await ctx.step(work, "a", name="first")
        await ctx.create_callback(name="approval")
        await asyncio.gather(ctx.step(work, "new"), raises())

    assert found(Recorded(original).against(broken)).actual == "it fails with LookupError"


def test_an_execution_without_operations_is_run_up_to_its_first_one() -> None:
    async def gives_up(event: Any, ctx: DurableContext) -> Any:
        raise DurableError.invocation("the service is down")

    async def raises(event: Any, ctx: DurableContext) -> Any:
        raise RuntimeError("at once")

    recorded = Recorded(gives_up)
    assert recorded.against(original) is None
    assert found(recorded.against(raises)).actual == "it fails with RuntimeError: at once"


def test_the_recorded_failure_of_a_step_that_code_lets_through_is_a_failure() -> None:
    async def caught(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.step(fails, config=StepConfig(retry_strategy=NoRetry()))
        except ValueError:
            await ctx.wait(Duration.from_days(1))

    async def not_caught(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(fails, config=StepConfig(retry_strategy=NoRetry()))

    recorded = Recorded(caught)
    assert recorded.against(caught) is None
    assert found(recorded.against(not_caught)).kind is DivergenceKind.FAILURE


def test_a_result_that_is_too_large_for_a_response_is_no_failure() -> None:
    async def large(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(work, "a", name="first")
        await ctx.create_callback(name="approval")
        return "x" * 7_000_000

    assert Recorded(original).against(large) is None


def test_an_exception_that_makes_lambda_invoke_again_is_raised() -> None:
    async def gives_up(event: Any, ctx: DurableContext) -> Any:
        raise DurableError.invocation("the service is down")

    with pytest.raises(DurableError, match="the service is down"):
        Recorded(original).against(gives_up)


def test_code_after_a_context_that_has_only_its_end_to_record_is_reached() -> None:
    async def asks(event: Any, ctx: DurableContext) -> Any:
        return await ctx.wait_for_callback(lambda callback_id: None, name="approval")

    async def raises_after(event: Any, ctx: DurableContext) -> Any:
        await ctx.wait_for_callback(lambda callback_id: None, name="approval")
        raise LookupError("after")

    async def raises_later(event: Any, ctx: DurableContext) -> Any:
        await ctx.wait_for_callback(lambda callback_id: None, name="approval")
        await ctx.step(work, "new", name="new")
        raise LookupError("later")

    recorded = Recorded(asks)
    recorded.answer()
    assert found(recorded.against(raises_after)).actual == "it fails with LookupError: after"
    assert recorded.against(raises_later) is None
    assert recorded.against(asks) is None


def test_a_body_that_was_cut_off_does_not_run() -> None:
    async def retries(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(
            fails,
            config=StepConfig(retry_strategy=FixedDelay(delay=Duration.from_days(1))),
            name="again",
        )

    async def works(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(work, "again", name="again")
        raise AssertionError

    recorded = Recorded(retries)
    assert recorded.against(works) is None
    recorded.emulator.advance(recorded.arn)
    recorded.emulator.coordinator.refresh()
    assert recorded.against(works) is None


def test_code_that_waits_for_nothing_is_a_failure() -> None:
    async def stuck(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(work, "a", name="first")
        await ctx.create_callback(name="approval")
        await asyncio.get_running_loop().create_future()

    assert "DeadlockError" in found(Recorded(original).against(stuck)).actual
