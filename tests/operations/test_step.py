"""Steps: the number of runs of a body, its record, and the outcome that the workflow sees."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from tests.rig import Rig, rig_of, run_workflow

from durable_execution_sdk import (
    CheckpointingMode,
    ConfigError,
    ContextMisuseError,
    DurableContext,
    DurableError,
    Duration,
    ExponentialBackoff,
    FixedDelay,
    JitterStrategy,
    LinearBackoff,
    NoRetry,
    OperationCancelledError,
    RetryableErrorFilter,
    RetryDecision,
    SerDesContext,
    StepConfig,
    StepContext,
    StepError,
    StepInterruptedError,
    StepSemantics,
    custom_retry,
    durable_step,
    retry_presets,
)
from durable_execution_sdk.emulator.function_caller import Wrappers

ONE_TRY = StepConfig(retry_strategy=NoRetry())
AT_MOST_ONCE = StepSemantics.AT_MOST_ONCE_PER_RETRY
VARIABLE: ContextVar[str] = ContextVar("variable", default="")


async def fails() -> None:
    raise ValueError("no")


def delays(rig: Rig, arn: str) -> list[float]:
    """Return the seconds between the attempts of the only step."""
    starts = [e.event_timestamp for e in rig.events(arn) if e.event_type == "StepStarted"]
    ends = [e.event_timestamp for e in rig.events(arn) if e.event_type == "StepFailed"]
    return [round((b - a) / 1000) for a, b in zip(ends, starts[1:], strict=False)]


def attempts_of(strategy: Any) -> list[float]:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(fails, config=StepConfig(retry_strategy=strategy))

    rig = rig_of(workflow)
    arn = rig.start()
    assert rig.drive(arn).status == "FAILED"
    return delays(rig, arn)


def test_every_kind_of_callable_is_a_step() -> None:
    class Callable:
        async def __call__(self, n: int) -> int:
            return n + 1

        def method(self, n: int) -> int:
            return n + 2

        async def coroutine(self, n: int) -> int:
            return n + 3

    made = Callable()

    async def keyword(n: int, *, more: int) -> int:
        return n + more

    async def workflow(event: int, ctx: DurableContext) -> list[Any]:
        return [
            await ctx.step(made, event, name="instance"),
            await ctx.step(made.method, event),
            await ctx.step(made.coroutine, event),
            await ctx.step(functools.partial(keyword, more=9), event),
            await ctx.step(lambda n: made(n), event, name="returns a coroutine"),
            await ctx.step(str, event),
        ]

    ran = run_workflow(workflow, 1)
    assert ran.result == [2, 3, 4, 10, 2, "1"], ran.error
    names = [e.name for e in ran.events if e.event_type == "StepStarted"]
    assert names == ["instance", "method", "coroutine", "keyword", "returns a coroutine", "str"]


@pytest.mark.parametrize("mode", list(CheckpointingMode))
@pytest.mark.parametrize("semantics", list(StepSemantics))
def test_every_attempt_sees_the_context_variables_of_the_call(
    mode: CheckpointingMode, semantics: StepSemantics
) -> None:
    tenant: ContextVar[str] = ContextVar("tenant", default="nobody")
    seen: list[str] = []

    class Hurried:
        """Let more than a second pass with each call, so that the next attempt is due."""

        def __init__(self, plane: Any) -> None:
            self.plane, self.get_state, self.now = plane, plane.get_state, plane.now

        async def checkpoint(self, request: Any) -> Any:
            response = await self.plane.checkpoint(request)
            rig.clock.advance(1500)
            return response

    async def fails_once() -> None:
        seen.append(tenant.get())
        tenant.set("changed by an attempt")
        if len(seen) == 1:
            raise ConnectionError

    async def keeps_the_invocation() -> None:
        while len(seen) < 2:
            await asyncio.sleep(0.001)

    async def workflow(event: Any, ctx: DurableContext) -> str:
        tenant.set("somebody")
        retry = FixedDelay(delay=Duration.from_seconds(1))
        config = StepConfig(semantics=semantics, retry_strategy=retry)
        step = ctx.step(fails_once, config=config)
        tenant.set("somebody else")
        await asyncio.gather(step, ctx.step(keeps_the_invocation))
        return tenant.get()

    rig = rig_of(workflow, options={"checkpointing": mode}, wrappers=Wrappers(data_plane=Hurried))
    ran = rig.run()
    assert ran.result == "somebody else", ran.error
    assert seen == ["somebody", "somebody"]
    assert ran.invocations == 1


def test_mocks_are_steps() -> None:
    async def workflow(event: int, ctx: DurableContext) -> list[Any]:
        plain, awaited = mock.Mock(return_value=1), mock.AsyncMock(return_value=2)
        bound = functools.partial(mock.AsyncMock(side_effect=lambda n: n), 3)
        return [await ctx.step(each, name="mock") for each in (plain, awaited, bound)]

    ran = run_workflow(workflow, 1)
    assert ran.result == [1, 2, 3], ran.error


def test_a_plain_function_runs_beside_the_loop() -> None:
    import threading

    async def workflow(event: Any, ctx: DurableContext) -> bool:
        return await ctx.step(lambda: threading.current_thread() is threading.main_thread())

    assert run_workflow(workflow).result is False


def test_a_body_sees_its_attempt() -> None:
    async def attempt() -> list[Any]:
        step = StepContext.current()
        if step.attempt < 3:
            raise ConnectionError
        return [step.attempt, step.operation_name, len(step.operation_id), step.parent_id]

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(attempt)

    ran = run_workflow(workflow)
    assert ran.result == [3, "attempt", 64, None]


def test_a_plain_body_sees_its_attempt_too() -> None:
    def attempt() -> int:
        return StepContext.current().attempt

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(attempt)

    assert run_workflow(workflow).result == 1


def test_the_default_strategy_makes_six_attempts_with_full_jitter() -> None:
    seen: set[tuple[float, ...]] = set()
    for _ in range(5):
        delays = attempts_of(None)
        assert len(delays) == 5
        assert all(1 <= d <= most for d, most in zip(delays, (5, 10, 20, 40, 60), strict=True))
        seen.add(tuple(delays))
    assert len(seen) > 1, "jitter must differ from execution to execution"


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (NoRetry(), []),
        (retry_presets.none, []),
        (FixedDelay(max_attempts=3, delay=Duration.from_seconds(7)), [7, 7]),
        (
            LinearBackoff(
                max_attempts=4,
                initial_delay=Duration.from_seconds(2),
                increment=Duration.from_seconds(3),
                jitter=JitterStrategy.NONE,
            ),
            [2, 5, 8],
        ),
        (
            ExponentialBackoff(
                max_attempts=5,
                initial_delay=Duration.from_seconds(3),
                max_delay=Duration.from_seconds(10),
                jitter=JitterStrategy.NONE,
            ),
            [3, 6, 10, 10],
        ),
        (custom_retry(lambda error, attempt: Duration(attempt) if attempt < 3 else None), [1, 2]),
        (
            lambda error, attempt: RetryDecision(retry=attempt < 2, delay_seconds=9_999_999),
            [9_999_999],
        ),
    ],
)
def test_a_strategy_decides_when_the_next_attempt_is(strategy: Any, expected: list[float]) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(fails, config=StepConfig(retry_strategy=strategy))

    rig = rig_of(workflow)
    arn = rig.start()
    rig.driver.run_until_closed(arn)
    assert delays(rig, arn) == expected


def test_a_filter_decides_which_errors_are_retried() -> None:
    only = FixedDelay(
        max_attempts=3,
        delay=Duration.from_seconds(1),
        retryable=RetryableErrorFilter(error_types=(ConnectionError,)),
    )
    assert attempts_of(only) == []


def test_the_handlers_default_strategy_is_used_and_a_steps_own_wins() -> None:
    runs: Counter[str] = Counter()

    async def count(name: str) -> None:
        runs[name] += 1
        raise ValueError

    async def workflow(event: Any, ctx: DurableContext) -> None:
        for name, config in (("default", None), ("own", ONE_TRY)):
            with pytest.raises(StepError):
                await ctx.step(count, name, config=config)

    strategy = FixedDelay(max_attempts=2, delay=Duration.from_seconds(1))
    run_workflow(workflow, options={"default_retry": strategy})
    assert runs == {"default": 2, "own": 1}


@pytest.mark.parametrize("answer", [True, None, 5, "later"])
def test_a_strategy_that_answers_nonsense_fails_the_step_by_name(answer: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = StepConfig(retry_strategy=lambda error, attempt: answer)
        try:
            await ctx.step(fails, name="odd", config=config)
        except StepError as error:
            return [isinstance(error, ConfigError), str(error)]

    ran = run_workflow(workflow)
    assert ran.result[0] is True
    assert "'odd'" in ran.result[1]
    assert "RetryDecision" in ran.result[1]
    assert "ValueError('no')" in ran.result[1]


class Mute(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no words")

    __str__ = __repr__


@pytest.mark.parametrize("strategy", [NoRetry(), lambda error, attempt: None])
def test_an_exception_that_cannot_be_told_fails_the_step_all_the_same(strategy: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        def fail() -> None:
            raise Mute

        config = StepConfig(retry_strategy=strategy)
        try:
            await ctx.step(fail, name="mute", config=config)
        except StepError:
            return "failed"

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == ("failed", 1)


def test_a_strategy_that_raises_fails_the_step_and_both_errors_are_told() -> None:
    def broken(error: Exception, attempt: int) -> RetryDecision:
        raise ZeroDivisionError("oops")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(fails, name="odd", config=StepConfig(retry_strategy=broken))

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    assert ran.invocations == 1
    for part in ("'odd'", "ValueError('no')", "ZeroDivisionError('oops')"):
        assert part in ran.error.error_message


def test_a_quick_step_costs_one_call_and_an_at_most_once_step_two() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: 1)
        await ctx.step(lambda: 1, config=StepConfig(semantics=AT_MOST_ONCE))

    calls: list[list[str]] = []
    run_workflow(workflow, wrappers=Wrappers(data_plane=lambda plane: Counting(plane, calls)))
    assert calls == [["START", "SUCCEED"], ["START"], ["SUCCEED"]]


class Counting:
    def __init__(self, plane: Any, calls: list[list[str]]) -> None:
        self.plane = plane
        self.calls = calls
        self.now = plane.now
        self.get_state = plane.get_state

    async def checkpoint(self, request: Any) -> Any:
        self.calls.append([update.action for update in request.updates])
        return await self.plane.checkpoint(request)


class Dying:
    """A service that ends the process once, when the outcome of an operation is about to be recorded."""

    def __init__(self, plane: Any, died: list[str], before: str = "SUCCEED") -> None:
        self.plane = plane
        self.died = died
        self.before = before
        self.now = plane.now
        self.get_state = plane.get_state

    async def checkpoint(self, request: Any) -> Any:
        if not self.died and any(u.action == self.before for u in request.updates):
            self.died.append("died")
            raise SystemExit(1)
        return await self.plane.checkpoint(request)


@pytest.mark.parametrize("plain", [False, True])
def test_an_at_most_once_body_that_was_cut_off_does_not_run_again(plain: bool) -> None:
    runs: list[int] = []

    def charge() -> str:
        runs.append(StepContext.current().attempt)
        return "charged"

    async def charge_async() -> str:
        return charge()

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = StepConfig(semantics=AT_MOST_ONCE, retry_strategy=NoRetry())
        try:
            return await ctx.step(charge if plain else charge_async, name="charge", config=config)
        except StepInterruptedError as error:
            return [error.error_type, "'charge'" in str(error)]

    died: list[str] = []
    ran = run_workflow(workflow, wrappers=Wrappers(data_plane=lambda plane: Dying(plane, died)))
    assert died
    assert runs == [1]
    assert ran.result == ["StepInterruptedError", True]


def test_the_retry_strategy_may_try_an_interrupted_step_again() -> None:
    runs: list[int] = []

    async def charge() -> str:
        runs.append(StepContext.current().attempt)
        return "charged"

    asked: list[str] = []

    def strategy(error: Exception, attempt: int) -> RetryDecision:
        asked.append(type(error).__name__)
        return RetryDecision(retry=True, delay_seconds=1)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(
            charge, config=StepConfig(semantics=AT_MOST_ONCE, retry_strategy=strategy)
        )

    ran = run_workflow(workflow, wrappers=Wrappers(data_plane=lambda plane: Dying(plane, [])))
    assert asked[0] == "StepInterruptedError"
    assert runs == sorted(set(runs))
    assert ran.result == "charged" or ran.status == "RUNNING"


@pytest.mark.parametrize("is_nested", [False, True])
@pytest.mark.parametrize("is_cut_off", [False, True])
def test_a_strategy_is_asked_in_the_context_of_the_body_however_the_attempt_ended(
    is_cut_off: bool, is_nested: bool
) -> None:
    seen: list[tuple[Any, ...]] = []
    drawn: list[list[float]] = []

    async def charge() -> None:
        raise LookupError

    async def paying(ctx: DurableContext) -> None:
        def strategy(error: Exception, attempt: int) -> RetryDecision:
            refused = []
            for misuse in (ctx.random, lambda: ctx.step(charge)):
                try:
                    misuse()
                except ContextMisuseError:
                    refused.append(misuse)
            step = StepContext.current()
            seen.append((step.operation_name, step.attempt, attempt, VARIABLE.get(), len(refused)))
            return RetryDecision(retry=attempt < 2, delay_seconds=1)

        numbers = [ctx.random().random()]
        drawn.append(numbers)
        VARIABLE.set("of the code")
        config = StepConfig(semantics=AT_MOST_ONCE, retry_strategy=strategy)
        with contextlib.suppress(StepError):
            await ctx.step(charge, config=config)
        numbers.append(ctx.random().random())
        await ctx.wait(Duration.from_seconds(1))

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await (ctx.run_in_child_context(paying) if is_nested else paying(ctx))

    died: list[str] = [] if is_cut_off else ["never"]
    ran = run_workflow(
        workflow, wrappers=Wrappers(data_plane=lambda plane: Dying(plane, died, "RETRY"))
    )
    assert ran.status == "SUCCEEDED", ran.error
    assert died
    # The process died with the first decision, so that is made again, about the attempt that was cut off.
    first = ("charge", 1, 1, "of the code", 2)
    assert seen == [first, *[first] * is_cut_off, ("charge", 2, 2, "of the code", 2)]
    assert len({tuple(numbers) for numbers in drawn if len(numbers) == 2}) == 1
    assert len({numbers[0] for numbers in drawn}) == 1


def test_an_at_least_once_body_that_was_cut_off_runs_again_in_the_same_attempt() -> None:
    runs: list[int] = []

    async def charge() -> int:
        runs.append(StepContext.current().attempt)
        return len(runs)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(charge)

    died: list[str] = []
    ran = run_workflow(workflow, wrappers=Wrappers(data_plane=lambda plane: Dying(plane, died)))
    assert runs == [1, 1]
    assert ran.result == 2


def test_an_invocation_error_in_a_body_ends_the_invocation_and_is_no_failed_attempt() -> None:
    runs: list[int] = []

    async def body() -> int:
        runs.append(StepContext.current().attempt)
        if len(runs) < 3:
            raise DurableError.invocation("not here, not now")
        return len(runs)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(body, config=ONE_TRY)

    ran = run_workflow(workflow)
    assert ran.result == 3
    assert runs == [1, 1, 1]
    assert "StepFailed" not in ran.types()
    assert ran.invocations == 3


def test_an_execution_error_in_a_body_is_not_retried() -> None:
    runs: list[int] = []

    async def body() -> None:
        runs.append(1)
        raise DurableError.execution("hopeless")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(body)

    ran = run_workflow(workflow)
    assert (ran.status, runs, ran.error.error_type) == ("FAILED", [1], "ExecutionError")


def test_a_body_that_cancels_itself_has_failed() -> None:
    async def body() -> None:
        raise asyncio.CancelledError

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        strategy = FixedDelay(max_attempts=2, delay=Duration.from_seconds(1))
        try:
            await ctx.step(body, config=StepConfig(retry_strategy=strategy))
        except StepError as error:
            return error.error_type

    ran = run_workflow(workflow)
    assert ran.result == "CancelledError", ran.error
    assert ran.types().count("StepFailed") == 2


@pytest.mark.parametrize("plain", [False, True])
def test_stop_iteration_out_of_a_body_is_a_failure_and_no_hang(plain: bool) -> None:
    async def body() -> Any:
        return next(iter(()))

    def plain_body() -> Any:
        return next(iter(()))

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.step(plain_body if plain else body, config=ONE_TRY)
        except RuntimeError as error:
            return [isinstance(error, StepError), "StopIteration" in str(error)]

    assert run_workflow(workflow).result == [True, True]


def test_a_result_that_is_too_large_fails_the_step_by_name_and_is_not_retried() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        fits = await ctx.step(lambda: "x" * (1024 * 1024 - 2), name="fits")
        assert len(fits) == 1024 * 1024 - 2
        await ctx.step(lambda: "é" * 600_000, name="huge")

    ran = run_workflow(workflow)
    assert ran.error.error_type == "PayloadSizeError"
    assert "'huge'" in ran.error.error_message
    assert "1,200,002" in ran.error.error_message
    assert ran.types().count("StepFailed") == 1


def test_a_result_that_is_not_json_fails_the_step_by_name_and_is_not_retried() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(lambda: object(), name="odd")

    ran = run_workflow(workflow)
    assert ran.error.error_type == "SerDesError"
    assert "'odd'" in ran.error.error_message
    assert ran.types().count("StepFailed") == 1


def test_the_first_run_sees_the_same_value_as_replay() -> None:
    @dataclass
    class Point:
        x: int
        y: tuple[int, ...]

    async def typed() -> Point:
        return Point(1, (2, 3))

    async def untyped():  # type: ignore[no-untyped-def]
        return {"t": (1, 2)}

    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        seen.append([await ctx.step(typed), await ctx.step(untyped)])
        await ctx.wait(Duration.from_seconds(1))

    typed.__annotations__["return"] = Point
    run_workflow(workflow)
    assert seen == [[Point(1, (2, 3)), {"t": [1, 2]}]] * 2


def test_none_is_a_result() -> None:
    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        seen.append(await ctx.step(lambda: None))
        await ctx.wait(Duration.from_seconds(1))

    run_workflow(workflow)
    assert seen == [None, None]


def test_two_tasks_may_await_one_step() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        handle = ctx.step(lambda: 5)

        async def look() -> int:
            return await handle

        return await asyncio.gather(look(), look(), handle)

    assert run_workflow(workflow).result == [5, 5, 5]


@pytest.mark.parametrize("is_shared", [False, True])
def test_cancelling_a_task_gives_up_the_step_that_only_it_awaits(is_shared: bool) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        handle = ctx.step(lambda: 5)

        async def look() -> int:
            return await handle

        task = asyncio.create_task(look())
        another = asyncio.create_task(look()) if is_shared else None
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        try:
            value: Any = await (another or handle)
        except OperationCancelledError as error:
            value = error.operation_name
        return [task.cancelled(), value]

    assert run_workflow(workflow).result == [True, 5 if is_shared else None]


def test_durable_step_binds_a_config_and_an_explicit_one_wins() -> None:
    runs: Counter[str] = Counter()

    @durable_step(retry_strategy=NoRetry())
    async def pay(name: str) -> None:
        runs[name] += 1
        raise ValueError

    async def workflow(event: Any, ctx: DurableContext) -> None:
        two = StepConfig(retry_strategy=FixedDelay(max_attempts=2, delay=Duration.from_seconds(1)))
        for name, config in (("bound", None), ("explicit", two)):
            with pytest.raises(StepError):
                await ctx.step(functools.partial(pay, name), config=config)

    run_workflow(workflow)
    assert runs == {"bound": 1, "explicit": 2}


def test_functions_that_are_made_at_run_time_are_not_confused() -> None:
    remembered: list[int] = []

    def returning(kind: Any) -> Any:
        async def made(n: int) -> Any:
            return kind(n)

        made.__annotations__ = {"return": kind}
        made.__name__ = f"make_{kind.__name__}"
        return made

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        matches = []
        for n in range(300):
            kind = Decimal if n % 2 else int
            value = await ctx.step(returning(kind), n)
            matches.append(type(value) is kind and value == n)
            remembered.append(len(ctx._context_state.run.said_by_functions))
        await ctx.wait(Duration.from_seconds(1))
        return all(matches)

    ran = run_workflow(workflow)
    assert ran.result is True
    names = [event.name for event in ran.events if event.event_type == "StepSucceeded"]
    assert names == ["make_int", "make_Decimal"] * 150
    assert max(remembered) <= 256


def test_a_function_whose_annotations_cannot_be_read_runs_with_a_serdes_of_its_own() -> None:
    @dataclass
    class Unreadable:
        part: Missing  # noqa: F821

    async def strange() -> Any:
        return 1

    strange.__annotations__ = {"return": Unreadable}

    class Text:
        def serialize(self, value: Any, context: SerDesContext) -> str:
            return str(value)

        def deserialize(self, payload: str, context: SerDesContext) -> int:
            return int(payload)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        with pytest.raises(ConfigError):
            ctx.step(strange)
        return await ctx.step(strange, config=StepConfig(serdes=Text()))

    assert run_workflow(workflow).result == 1


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"retry_strategy": 3}, "retry_strategy"),
        ({"semantics": "AT_MOST_ONCE_PER_RETRY"}, "semantics"),
        ({"serdes": object()}, "serdes"),
    ],
)
def test_a_wrong_config_is_refused_when_it_is_made(options: dict[str, Any], part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        StepConfig(**options)
    with pytest.raises(ConfigError, match=part):
        durable_step(**options)


@pytest.mark.parametrize("name", ["", "x" * 257, "naïve", "new\nline", 5])
def test_a_name_that_the_service_would_refuse_is_refused_before_anything_is_recorded(
    name: Any,
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        with pytest.raises(ConfigError, match="256 printable ASCII"):
            ctx.step(fails, name=name)
        return await ctx.step(lambda: "and the id is not used up")

    ran = run_workflow(workflow)
    assert ran.types().count("StepStarted") == 1


def test_an_object_that_is_no_function_is_refused_with_the_likely_cause() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        with pytest.raises(ConfigError, match="did you call the function"):
            ctx.step(fails())  # type: ignore[call-overload]
        with pytest.raises(ConfigError, match="did you call the function"):
            ctx.step(5)  # type: ignore[call-overload]

    assert run_workflow(workflow).status == "SUCCEEDED"


def test_acknowledge_start_is_true_or_false() -> None:
    wrong: Any = "yes"
    with pytest.raises(
        ConfigError, match=r"StepConfig\.acknowledge_start must be True .* not 'yes'"
    ):
        StepConfig(acknowledge_start=wrong)
