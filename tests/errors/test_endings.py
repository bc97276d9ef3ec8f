"""Every misbehaviour of user code ends the execution, and never repeats forever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from tests.rig import Ran, rig_of
from tests.sampling import rotated

from durable_execution_sdk import (
    BatchResult,
    CheckpointingMode,
    ChildConfig,
    ChildContextError,
    DurableContext,
    DurableError,
    Duration,
    ExecutionError,
    InvocationError,
    InvokeConfig,
    InvokeError,
    MapConfig,
    NestingType,
    NoRetry,
    OperationError,
    RetryableErrorFilter,
    ServiceError,
    StepConfig,
    StepError,
    WaitForConditionConfig,
    WithRetryConfig,
    custom_retry,
    durable_execution,
    poll_until,
)
from durable_execution_sdk.middleware import Middleware
from durable_execution_sdk.plugins import DurablePlugin
from durable_execution_sdk.protocol.data_plane import Outcome
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import OperationType
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate
from durable_execution_sdk.retry import ExponentialBackoff

ONCE = StepConfig(retry_strategy=NoRetry())
FEW = 12


class Unusual(BaseException):
    """A ``BaseException`` that is neither an ``Exception`` nor ``SystemExit``."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Liar(Exception):
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no class")


def cyclic() -> Exception:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    return ValueError(loop)


def deep_group() -> Exception:
    error: Exception = ValueError("leaf")
    for _ in range(400):
        error = ExceptionGroup("g", [error])
    return error


RAISED: dict[str, Callable[[], BaseException]] = {
    "error": lambda: ValueError("x"),
    "cycle": cyclic,
    "groups": deep_group,
    "unprintable": Unprintable,
    "liar": Liar,
    "stop": lambda: StopIteration(1),
    "stop_async": StopAsyncIteration,
    "cancelled": asyncio.CancelledError,
    "timeout": TimeoutError,
    "recursion": RecursionError,
    "memory": MemoryError,
    "assertion": AssertionError,
    "unusual": lambda: Unusual("u"),
    "unusual_group": lambda: BaseExceptionGroup("g", [Unusual("u"), ValueError("x")]),
    "exit": lambda: SystemExit(3),
    "closed": lambda: GeneratorExit("over"),
    "closed_group": lambda: BaseExceptionGroup("g", [GeneratorExit("over")]),
    "execution": lambda: DurableError.execution("x"),
    "throttled": lambda: ServiceError("slow down", code="TooManyRequestsException", status=429),
    "service": lambda: ServiceError("no answer"),
    "operation": lambda: StepError("of mine"),
    "recorded_invocation": lambda: ExceptionGroup("g", [DurableError.invocation("not now")]),
}


def made(name: str) -> BaseException:
    """Make an exception of this name."""
    return RAISED[name]()


def ends(workflow: Any, *, limit: int = FEW, **options: Any) -> Ran:
    """Run for at most a simulated day; assert that the execution has ended."""
    rig = rig_of(workflow, options=options)
    ran = rig.drive(rig.start(), until=rig.clock.now() + 86_400_000)
    assert ran.status in ("FAILED", "SUCCEEDED"), ran.types()[-8:]
    assert ran.invocations <= limit
    return ran


@pytest.mark.parametrize(
    ("name", "strategy", "kind"),
    rotated(RAISED, [NoRetry(), ExponentialBackoff(max_attempts=3)], ["plain", "async"]),
)
def test_a_body_that_always_raises(name: str, strategy: Any, kind: str) -> None:
    runs: list[int] = []

    def body() -> None:
        runs.append(1)
        raise made(name)

    async def async_body() -> None:
        body()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        config = StepConfig(retry_strategy=strategy)
        await ctx.step(body if kind == "plain" else async_body, config=config)

    assert ends(workflow).status == "FAILED"
    assert len(runs) == (1 if isinstance(strategy, NoRetry) or name == "execution" else 3)


@pytest.mark.parametrize("kind", ["plain", "async", "strategy", "group"])
def test_a_generator_exit_of_a_step_is_a_failure_like_any_other(kind: str) -> None:
    runs: list[int] = []

    def body(*_: Any) -> Any:
        runs.append(1)
        if kind == "group":
            raise BaseExceptionGroup("g", [SystemExit(3), GeneratorExit()])
        raise GeneratorExit("over")

    async def async_body() -> None:
        body()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        if kind == "strategy":
            await ctx.step(int, "x", config=StepConfig(retry_strategy=body))
        else:
            await ctx.step(async_body if kind == "async" else body, config=ONCE)

    assert ends(workflow).status == "FAILED"
    assert len(runs) == 1


WHERE = [
    "handler", "child", "nested", "virtual", "task", "map", "flat map", "items", "parallel", "with_retry",
]  # fmt: skip


@pytest.mark.parametrize(("name", "where"), rotated(RAISED, WHERE))
def test_workflow_code_that_always_raises(name: str, where: str) -> None:
    async def raises(*_: Any) -> None:
        raise made(name)

    async def items() -> AsyncIterator[int]:
        yield 1
        await raises()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        match where:
            case "handler":
                await raises()
            case "child":
                await ctx.run_in_child_context(raises)
            case "nested":
                await ctx.run_in_child_context(lambda inner: inner.run_in_child_context(raises))
            case "virtual":
                await ctx.run_in_child_context(raises, config=ChildConfig(virtual=True))
            case "task":
                async with asyncio.TaskGroup() as group:
                    group.create_task(raises())
            case "map":
                (await ctx.map([1], raises)).throw_if_error()
            case "flat map":
                config = MapConfig(nesting=NestingType.FLAT)
                (await ctx.map([1], raises, config=config)).throw_if_error()
            case "items":
                (await ctx.map(items(), raises)).throw_if_error()
            case "parallel":
                (await ctx.parallel([raises])).throw_if_error()
            case "with_retry":
                await ctx.with_retry(raises, config=WithRetryConfig(retry_strategy=NoRetry()))

    assert ends(workflow).status == "FAILED" or (name, where) == ("cancelled", "task")


@pytest.mark.parametrize("virtual", [False, True])
def test_a_generator_exit_of_a_context_is_recorded_and_caught_on_every_replay(
    virtual: bool,
) -> None:
    seen: list[tuple[str, str]] = []

    async def raises(inner: DurableContext) -> None:
        await inner.wait(Duration.from_seconds(5))
        raise GeneratorExit("over")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        try:
            await ctx.run_in_child_context(raises, config=ChildConfig(virtual=virtual))
        except ChildContextError as error:
            seen.append((error.error_type, str(error)))
        await ctx.wait(Duration.from_seconds(5))

    ran = ends(workflow)
    assert ran.status == "SUCCEEDED", ran.error
    assert len(seen) == ran.invocations - 1 == 2
    assert set(seen) == {("GeneratorExit", seen[0][1])}
    assert "over" in seen[0][1]
    assert ran.types().count("ContextFailed") == (0 if virtual else 1)


class Bad:
    """A serdes that raises, or writes values that are not text."""

    def __init__(self, what: str, *, reading: bool) -> None:
        self.what = what
        self.reading = reading

    def serialize(self, value: Any, context: Any) -> Any:
        return json.dumps(value) if self.reading else misbehave(self.what)

    def deserialize(self, payload: str, context: Any) -> Any:
        return misbehave(self.what) if self.reading else json.loads(payload)


RETURNED: dict[str, Any] = {"number": 5, "nothing": None, "bytes": b"x", "text": "retry"}
RAISING = [name for name in RAISED if name not in ("stop", "stop_async", "cancelled")]


def misbehave(name: str) -> Any:
    """Raise or return the value of this name."""
    if name in RAISED:
        raise made(name)
    return RETURNED[name]


@pytest.mark.parametrize("reading", [False, True])
@pytest.mark.parametrize("what", [*RAISING, *RETURNED])
def test_a_serdes(what: str, reading: bool) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        config = StepConfig(retry_strategy=NoRetry(), serdes=Bad(what, reading=reading))
        await ctx.step(lambda: 1, config=config)

    ran = ends(workflow)
    assert ran.status == "FAILED" or (what in RETURNED and (reading or what == "text"))


class Writes:
    """A serdes that writes what no checkpoint can hold."""

    def __init__(self, text: Any) -> None:
        self.text = text

    def serialize(self, value: Any, context: Any) -> Any:
        return self.text

    def deserialize(self, payload: str, context: Any) -> Any:
        return payload


class WritesAround(Middleware):
    def __init__(self, text: Any) -> None:
        self.text = text

    def around_serialize(self, value: Any, info: Any, call_next: Any) -> Any:
        return self.text


def number_of(state: int) -> int:
    return state + 1


async def large_result(ctx: DurableContext, *_: Any) -> str:
    return "x" * 300_000


async def one_result(ctx: DurableContext, *_: Any) -> int:
    return await ctx.step(number_of, 1)


NO_TEXT = {"surrogate": '"\ud800"', "bytes": b"1", "number": 5, "nothing": None}
WRITERS: dict[str, Callable[[DurableContext, Any], Any]] = {
    "step": lambda ctx, bad: ctx.step(
        number_of, 1, config=StepConfig(serdes=bad, retry_strategy=NoRetry())
    ),
    "child": lambda ctx, bad: ctx.run_in_child_context(one_result, config=ChildConfig(serdes=bad)),
    "item": lambda ctx, bad: ctx.map([1], one_result, config=MapConfig(item_serdes=bad)),
    "map": lambda ctx, bad: ctx.map([1], one_result, config=MapConfig(serdes=bad)),
    "payload": lambda ctx, bad: ctx.invoke("f", 1, config=InvokeConfig(payload_serdes=bad)),
    "poll": lambda ctx, bad: ctx.wait_for_condition(
        number_of,
        WaitForConditionConfig(
            initial_state=0, wait_strategy=poll_until(lambda _: False, max_attempts=3), serdes=bad
        ),
    ),
}


@pytest.mark.parametrize(("where", "text", "mode"), rotated(WRITERS, NO_TEXT, CheckpointingMode))
def test_a_serdes_that_writes_what_no_checkpoint_can_hold(
    where: str, text: str, mode: CheckpointingMode
) -> None:
    """The checkpoint could not be sent by any invocation, and each one tried."""

    async def workflow(event: Any, ctx: DurableContext) -> None:
        found = await WRITERS[where](ctx, Writes(NO_TEXT[text]))
        if isinstance(found, BatchResult):
            found.throw_if_error()

    ran = ends(workflow, checkpointing=mode)
    assert (ran.status, ran.error.error_type) == ("FAILED", "SerDesError")
    told = "half of a surrogate pair" if text == "surrogate" else "must be a str, not "
    assert told in ran.error.error_message
    assert ran.invocations == 1


@pytest.mark.parametrize("by", ["serdes", "middleware"])
@pytest.mark.parametrize("text", NO_TEXT)
@pytest.mark.parametrize("where", ["step", "handler", "complete"])
def test_a_serdes_of_all_that_writes_what_no_checkpoint_can_hold(
    where: str, text: str, by: str
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> int:
        if where == "step":
            await ctx.step(number_of, 1)
        if where == "complete":
            await ctx.complete_execution_success(1)
        return 1

    bad = NO_TEXT[text]
    options = {"serdes": Writes(bad)} if by == "serdes" else {"middleware": [WritesAround(bad)]}
    ran = ends(workflow, **options)
    assert (ran.status, ran.error.error_type) == ("FAILED", "SerDesError")
    assert ran.invocations == 1


@pytest.mark.parametrize("kind", ["child", "map"])
def test_a_summary_that_no_checkpoint_can_hold(kind: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        def summary(_: Any) -> str:
            return "\ud800"

        if kind == "child":
            config = ChildConfig(summary_generator=summary)
            await ctx.run_in_child_context(large_result, config=config)
        else:
            await ctx.map([1], large_result, config=MapConfig(summary_generator=summary))

    ran = ends(workflow)
    assert ran.error.error_type == "SerDesError"
    assert "the summary of " in ran.error.error_message


@pytest.mark.parametrize("name", ["bill\ud800:live", "größe", "a\nb"])
def test_a_name_of_a_function_that_no_service_has(name: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.invoke(name)

    ran = ends(workflow)
    assert ran.error.error_type == "ConfigError"
    assert "1 to 256 printable ASCII characters" in ran.error.error_message


@pytest.mark.parametrize("mode", CheckpointingMode)
@pytest.mark.parametrize(
    "bad",
    [
        {"payload": "\ud800"},
        {"sub_type": "\ud800"},
        {"sub_type": object()},
        {"error": ErrorObject(error_message="\ud800", stack_trace=["\ud800"])},
    ],
)
def test_an_update_that_cannot_be_written_is_the_end(
    bad: dict[str, Any], mode: CheckpointingMode
) -> None:
    """None of the SDK's own is; what comes to be one all the same is told, and not tried for ever."""

    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx._context_state.run.submit(
            OperationUpdate(
                id="x",
                type=OperationType.STEP,
                action=OperationAction.SUCCEED,
                name="odd",
                **bad,
            )
        )
        await ctx.step(number_of, 1)

    ran = ends(workflow, checkpointing=mode)
    assert (ran.status, ran.error.error_type, ran.invocations) == ("FAILED", "ExecutionError", 1)
    told = "the checkpoint of step 'odd' (SUCCEED) cannot be written as JSON"
    assert told in ran.error.error_message


@pytest.mark.parametrize("what", [*RAISING, *RETURNED])
@pytest.mark.parametrize("where", ["step", "with_retry", "poll", "predicate", "custom"])
def test_a_strategy(what: str, where: str) -> None:
    def strategy(*_: Any) -> Any:
        return misbehave(what)

    def fails(*_: Any) -> None:
        raise ValueError("body")

    async def block(ctx: DurableContext) -> None:
        fails()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        match where:
            case "step":
                await ctx.step(fails, config=StepConfig(retry_strategy=strategy))
            case "with_retry":
                await ctx.with_retry(block, config=WithRetryConfig(retry_strategy=strategy))
            case "custom":
                await ctx.step(fails, config=StepConfig(retry_strategy=custom_retry(strategy)))
            case "poll":
                config: Any = WaitForConditionConfig(initial_state=1, wait_strategy=strategy)
                await ctx.wait_for_condition(lambda state: state, config=config)
            case "predicate":
                config = WaitForConditionConfig(
                    initial_state=1, wait_strategy=poll_until(strategy, max_attempts=3)
                )
                await ctx.wait_for_condition(lambda state: state, config=config)

    ran = ends(workflow)
    assert ran.status == "FAILED" or where == "predicate"


def test_with_retry_names_what_its_strategy_returned() -> None:
    async def block(ctx: DurableContext) -> None:
        raise ValueError("body")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        config = WithRetryConfig(retry_strategy=lambda *_: 5)  # type: ignore[arg-type,return-value]
        await ctx.with_retry(block, config=config)

    error = ends(workflow).error
    assert error.error_type == "ConfigError"
    assert "its strategy returned 5; it must return a RetryDecision" in error.error_message


@pytest.mark.parametrize("what", [*RAISING, *RETURNED])
def test_an_error_mapper_a_namer_and_a_summary(what: str) -> None:
    def misbehaves(*_: Any) -> Any:
        return misbehave(what)

    async def fails(ctx: DurableContext, *_: Any) -> None:
        raise ValueError("body")

    async def large(ctx: DurableContext) -> str:
        return "x" * 300_000

    async def item(ctx: DurableContext, each: int, index: int) -> int:
        return each

    async def mapper(event: Any, ctx: DurableContext) -> None:
        await ctx.run_in_child_context(fails, config=ChildConfig(error_mapper=misbehaves))

    async def namer(event: Any, ctx: DurableContext) -> None:
        await ctx.map([1], item, config=MapConfig(item_namer=misbehaves))

    async def summary(event: Any, ctx: DurableContext) -> None:
        await ctx.run_in_child_context(large, config=ChildConfig(summary_generator=misbehaves))

    assert ends(mapper).status == "FAILED"
    assert ends(namer).status == "FAILED" or what in RETURNED
    assert ends(summary).status == "FAILED" or what in RETURNED


@pytest.mark.parametrize("name", RAISED)
def test_a_filter_that_meets_any_error(name: str) -> None:
    every = RetryableErrorFilter(error_types=(KeyError,), type_names=("No",), messages=("nothing",))
    strategy = ExponentialBackoff(max_attempts=3, retryable=every)

    def body() -> None:
        raise made(name)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(body, config=StepConfig(retry_strategy=strategy))

    assert ends(workflow).status == "FAILED"


class Interceptor(Middleware):
    def __init__(self, where: str, what: str) -> None:
        self.where, self.what = where, what

    def _do(self, where: str) -> None:
        if where == self.where:
            misbehave(self.what)

    async def around_handler(self, event: Any, ctx: Any, call_next: Any) -> Any:
        self._do("handler")
        return await call_next(event)

    async def around_context(self, info: Any, ctx: Any, call_next: Any) -> Any:
        self._do("context")
        return await call_next()

    async def around_step(self, info: Any, call_next: Any) -> Any:
        self._do("step")
        return await call_next()

    def around_serialize(self, value: Any, info: Any, call_next: Any) -> str:
        self._do("serialize")
        text: str = call_next(value)
        return text

    def around_deserialize(self, payload: str, info: Any, call_next: Any) -> Any:
        self._do("deserialize")
        return call_next(payload)


@pytest.mark.parametrize("where", ["handler", "context", "step", "serialize", "deserialize"])
@pytest.mark.parametrize("what", RAISING)
def test_an_interceptor(what: str, where: str) -> None:
    async def child(ctx: DurableContext) -> int:
        return await ctx.step(lambda: 1, config=ONCE)

    async def workflow(event: Any, ctx: DurableContext) -> int:
        return await ctx.run_in_child_context(child)

    assert ends(workflow, middleware=[Interceptor(where, what)]).status == "FAILED"


@pytest.mark.parametrize("name", RAISED)
def test_an_observer(name: str) -> None:
    class Watches(DurablePlugin):
        def on_operation_change(self, *_: Any) -> None:
            raise made(name)

        on_invocation_start = on_invocation_end = on_operation_change
        on_attempt_start = on_attempt_end = on_operation_change

    def fails() -> None:
        raise cyclic()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        with suppress(StepError):
            await ctx.step(fails, config=ONCE)

    assert ends(workflow, plugins=[Watches()]).status == "SUCCEEDED"


# An error read from the log is a failure, even if the recorded class was not an Exception.

TRANSIENT = [
    ServiceError("slow down", code="TooManyRequestsException", status=429),
    ServiceError("Invalid Checkpoint Token", code="InvalidParameterValueException", status=400),
    ServiceError("no answer"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=str)
@pytest.mark.parametrize("where", ["handler", "child", "virtual", "map", "saga", "retry"])
def test_a_recorded_error_of_the_service_ends_the_execution(error: Exception, where: str) -> None:
    def fails() -> None:
        raise error

    async def block(ctx: DurableContext, *_: Any) -> None:
        await ctx.step(fails, config=ONCE)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        match where:
            case "handler":
                await block(ctx)
            case "child":
                await ctx.run_in_child_context(block)
            case "virtual":
                await ctx.run_in_child_context(block, config=ChildConfig(virtual=True))
            case "map":
                (await ctx.map([1], block)).throw_if_error()
            case "saga":
                async with ctx.saga() as saga:
                    saga.add_compensation(lambda: None)
                    await block(ctx)
            case "retry":
                await ctx.with_retry(block, config=WithRetryConfig(retry_strategy=NoRetry()))

    ran = ends(workflow, limit=1)
    assert ran.status == "FAILED"
    assert ran.error.error_type == "ServiceError"


@pytest.mark.parametrize("where", ["handler", "child", "virtual", "saga"])
def test_a_recorded_invocation_error_ends_the_execution(where: str) -> None:
    async def fails(ctx: DurableContext) -> None:
        raise ValueError("body")

    async def block(ctx: DurableContext) -> None:
        config = ChildConfig(error_mapper=lambda _: DurableError.invocation("not now"))
        await ctx.run_in_child_context(fails, config=config)

    seen: list[bool] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        with suppress(KeyError):
            try:
                if where == "handler":
                    await block(ctx)
                elif where == "saga":
                    async with ctx.saga() as saga:
                        saga.add_compensation(lambda: None)
                        await block(ctx)
                else:
                    config = ChildConfig(virtual=where == "virtual")
                    await ctx.run_in_child_context(block, config=config)
            except InvocationError as error:
                seen.append(isinstance(error, OperationError))
                raise

    ran = ends(workflow, limit=1)
    assert (ran.status, ran.error.error_type) == ("FAILED", "InvocationError")
    assert seen == [True]


@pytest.mark.parametrize(
    "error",
    [*TRANSIENT, DurableError.execution("x"), StepError("s"), ExceptionGroup("g", [TRANSIENT[0]])],
    ids=str,
)
def test_another_functions_error_decides_nothing_here(error: Exception) -> None:
    @durable_execution
    async def other(event: Any, ctx: DurableContext) -> None:
        def fails() -> None:
            raise error

        await ctx.step(fails, config=ONCE)

    caught: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        try:
            await ctx.invoke("other:$LATEST")
        except InvokeError as failure:
            caught.append(failure)
            raise

    rig = rig_of(workflow, others={"other": other})
    ran = rig.drive(rig.start(), until=rig.clock.now() + 86_400_000)
    assert ran.status == "FAILED"
    assert ran.error.error_type == type(error).__name__
    for failure in caught:
        assert type(failure) is InvokeError
        assert failure.error_type == type(error).__name__
        assert failure.is_a(type(error).__name__)
        assert failure.error_data.startswith('{"durable_error":1')


FORGED = (
    '{"durable_error":1,"kind":"durable_execution_sdk.errors:InvocationError",'
    '"classes":["durable_execution_sdk.errors:InvocationError","builtins:KeyError"],"args":["x"]}'
)


@pytest.mark.parametrize(
    "way", ["callback", "wait_for_callback", "plain_function", "durable_function"]
)
@pytest.mark.parametrize("depth", [0, 2])
def test_a_record_from_outside_is_text(way: str, depth: int) -> None:
    forged = ErrorObject(error_type="Denied", error_message="no", error_data=FORGED)

    def forging(event: Any, context: Any) -> Any:
        from durable_execution_sdk.protocol.codec import encode_outcome
        from durable_execution_sdk.protocol.data_plane import OutcomeStatus

        return encode_outcome(Outcome(status=OutcomeStatus.FAILED, error=forged))

    class Forges:
        def bind(self, _: Any) -> Any:
            return forging

    def submit(callback_id: str) -> None:
        rig.emulator.callback_failure(callback_id, forged)

    seen: list[Any] = []

    async def asks(ctx: DurableContext) -> None:
        match way:
            case "callback":
                callback = await ctx.create_callback()
                await ctx.step(submit, callback.callback_id)
                await callback
            case "wait_for_callback":
                await ctx.wait_for_callback(submit)
            case "plain_function":
                await ctx.invoke("plain")
            case _:
                await ctx.invoke("durable:$LATEST")

    async def nested(ctx: DurableContext, left: int) -> None:
        if left:
            await ctx.run_in_child_context(nested, left - 1)
        else:
            await asks(ctx)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        try:
            await nested(ctx, depth)
        except OperationError as error:
            seen.append(error)
        await ctx.wait(Duration.from_seconds(1))

    def plain(event: Any, context: Any) -> Any:
        raise ValueError(FORGED)

    rig = rig_of(workflow, others={"durable": Forges()}, plain={"plain": plain})
    assert rig.run().status == "SUCCEEDED"
    assert len(seen) == 2
    for error in seen:
        assert not isinstance(error, (KeyError, InvocationError))
        if way != "plain_function":
            assert (error.error_type, str(error), error.error_data) == ("Denied", "no", FORGED)


@pytest.mark.parametrize("nested", [False, True])
def test_failures_in_a_batch_of_another_function_are_told_and_have_no_class(nested: bool) -> None:
    async def fails(ctx: DurableContext, item: int, index: int) -> int:
        raise KeyError(item)

    @durable_execution
    async def other(event: Any, ctx: DurableContext) -> BatchResult[int]:
        return await ctx.map([1], fails)

    async def asks(ctx: DurableContext) -> BatchResult[int]:
        config = InvokeConfig(result_type=BatchResult[int])
        return await ctx.invoke("other:$LATEST", config=config)

    async def own(ctx: DurableContext) -> BatchResult[int]:
        return await ctx.map([1], fails)

    async def workflow(event: Any, ctx: DurableContext) -> list[list[Any]]:
        batches = [
            await (ctx.run_in_child_context(asks) if nested else asks(ctx)),
            await (ctx.run_in_child_context(own) if nested else own(ctx)),
        ]
        errors = [batch.errors()[0] for batch in batches]
        return [[error.error_type, str(error), isinstance(error, KeyError)] for error in errors]

    rig = rig_of(workflow, others={"other": other})
    assert rig.run().result == [["KeyError", "1", False], ["KeyError", "1", True]]


def test_an_error_that_the_sdk_raises_here_still_asks_for_another_invocation() -> None:
    tries: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> int:
        tries.append(1)
        if len(tries) < 3:
            raise DurableError.invocation("not now")
        return len(tries)

    assert ends(workflow, limit=3).result == 3
    assert issubclass(ExecutionError, DurableError)
