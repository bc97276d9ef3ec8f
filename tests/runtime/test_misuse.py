"""Misuse: contexts in the wrong place and changed code fail at once, with the fix in the message."""

from __future__ import annotations

import asyncio
import inspect
import re
from contextlib import suppress
from typing import Any

import pytest
from tests.rig import rig_of, run_workflow

import durable_execution_sdk
from durable_execution_sdk import (
    ChildConfig,
    ConfigError,
    ContextMisuseError,
    DurableContext,
    Duration,
    JsonSerDes,
    MapConfig,
    NoRetry,
    RetryableErrorFilter,
    StepConfig,
    StepContext,
    WaitForCallbackConfig,
    WaitForConditionConfig,
    WithRetryConfig,
    durable_execution,
    durable_step,
)
from durable_execution_sdk.operations.lifecycle.call_errors import (
    CALLS,
    ELSEWHERE,
    OPTIONS,
    SAGA_STEP,
)
from durable_execution_sdk.operations.saga import Saga
from durable_execution_sdk.testing import LocalDurableTestRunner

ONE_TRY = StepConfig(retry_strategy=NoRetry())
SECOND = Duration.from_seconds(1)


@pytest.mark.parametrize("virtual", [False, True])
def test_a_parents_context_inside_a_child_is_refused(virtual: bool) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def child(inner: DurableContext) -> str:
            try:
                await ctx.step(lambda: 1)
            except ContextMisuseError as error:
                return str(error)
            return "allowed"

        config = ChildConfig(virtual=virtual)
        return await ctx.run_in_child_context(child, name="inner", config=config)

    message = run_workflow(workflow).result
    assert "the handler's context was used inside the child context 'inner'" in message
    assert "use the context that the function was given" in message


@pytest.mark.parametrize(
    "start",
    [
        lambda ctx, plain: ctx.run_in_child_context(plain),
        lambda ctx, plain: ctx.run_in_child_context(plain, config=ChildConfig(virtual=True)),
        lambda ctx, plain: ctx.with_retry(plain),
        lambda ctx, plain: ctx.map([1], plain),
        lambda ctx, plain: ctx.parallel([plain]),
    ],
    ids=["child", "virtual child", "with_retry", "map", "parallel"],
)
def test_a_plain_function_for_a_context_is_refused_with_the_fix(start: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        result = await start(ctx, lambda *_: 7)
        result.throw_if_error()

    ran = run_workflow(workflow)
    assert ran.error.error_type == "ConfigError"
    assert "takes an async function (async def)" in ran.error.error_message
    assert "<lambda> returned an object of type int" in ran.error.error_message
    assert "await ctx.step(function)" in ran.error.error_message
    assert "StepFailed" not in ran.types()
    assert ran.invocations == 1


async def _compensated(ctx: DurableContext, **options: Any) -> None:
    async with ctx.saga() as saga:
        await saga.step(lambda: 1, compensate=lambda _: None, **options)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (lambda ctx, wrong: ctx.step(lambda: 1, config=wrong), "StepConfig"),
        (lambda ctx, wrong: ctx.invoke("f", 1, config=wrong), "InvokeConfig"),
        (lambda ctx, wrong: ctx.create_callback(config=wrong), "CallbackConfig"),
        (lambda ctx, wrong: ctx.wait_for_callback(print, config=wrong), "WaitForCallbackConfig"),
        (lambda ctx, wrong: ctx.run_in_child_context(print, config=wrong), "ChildConfig"),
        (lambda ctx, wrong: ctx.with_retry(print, config=wrong), "WithRetryConfig"),
        (lambda ctx, wrong: ctx.map([1], print, config=wrong), "MapConfig"),
        (lambda ctx, wrong: ctx.parallel([print], config=wrong), "ParallelConfig"),
        (lambda ctx, wrong: _compensated(ctx, config=wrong), "StepConfig"),
        (lambda ctx, wrong: _compensated(ctx, compensation_config=wrong), "StepConfig"),
    ],
)
@pytest.mark.parametrize("wrong", [NoRetry(), {}], ids=["strategy", "dict"])
def test_a_config_of_another_kind_is_refused_before_anything_begins(
    start: Any, expected: str, wrong: Any
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await start(ctx, wrong)

    ran = run_workflow(workflow)
    assert ran.error.error_type == "ConfigError"
    assert f"takes config={expected}(...), not {wrong!r}" in ran.error.error_message
    assert ran.types() == ["ExecutionStarted", "InvocationCompleted", "ExecutionFailed"]


def test_a_childs_context_outside_it_is_refused() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        kept: list[DurableContext] = []

        async def child(inner: DurableContext) -> None:
            kept.append(inner)

        await ctx.run_in_child_context(child, name="inner")
        try:
            await kept[0].step(lambda: 1)
        except ContextMisuseError as error:
            return str(error)

    assert "the child context 'inner' was used inside" in run_workflow(workflow).result


@pytest.mark.parametrize("plain", [False, True])
def test_a_context_inside_a_step_is_refused_and_not_retried(plain: bool) -> None:
    runs: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def body() -> None:
            runs.append(1)
            await ctx.wait(SECOND)

        def plain_body() -> None:
            runs.append(1)
            ctx.wait(SECOND)

        await ctx.step(plain_body if plain else body)

    ran = run_workflow(workflow)
    assert ran.error.error_type == "ContextMisuseError"
    assert "run_in_child_context" in ran.error.error_message
    assert runs == [1]


def test_a_context_in_another_thread_is_refused() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        def in_thread() -> None:
            ctx.step(lambda: 1)

        await asyncio.to_thread(in_thread)

    ran = run_workflow(workflow)
    assert ran.error.error_type == "ContextMisuseError"
    assert "the handler's context was used in another thread" in ran.error.error_message
    assert "ctx.step runs in a thread by itself" in ran.error.error_message
    assert "StepStarted" not in ran.types()


def test_a_context_in_a_task_of_a_step_is_refused() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def body() -> None:
            async def task() -> None:
                await ctx.step(lambda: 1)

            await asyncio.create_task(task())

        await ctx.step(body)

    assert run_workflow(workflow).error.error_type == "ContextMisuseError"


def test_a_context_after_its_execution_is_refused() -> None:
    kept: list[DurableContext] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        kept.append(ctx)

    run_workflow(workflow)
    with pytest.raises(ContextMisuseError, match="outside its workflow"):
        kept[0].step(lambda: 1)


def test_a_context_of_another_execution_is_refused() -> None:
    kept: list[DurableContext] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        kept.append(ctx)
        if len(kept) == 2:
            try:
                await kept[0].step(lambda: 1)
            except ContextMisuseError as error:
                return str(error)

    run_workflow(workflow)
    refused = run_workflow(workflow).result
    assert "the handler's context of an earlier invocation, or of another execution" in refused
    assert "was used inside this one" in refused


def test_a_step_context_outside_a_step_is_refused() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        with pytest.raises(ContextMisuseError, match="outside a step"):
            StepContext.current()

    assert run_workflow(workflow).status == "SUCCEEDED"
    with pytest.raises(ContextMisuseError):
        StepContext.current()


def changing(first: Any, then: Any) -> Any:
    """A workflow whose code changes while it waits."""
    versions = [first, then]

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        version = versions.pop(0) if len(versions) > 1 else versions[0]
        await version(ctx)
        await ctx.wait(SECOND)

    return workflow


async def step_a(ctx: DurableContext) -> None:
    await ctx.step(lambda: 1, name="a")


async def step_b(ctx: DurableContext) -> None:
    await ctx.step(lambda: 1, name="b")


async def unnamed_wait(ctx: DurableContext) -> None:
    await ctx.create_callback()


async def callback(ctx: DurableContext) -> None:
    await ctx.create_callback("a")


async def context(ctx: DurableContext) -> None:
    async def child(inner: DurableContext) -> None:
        pass

    await ctx.run_in_child_context(child, name="a")


@pytest.mark.parametrize(
    ("first", "then", "parts"),
    [
        (step_a, step_b, ["step 'a'", "step 'b'", "name differ"]),
        (step_a, callback, ["step 'a'", "callback 'a'", "type, subtype"]),
        (step_a, context, ["step 'a'", "child context 'a'", "type, subtype"]),
        (callback, unnamed_wait, ["callback 'a'", "an unnamed callback", "name"]),
    ],
)
def test_code_that_asks_for_another_operation_than_the_log_holds_fails_the_execution(
    first: Any, then: Any, parts: list[str]
) -> None:
    ran = run_workflow(changing(first, then))
    assert (ran.status, ran.error.error_type) == ("FAILED", "DeterminismError")
    message = ran.error.error_message
    for part in [
        *parts,
        "operation 1 of the handler's context",
        "Likely an operation",
        "inside a step",
    ]:
        assert part in message, message


def test_a_mismatch_cannot_be_swallowed() -> None:
    async def swallows(ctx: DurableContext) -> None:
        try:
            await step_b(ctx)
        except BaseException:
            pass

    assert run_workflow(changing(step_a, swallows)).error.error_type == "DeterminismError"


def test_a_mismatch_in_a_child_names_the_child() -> None:
    def version(name: str) -> Any:
        async def child(inner: DurableContext) -> None:
            await inner.step(lambda: 1, name=name)
            await inner.wait(SECOND)

        async def run(ctx: DurableContext) -> None:
            await ctx.run_in_child_context(child, name="c")

        return run

    message = run_workflow(changing(version("a"), version("b"))).error.error_message
    assert "operation 1 of the child context 'c'" in message


def test_a_mismatch_in_a_task_names_the_task() -> None:
    def version(name: str) -> Any:
        async def run(ctx: DurableContext) -> None:
            async def inner() -> None:
                await ctx.step(lambda: 1, name="same")
                await ctx.step(lambda: 1, name=name)

            async def outer() -> None:
                await asyncio.create_task(inner())

            await asyncio.create_task(outer())

        return run

    message = run_workflow(changing(version("a"), version("b"))).error.error_message
    assert "operation 2 of task inner 1 in task outer 1 in the handler's context" in message


def test_operations_added_after_those_recorded_are_fine() -> None:
    async def both(ctx: DurableContext) -> None:
        await step_a(ctx)

    rig = rig_of(changing(step_a, both))
    assert rig.run().status == "SUCCEEDED"


def test_as_completed_of_a_set_of_coroutines_is_refused_with_the_fix() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def one(n: int) -> int:
            return n

        coroutines = {one(n) for n in range(3)}
        try:
            for each in asyncio.as_completed(coroutines):
                await each
        finally:
            for coroutine in coroutines:
                coroutine.close()

    ran = run_workflow(workflow)
    assert ran.error.error_type == "DeterminismError"
    assert "Give it a list" in ran.error.error_message


def test_as_completed_inside_a_step_is_the_steps_business() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def one(n: int) -> int:
            return n

        async def body() -> int:
            return sum([await each for each in asyncio.as_completed([one(1), one(2)])])

        return await ctx.step(body)

    assert run_workflow(workflow).result == 3


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (lambda: StepConfig(retry_strategy=NoRetry), "StepConfig.retry_strategy"),
        (lambda: durable_step(retry_strategy=NoRetry), "StepConfig.retry_strategy"),
        (
            lambda: WaitForCallbackConfig(retry_strategy=NoRetry),
            "WaitForCallbackConfig.retry_strategy",
        ),
        (lambda: WithRetryConfig(retry_strategy=NoRetry), "WithRetryConfig.retry_strategy"),
        (lambda: durable_execution(default_retry=NoRetry), "durable_execution(default_retry=...)"),
        (
            lambda: WaitForConditionConfig(initial_state=1, wait_strategy=NoRetry),
            "WaitForConditionConfig.wait_strategy",
        ),
    ],
)
def test_the_class_of_a_strategy_is_refused(make: Any, option: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value).startswith(f"{option} must be a strategy")
    assert "NoRetry is a class; did you mean NoRetry()?" in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda serdes: StepConfig(serdes=serdes),
        lambda serdes: ChildConfig(serdes=serdes),
        lambda serdes: MapConfig(item_serdes=serdes),
        lambda serdes: durable_execution(serdes=serdes),
    ],
)
def test_the_class_of_a_serdes_is_refused_unless_it_serves_itself(make: Any) -> None:
    class Static:
        @staticmethod
        def serialize(value: object, context: object, /) -> str:
            return ""

        @staticmethod
        def deserialize(payload: str, context: object, /) -> object:
            return None

    make(Static)
    with pytest.raises(ConfigError, match=r"JsonSerDes is a class; did you mean JsonSerDes\(\)\?"):
        make(JsonSerDes)


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("é.csv", r'name.encode("unicode_escape").decode() writes it as \xe9.csv'),
        ("a\nb", r'name.encode("unicode_escape").decode() writes it as a\nb'),
        ("n" * 300, "this one has 300: name[:256] is short enough"),
        ("", "leave it out"),
        (7, "str(...) makes a text of it"),
    ],
)
def test_a_name_that_is_refused_has_a_cure(name: Any, cure: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: 1, name=name)

    message = run_workflow(workflow).error.error_message
    assert "cannot name a step" in message and cure in message


async def _by_create_task(handle: Any) -> None:
    await asyncio.create_task(handle)


async def _by_group(handle: Any) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(handle)


async def _by_loop(handle: Any) -> None:
    asyncio.get_running_loop().create_task(handle)


@pytest.mark.parametrize("make", [_by_create_task, _by_group, _by_loop])
@pytest.mark.parametrize(
    ("start", "label"),
    [
        (lambda ctx: ctx.step(lambda: 1, name="ok"), "step 'ok'"),
        (lambda ctx: ctx.wait(SECOND, name="w"), "wait 'w'"),
        (lambda ctx: ctx.all(ctx.step(lambda: 1)), ""),
        (lambda ctx: ctx.create_callback("c"), "the creation of callback 'c'"),
    ],
)
def test_no_task_is_made_of_an_operation(make: Any, start: Any, label: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            await make(start(ctx))
        except TypeError as error:
            return str(error)
        except ExceptionGroup as group:
            return str(group.exceptions[0])
        raise AssertionError("taken")

    message = run_workflow(workflow).result
    assert message.startswith(f"a task was to be made of {label}")
    assert "it runs already, and needs no task. Await it" in message
    assert "put the call and the await into an async function" in message


def test_the_creation_of_a_callback_tells_that_it_is_to_be_awaited() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        creation: Any = ctx.create_callback("answer")
        messages = []
        for name in ("callback_id", "unknown"):
            assert not hasattr(creation, name)
            with pytest.raises(AttributeError) as caught:
                getattr(creation, name)
            messages.append(str(caught.value))
        return messages

    with_cure, without = run_workflow(workflow).result
    assert with_cure.startswith("'Creation' object has no attribute 'callback_id': ")
    assert "callback = await ctx.create_callback(...) first, then callback.callback_id" in with_cure
    assert without == "'Creation' object has no attribute 'unknown'"


BAD_CALLS: list[tuple[Any, list[str]]] = [
    (
        lambda ctx: ctx.wait(seconds=3),
        ["ctx.wait(duration, name=None)", "Duration.from_seconds(3) or a datetime.timedelta"],
    ),
    (lambda ctx: ctx.wait(), ["ctx.wait(duration, name=None)"]),
    (lambda ctx: ctx.wait_until(when=3), ["a datetime with a time zone"]),
    (
        lambda ctx: ctx.step(print, x=1),
        ["name=None, config=StepConfig(...)", "functools.partial(function, x=...)"],
    ),
    (
        lambda ctx: ctx.step(print, retry_strategy=NoRetry()),
        ["config=StepConfig(retry_strategy=...)"],
    ),
    (
        lambda ctx: ctx.map([1], print, max_concurrency=10),
        ["config=MapConfig(max_concurrency=...)", "ctx.map(items, function, name=None"],
    ),
    (lambda ctx: ctx.map([1]), ["ctx.map(items, function, name=None"]),
    (lambda ctx: ctx.map([1], print, "n", None, 5), ["ctx.map(items, function, name=None"]),
    (
        lambda ctx: ctx.parallel([], max_concurrency=1),
        ["config=ParallelConfig(max_concurrency=...)"],
    ),
    (lambda ctx: ctx.create_callback(timeout=3), ["config=CallbackConfig(timeout=...)"]),
    (
        lambda ctx: ctx.wait_for_callback(print, timeout=3),
        ["config=WaitForCallbackConfig(timeout=...)"],
    ),
    (
        lambda ctx: ctx.wait_for_condition(print, initial_state=1),
        ["config=WaitForConditionConfig(initial_state=...)"],
    ),
    (lambda ctx: ctx.invoke("f", result_type=int), ["config=InvokeConfig(result_type=...)"]),
    (
        lambda ctx: ctx.run_in_child_context(print, virtual=True),
        ["config=ChildConfig(virtual=...)"],
    ),
    (lambda ctx: ctx.with_retry(print, order=1), ["functools.partial(function, order=...)"]),
    (lambda ctx: ctx.race(timeout=1), ["ctx.race(*operations, name=None, cancel_losers=False)"]),
    (lambda ctx: ctx.saga(name="s"), ["ctx.saga()"]),
    (lambda ctx: ctx.saga().step(print, x=1), ["saga.step(function, *arguments, compensate="]),
    (lambda ctx: ctx.saga().add_compensation(print, x=1), ["functools.partial(function, x=...)"]),
]


@pytest.mark.parametrize("where", ["handler", "child", "virtual", "map", "task"])
@pytest.mark.parametrize(("call", "told"), BAD_CALLS)
def test_an_option_that_a_method_has_not_is_refused_with_those_that_it_has(
    call: Any, told: list[str], where: str
) -> None:
    async def calls(ctx: DurableContext, *_: Any) -> None:
        call(ctx)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        match where:
            case "handler":
                await calls(ctx)
            case "child":
                await ctx.run_in_child_context(calls)
            case "virtual":
                await ctx.run_in_child_context(calls, config=ChildConfig(virtual=True))
            case "map":
                (await ctx.map([1], calls)).throw_if_error()
            case "task":
                await asyncio.create_task(calls(ctx))

    error = run_workflow(workflow).error
    assert error.error_type == "TypeError"
    for part in [". It is called as ", *told]:
        assert part in error.error_message, error.error_message
    assert error.error_message.count("It is called as") == 1


NOT_AWAITED: list[tuple[Any, str]] = [
    (lambda handle: handle.upper(), "this is step 'text' before it was awaited"),
    (lambda handle: handle["id"], "await it first"),
    (lambda handle: handle + "!", "await it first"),
    (lambda handle: handle < 3, "await it first"),
    (len, "await it first"),
    (list, "await it first"),
    (lambda handle: handle(), "await it first"),
    (lambda handle: int(handle), "await it first"),
]


@pytest.mark.parametrize("where", ["handler", "child", "virtual"])
@pytest.mark.parametrize(("use", "told"), NOT_AWAITED)
def test_an_operation_in_place_of_its_result_is_told(use: Any, told: str, where: str) -> None:
    async def uses(ctx: DurableContext) -> Any:
        return use(ctx.step(lambda: "text", name="text"))

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        if where == "handler":
            return await uses(ctx)
        config = ChildConfig(virtual=where == "virtual")
        return await ctx.run_in_child_context(uses, config=config)

    message = run_workflow(workflow).error.error_message
    assert message.count(told) == 1, message
    assert "await" in message


def test_other_mistakes_with_what_the_context_gives_are_told_with_the_cure() -> None:
    def told(use: Any) -> str:
        async def workflow(event: Any, ctx: DurableContext) -> Any:
            return await use(ctx)

        return run_workflow(workflow).error.error_message  # type: ignore[no-any-return]

    async def loops(ctx: DurableContext) -> None:
        for _ in ctx.inbox("box"):  # type: ignore[attr-defined]
            pass

    async def branch(ctx: DurableContext) -> None: ...

    assert told(loops).endswith("; write async for, as in: async for message in inbox")
    assert told(lambda ctx: ctx.patched("x")).endswith("; ctx.patched(...) is called without await")
    assert "made without await" in told(lambda ctx: ctx.set_status("x"))
    assert told(lambda ctx: ctx.parallel(branch, branch)).endswith("as in ctx.parallel([a, b])")


def test_an_error_of_another_future_is_told_once_though_it_passes_two_contexts() -> None:
    async def inner(ctx: DurableContext) -> Any:
        return list(ctx.step(lambda: "text", name="text"))  # type: ignore[call-overload]

    async def outer(ctx: DurableContext) -> Any:
        return await ctx.run_in_child_context(inner)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.run_in_child_context(outer, config=ChildConfig(virtual=True))

    assert run_workflow(workflow).error.error_message.count("await it first") == 1


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        (lambda ctx: ctx.wait(SECOND, name="pause"), "argument 2 of its function is wait 'pause'"),
        (lambda ctx: StepConfig(), "options are given by keyword"),
    ],
)
@pytest.mark.parametrize("config", [None, ONE_TRY, StepConfig(timeout=SECOND)])
def test_what_is_no_argument_of_a_step_ends_the_execution(
    argument: Any, told: str, config: StepConfig | None
) -> None:
    ran = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        with suppress(Exception):
            await ctx.step(
                lambda *args: ran.append(args), 1, argument(ctx), name="s", config=config
            )

    error = run_workflow(workflow).error
    assert error.error_type == "ConfigError"
    assert error.error_message.startswith("step 's': ")
    assert told in error.error_message
    assert ran == []


def test_a_callback_that_exists_is_an_argument_of_a_step() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        callback = await ctx.create_callback(name="c")
        return await ctx.step(lambda one: bool(one.callback_id), callback, name="s")

    assert run_workflow(workflow).result is True


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("sleep", "did you mean ctx.wait?"),
        ("execute_activity", "did you mean ctx.step?"),
        ("waitForCallback", "did you mean ctx.wait_for_callback?"),
        ("run_step", "did you mean ctx.step?"),
        ("invok", "did you mean ctx.invoke?"),
        ("frobnicate", "Its operations are all, all_settled, any"),
    ],
)
def test_a_method_that_the_context_has_not_is_told_with_the_likely_one(
    name: str, told: str
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        assert not hasattr(ctx, name)
        await getattr(ctx, name)()

    message = run_workflow(workflow).error.error_message
    assert message.startswith(f"'DurableContext' object has no attribute '{name}'")
    assert told in message


def test_the_names_of_other_sdks_lead_to_methods_of_the_context() -> None:
    for name, method in ELSEWHERE.items():
        assert not hasattr(DurableContext, name), name
        assert hasattr(DurableContext, method), method


@pytest.mark.parametrize("attribute", ["__deepcopy__", "_private"])
def test_a_private_attribute_of_the_context_is_missing_as_in_python(attribute: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        getattr(ctx, attribute)

    message = run_workflow(workflow).error.error_message
    assert message == f"'DurableContext' object has no attribute '{attribute}'"


@pytest.mark.parametrize("shape", [lambda it: it, lambda it: {"a": [it]}])
def test_an_operation_in_a_result_is_told_to_be_awaited(shape: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return shape(ctx.step(lambda: "text", name="text"))

    error = run_workflow(workflow).error
    assert error.error_type == "SerDesError"
    assert "which is to be awaited: put await before it" in error.error_message


@pytest.mark.parametrize("size", [2_000_000, 7_000_000])
def test_a_result_that_is_too_large_is_told_with_the_cure(size: int) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        return "x" * size

    message = LocalDurableTestRunner(durable_execution(workflow)).run_sync(None).error.args[0]
    assert "output payload size must be" in message
    assert (
        "Keep the data elsewhere (S3, a database), and let the workflow return its key" in message
    )


def test_a_name_in_place_of_a_function_is_told() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.step("charge", print)  # type: ignore[arg-type]

    message = run_workflow(workflow).error.error_message
    assert "A name is given by keyword: ctx.step(function, a, b, name='charge')" in message


def test_other_type_errors_are_as_they_were() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        def step(**_: Any) -> None: ...

        step(5)  # type: ignore[call-arg]

    assert run_workflow(workflow).error.error_message.endswith(
        "step() takes 0 positional arguments but 1 was given"
    )


METHODS = [
    *((DurableContext, name) for name in CALLS if name != "add_compensation"),
    (Saga, "add_compensation"),
    (Saga, "step"),
]


@pytest.mark.parametrize(("owner", "name"), METHODS)
def test_what_is_told_of_a_method_is_its_signature(owner: Any, name: str) -> None:
    told = SAGA_STEP if (owner, name) == (Saga, "step") else CALLS[name]
    named = re.findall(r"(\*?\w+)(?:=(\w+)(?:\(\.\.\.\))?)?(?:, |$)", told)
    parameters = list(inspect.signature(getattr(owner, name)).parameters.values())[1:]
    assert len(named) == len(parameters)
    for (word, value), parameter in zip(named, parameters, strict=True):
        assert word.startswith("*") == (parameter.kind is parameter.VAR_POSITIONAL)
        if value and value[0].isupper() and value.endswith("Config"):
            assert value in str(parameter.annotation)
            assert hasattr(durable_execution_sdk, value)
        if "=" in told and value in ("None", "False"):
            assert (word, value) == (parameter.name, str(parameter.default))


def test_every_method_that_begins_an_operation_is_told_of() -> None:
    methods = {
        name
        for name, _ in inspect.getmembers(DurableContext, inspect.isfunction)
        if not name.startswith(("_", "log_")) and name not in {"current", "now", "uuid4", "random"}
    }
    assert methods == set(CALLS) - {"add_compensation"}


@pytest.mark.parametrize("config", OPTIONS)
def test_the_options_of_a_config_are_those_that_it_has(config: str) -> None:
    assert (
        tuple(OPTIONS[config].split()) == getattr(durable_execution_sdk, config).__struct_fields__
    )


def test_a_handler_that_takes_the_context_first_is_told_the_order() -> None:
    async def swapped(ctx: DurableContext, event: int) -> int:
        return event

    with pytest.raises(ConfigError, match="with the context first"):
        durable_execution(swapped)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "cure"),
    [
        (lambda: RetryableErrorFilter(error_types=ValueError), r"as in \(ValueError,\)"),
        (lambda: StepConfig(semantics="AT_MOST_ONCE"), "StepSemantics.AT_MOST_ONCE_PER_RETRY"),
    ],
)
def test_an_option_of_a_wrong_type_names_the_right_one(make: Any, cure: str) -> None:
    with pytest.raises(ConfigError, match=cure):
        make()
