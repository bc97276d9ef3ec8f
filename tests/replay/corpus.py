"""Workflows for replay tests (shapes): every operation, and every combination with plain asyncio.

A shape reports to a ``Probe`` its observations, in order, and the bodies that ran. The replay tests
run each shape under schedules, crashes and cut logs, and compare the observations.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from durable_execution_sdk import (
    CallbackConfig,
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    CheckpointingMode,
    ChildConfig,
    ChildContextError,
    CompletionConfig,
    Depends,
    DurableContext,
    DurableHandler,
    Duration,
    FixedDelay,
    InboxMessageError,
    InboxTimeoutError,
    InvokeConfig,
    InvokeError,
    JitterStrategy,
    MapConfig,
    NestingType,
    NoRetry,
    SerDesContext,
    StepConfig,
    StepContext,
    StepError,
    StepSemantics,
    StepTimeoutError,
    WaitForCallbackConfig,
    WaitForConditionConfig,
    WaitForConditionError,
    durable_execution,
    durable_step,
    retry_presets,
    summary_generators,
)
from durable_execution_sdk import custom_serdes as serdes_of
from durable_execution_sdk import poll_until as state_until
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.retry.polling import PollingStrategy

Workflow = Callable[[Any, DurableContext], Awaitable[Any]]

AT_MOST_ONCE = StepSemantics.AT_MOST_ONCE_PER_RETRY
RETRY = FixedDelay(max_attempts=5, delay=Duration.from_seconds(2))
ONE_TRY = StepConfig(retry_strategy=NoRetry())
TOLERANT = CompletionConfig.all_completed()
BIG = 270_000


class Declined(Exception):
    """An exception class of user code."""

    def __init__(self, code: str, *, amount: int) -> None:
        super().__init__(f"declined: {code}")
        self.code = code
        self.amount = amount


@dataclass
class Probe:
    """Records the observations of a shape, and answers its callbacks."""

    observations: list[list[Any]] = field(default_factory=list)
    runs: Counter[tuple[str, int]] = field(default_factory=Counter)
    answer: Callable[[str, bytes | None], None] = lambda _id, _result: None
    refuse: Callable[[str, ErrorObject], None] = lambda _id, _error: None
    post: Callable[[str, str, Any], bool] = lambda _arn, _inbox, _value: True
    pause: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0)

    def begin(self) -> None:
        """Begin the observations of another invocation."""
        self.observations.append([])

    def see(self, label: str, value: Any = None, *, inside: str = "") -> Any:
        """Record an observation of workflow code; ``inside`` names the child context of the code."""
        self.observations[-1].append((inside, label, value))
        return value

    async def body(self, name: str, value: Any = None) -> Any:
        """Run as a step's body: count the run, take some time, return."""
        self.runs[name, StepContext.current().attempt] += 1
        await self.pause()
        return name if value is None else value

    def plain(self, name: str) -> str:
        """Run as a step's body that is a plain function."""
        self.runs[name, StepContext.current().attempt] += 1
        return name

    async def fails(self, name: str, until: int = 99) -> str:
        """Run as a step's body that fails before attempt ``until``."""
        await self.body(name)
        if StepContext.current().attempt < until:
            raise Declined(name, amount=3)
        return name

    async def gives(self, callback_id: str, result: bytes = b'"yes"') -> None:
        """Submit a callback, and answer it with a result at once."""
        await self.body("gives")
        self.answer(callback_id, result)

    async def sends(self, inbox: str, *values: Any) -> None:
        """Send messages to an inbox of the execution, each once, when there is room."""
        await self.body(f"sends to {inbox}")
        for value in values:
            while not self.post(StepContext.current().durable_execution_arn, inbox, value):
                await asyncio.sleep(0.002)  # the callback is yet to be recorded

    async def denies(self, callback_id: str) -> None:
        """Submit a callback, and answer it with a failure at once."""
        await self.body("denies")
        self.refuse(
            callback_id, ErrorObject(error_type="Denied", error_message="no", error_data="why")
        )


@dataclass(frozen=True)
class Shape:
    """A workflow of the corpus.

    ``strict``: it runs one operation at a time, so its log has the same events after a crash.
    ``at_most_once``: its bodies run at most once in an attempt, also after a crash.
    ``fails``: the execution fails.
    """

    name: str
    build: Callable[[Probe], Workflow]
    strict: bool
    at_most_once: bool
    fails: bool
    tasks: bool

    def handler(
        self,
        probe: Probe,
        mode: CheckpointingMode = CheckpointingMode.BATCHED,
        **options: Any,
    ) -> DurableHandler[Any, Any]:
        """Make a handler that reports to this probe."""
        workflow = self.build(probe)

        async def shape(event: Any, ctx: DurableContext) -> Any:
            probe.begin()
            return await workflow(event, ctx)

        return durable_execution(checkpointing=mode, **options)(shape)


CORPUS: list[Shape] = []


def shape(
    *, strict: bool = False, at_most_once: bool = False, fails: bool = False, tasks: bool = True
) -> Callable[[Callable[[Probe], Workflow]], Callable[[Probe], Workflow]]:
    """Add a workflow to the corpus. ``strict`` ones have only the main task."""

    def add(build: Callable[[Probe], Workflow]) -> Callable[[Probe], Workflow]:
        CORPUS.append(
            Shape(build.__name__, build, strict, at_most_once, fails, tasks and not strict)
        )
        return build

    return add


def seconds(count: int) -> Duration:
    return Duration.from_seconds(count)


# One operation at a time.


@shape(strict=True)
def nothing(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        return event

    return run


@shape(strict=True)
def steps(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        probe.see("a", await ctx.step(probe.body, "a"))
        probe.see("b", await ctx.step(probe.plain, "b", name="plain"))
        probe.see("c", await ctx.step(functools.partial(probe.body, value={"n": [1, 2]}), "c"))
        probe.see("none", await ctx.step(lambda: None, name="none"))
        return event

    return run


@shape(strict=True)
def step_wait_step(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        a = probe.see("a", await ctx.step(probe.body, "a"))
        probe.see("w", await ctx.wait(seconds(60), name="w"))
        b = probe.see("b", await ctx.step(probe.body, "b"))
        probe.see("w2", await ctx.wait(seconds(1)))
        return [a, b]

    return run


@shape(strict=True)
def retries(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        config = StepConfig(retry_strategy=RETRY)
        return probe.see("a", await ctx.step(probe.fails, "a", 3, config=config))

    return run


@shape(strict=True)
def exhausted_retries(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        config = StepConfig(retry_strategy=FixedDelay(max_attempts=2, delay=seconds(1)))
        try:
            await ctx.step(functools.partial(probe.fails, "a"), name="a", config=config)
        except Declined as error:
            assert isinstance(error, StepError)
            probe.see("declined", [error.code, error.amount, error.error_type, str(error)])
        return probe.see("b", await ctx.step(probe.body, "b"))

    return run


@shape(strict=True, at_most_once=True)
def at_most_once(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        config = StepConfig(semantics=AT_MOST_ONCE, retry_strategy=RETRY)
        a = probe.see("a", await ctx.step(probe.body, "a", config=config))
        b = probe.see("b", await ctx.step(probe.plain, "b", config=config))
        c = probe.see("c", await ctx.step(probe.body, "c", config=config))
        return [a, b, c]

    return run


@shape(strict=True)
def polls(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def check(state: int) -> int:
            await probe.body(f"check {state}")
            return state + 1

        until: PollingStrategy[int] = state_until(
            lambda n: n >= 3, initial_delay=seconds(2), backoff_rate=1
        )
        config = WaitForConditionConfig(initial_state=0, wait_strategy=until)
        return probe.see("state", await ctx.wait_for_condition(check, config))

    return run


@shape(strict=True)
def polls_in_vain(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        def check(state: int) -> int:
            return state + 1

        until: PollingStrategy[int] = state_until(
            lambda _: False, max_attempts=2, initial_delay=seconds(1)
        )
        config = WaitForConditionConfig(initial_state=0, wait_strategy=until)
        try:
            await ctx.wait_for_condition(check, config, name="vain")
        except WaitForConditionError as error:
            probe.see("exhausted", error.error_type)
        return "over"

    return run


@shape(strict=True)
def callbacks(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        callback = await ctx.create_callback("cb")
        probe.see("id", callback.callback_id)
        await ctx.step(probe.gives, callback.callback_id, b'{"ok": true}')
        return probe.see("answer", await callback)

    return run


@shape(strict=True)
def messages(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        inbox = ctx.inbox("orders", int)
        await ctx.wait(seconds(1))
        await ctx.step(probe.sends, "orders", 1, 2, name="sends")
        probe.see("first", await inbox.get())
        probe.see("step", await ctx.step(probe.body, "between"))
        probe.see("second", await inbox.get(timeout=seconds(30)))
        await ctx.wait(seconds(1))
        await ctx.step(probe.sends, "orders", "no number", 4, name="sends again")
        try:
            await inbox.get()
        except InboxMessageError as error:
            probe.see("misfit", [error.inbox, error.number])
        await inbox.close()
        async for message in inbox:
            probe.see("rest", message)
        return event

    return run


@shape(tasks=False)
def no_message_in_time(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        inbox = ctx.inbox("orders", window=2)
        for limit in (1, 30):
            try:
                await inbox.get(timeout=seconds(limit))
            except InboxTimeoutError as error:
                probe.see("late", str(error))
        await ctx.step(probe.sends, "orders", {"n": 1})
        return probe.see("now", await inbox.get(timeout=seconds(30)))

    return run


@shape(strict=True)
def refused_callback(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        callback = await ctx.create_callback()
        await ctx.step(probe.denies, callback.callback_id)
        try:
            await callback
        except CallbackExternalError as error:
            return probe.see("denied", [error.error_type, str(error), error.error_data])

    return run


@shape(strict=True)
def callback_that_times_out(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        config: CallbackConfig[str] = CallbackConfig(
            timeout=seconds(30), heartbeat_timeout=seconds(5)
        )
        callback = await ctx.create_callback("cb", config=config)
        try:
            await callback
        except CallbackTimeoutError as error:
            return probe.see("late", error.error_type)

    return run


@shape()
def wait_for_callback(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        probe.see("a", await ctx.wait_for_callback(probe.gives, name="a"))
        probe.see("b", await ctx.wait_for_callback(probe.gives, b"raw text", name="b"))
        try:
            await ctx.wait_for_callback(probe.denies, name="c")
        except CallbackExternalError as error:
            probe.see("c", [error.error_type, error.error_data])
        config: WaitForCallbackConfig[str] = WaitForCallbackConfig(timeout=seconds(9))
        try:
            await ctx.wait_for_callback(lambda _: None, name="d", config=config)
        except CallbackTimeoutError as error:
            probe.see("d", error.error_type)
        return "done"

    return run


@shape()
def submitter_that_fails(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def submit(_id: str) -> None:
            await probe.fails("submit")

        config: WaitForCallbackConfig[str] = WaitForCallbackConfig(
            retry_strategy=FixedDelay(max_attempts=2, delay=seconds(1))
        )
        try:
            await ctx.wait_for_callback(submit, name="a", config=config)
        except CallbackSubmitterError as error:
            assert isinstance(error, Declined)
            return probe.see("submit", [error.error_type, error.code])

    return run


@shape(strict=True)
def invokes(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        a = probe.see("durable", await ctx.invoke("other:$LATEST", 1))
        b = probe.see("plain", await ctx.invoke("plain", 2, name="p"))
        for name in ("broken:$LATEST", "nowhere:1"):
            try:
                await ctx.invoke(name, 3, config=InvokeConfig())
            except InvokeError as error:
                probe.see(name, error.error_type)
        return [a, b]

    return run


@shape(strict=True)
def cancelled_wait(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        timer = ctx.wait(seconds(3600), name="timer")
        await ctx.step(probe.body, "a")
        probe.see("cancel", timer.cancel())
        probe.see("cancel again", timer.cancel())
        probe.see("timer", await timer)
        probe.see("b", await ctx.step(probe.body, "b"))
        return probe.see("cancel late", timer.cancel())

    return run


@shape(strict=True)
def replay_safe_values(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        probe.see("uuid", str(ctx.uuid4()))
        await ctx.step(probe.body, "a")
        probe.see("random", [ctx.random().random(), ctx.random().randint(1, 9)])
        await ctx.wait(seconds(5))
        probe.see("uuid", str(ctx.uuid4()))
        return "the same in each invocation, another in each execution"

    return run


class Reversing:
    """A custom serdes."""

    def serialize(self, value: str, context: SerDesContext, /) -> str:
        return value[::-1] + context.operation_id[:4]

    def deserialize(self, payload: str, context: SerDesContext, /) -> str:
        assert payload.endswith(context.operation_id[:4])
        return payload[:-4][::-1]


@shape()
def custom_serdes(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        a = probe.see("a", await ctx.step(probe.body, "abc", config=StepConfig(serdes=Reversing())))

        async def child(inner: DurableContext) -> str:
            return str(await inner.step(probe.body, "def"))

        b = probe.see(
            "b", await ctx.run_in_child_context(child, config=ChildConfig(serdes=Reversing()))
        )
        await ctx.wait(seconds(1))
        return a + b

    return run


@shape(strict=True, at_most_once=True)
def bound_step(probe: Probe) -> Workflow:
    @durable_step(retry_strategy=RETRY, semantics=AT_MOST_ONCE)
    async def pay() -> str:
        return await probe.fails("pay", 2)

    async def run(event: Any, ctx: DurableContext) -> Any:
        return probe.see("paid", await ctx.step(pay))

    return run


@shape(strict=True, fails=True)
def uncaught_failure(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(probe.body, "a")
        await ctx.step(functools.partial(probe.fails, "b"), name="b", config=ONE_TRY)

    return run


@shape(strict=True)
def completes_itself(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(probe.body, "a")
        await ctx.complete_execution_success({"early": True})
        await ctx.step(probe.body, "never")

    return run


@shape(strict=True, fails=True)
def fails_itself(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(probe.body, "a")
        await ctx.wait(seconds(5))
        await ctx.complete_execution_failure(Declined("x", amount=1))

    return run


@shape(strict=True)
def goes_on_as_new(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        probe.see("a", await ctx.step(probe.body, "a"))
        await ctx.wait(seconds(5))
        await ctx.continue_as_new({"after": event})
        await ctx.step(probe.body, "never")

    return run


@shape()
def goes_on_as_new_beside_others(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def side() -> None:
            probe.see("side", await ctx.step(probe.body, "side"))
            await ctx.wait(seconds(3600), name="never over")

        task = asyncio.create_task(side())
        probe.see("a", await ctx.step(probe.body, "a"))
        await ctx.wait(seconds(5))
        await ctx.continue_as_new({"after": event})
        await task

    return run


@shape(strict=True)
def stubborn(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        for _ in range(3):
            try:
                await ctx.wait(seconds(5), name="w")
            except:  # noqa: E722 - that is the point
                pass
        try:
            probe.see("b", await ctx.step(probe.body, "b"))
        except BaseException:
            await ctx.step(probe.body, "c")
        return "out"

    return run


@shape(strict=True)
def cleans_up(probe: Probe) -> Workflow:
    @asynccontextmanager
    async def resource() -> Any:
        try:
            yield "r"
        finally:
            await asyncio.sleep(0)

    async def run(event: Any, ctx: DurableContext) -> Any:
        async with resource() as name:
            try:
                probe.see("a", await ctx.step(probe.body, "a"))
                probe.see("w", await ctx.wait(seconds(5)))
            finally:
                await ctx.step(probe.body, "clean")
            probe.see("in", name)
        return probe.see("b", await ctx.step(probe.body, "b"))

    return run


@shape(strict=True)
def generators(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def numbers() -> Any:
            for n in range(3):
                yield await ctx.step(probe.body, f"n{n}", n)
                await ctx.wait(seconds(1))

        return [probe.see("n", n) async for n in numbers()]

    return run


# Contexts.


@shape()
def children(probe: Probe) -> Workflow:
    async def inner(ctx: DurableContext, label: str) -> str:
        probe.see("1", await ctx.step(probe.body, label, name=f"{label}1"), inside=label)
        await ctx.wait(seconds(5))
        probe.see("2", await ctx.step(probe.body, f"{label}2"), inside=label)
        return label

    async def outer(ctx: DurableContext) -> list[str]:
        first = await ctx.run_in_child_context(inner, "x", name="x")
        await ctx.step(probe.body, "between", name="between")
        return [first, await ctx.run_in_child_context(inner, "y", name="y")]

    async def run(event: Any, ctx: DurableContext) -> Any:
        result = await ctx.run_in_child_context(outer)
        await ctx.wait(seconds(1))
        return result

    return run


@shape()
def virtual_children(probe: Probe) -> Workflow:
    virtual = ChildConfig(virtual=True)

    async def inner(ctx: DurableContext, label: str) -> str:
        probe.see("1", await ctx.step(probe.body, f"{label}1"), inside=label)
        await ctx.wait(seconds(5))
        return label

    async def outer(ctx: DurableContext) -> list[str]:
        await ctx.step(probe.body, "before")
        first = await ctx.run_in_child_context(inner, "x", config=virtual)
        return [first, await ctx.run_in_child_context(inner, "y", name="y")]

    async def run(event: Any, ctx: DurableContext) -> Any:
        a = probe.see("a", await ctx.run_in_child_context(outer, config=virtual))
        b = probe.see("b", await ctx.run_in_child_context(inner, "b", config=virtual))
        return [a, b]

    return run


@shape()
def failing_children(probe: Probe) -> Workflow:
    async def raises(ctx: DurableContext) -> None:
        await ctx.step(probe.body, "r")
        raise Declined("child", amount=5)

    async def passes_on(ctx: DurableContext) -> None:
        await ctx.run_in_child_context(raises)

    async def step_fails(ctx: DurableContext) -> None:
        await ctx.step(probe.fails, "f", config=ONE_TRY)

    mapper = ChildConfig(error_mapper=lambda error: LookupError(str(error)))
    virtual = ChildConfig(virtual=True)
    virtual_mapper = ChildConfig(virtual=True, error_mapper=lambda error: KeyError(str(error)))

    async def run(event: Any, ctx: DurableContext) -> Any:
        for func, config in (
            (raises, None),
            (passes_on, None),
            (step_fails, None),
            (raises, mapper),
            (raises, virtual),
            (raises, virtual_mapper),
        ):
            try:
                await ctx.run_in_child_context(func, config=config)
            except (ChildContextError, Declined, KeyError) as error:
                names = [c.__name__ for c in type(error).__mro__ if c is not object]
                probe.see("error", [names, str(error)])
        await ctx.wait(seconds(1))
        return "over"

    return run


@shape()
def big_results(probe: Probe) -> Workflow:
    async def inner(ctx: DurableContext, letter: str) -> str:
        await ctx.step(probe.body, f"in {letter}")
        return letter * BIG

    async def outer(ctx: DurableContext) -> str:
        text = await ctx.run_in_child_context(inner, "x", name="inner")
        await ctx.wait(seconds(3))
        return text + str(await ctx.step(probe.body, "out"))

    summarized = ChildConfig(summary_generator=lambda text: f"{len(text)} letters")

    async def run(event: Any, ctx: DurableContext) -> Any:
        a = await ctx.run_in_child_context(outer, config=summarized)
        probe.see("a", len(a))
        await ctx.wait(seconds(1))
        b = await ctx.run_in_child_context(inner, "é", name="inner", config=summarized)
        probe.see("b", b[:3])
        await ctx.wait(seconds(1))
        return [len(a), len(b)]

    return run


@shape()
def serdes_summaries_and_retry_payloads(probe: Probe) -> Workflow:
    words = serdes_of(" ".join, str.split)

    async def spell(count: int) -> list[str]:
        return [await probe.body("spell")] * count

    async def page(ctx: DurableContext, letter: str, index: int) -> str:
        if letter == "b":
            raise Declined("b", amount=1)
        return letter * BIG

    async def check(words: list[str]) -> list[str]:
        # Like the argument, the payload is what the check before has returned, whatever was cut off meanwhile.
        payload = StepContext.current().retry_payload
        assert words == (["first"] if payload is None else payload.split())
        return [*words, "more"]

    async def run(event: Any, ctx: DurableContext) -> Any:
        config = StepConfig(serdes=words, retry_strategy=retry_presets.linear)
        probe.see("spelled", await ctx.step(spell, 2, name="spell", config=config))
        pages = MapConfig(
            completion=CompletionConfig.all_completed(),
            summary_generator=summary_generators.first_failures(1),
        )
        batch = await ctx.map(["a", "b"], page, name="pages", config=pages)
        probe.see(
            "pages", [len(text) for text in batch.results()] + [str(e) for e in batch.errors()]
        )
        until: PollingStrategy[list[str]] = state_until(
            lambda words: len(words) == 3, initial_delay=seconds(2)
        )
        poll = WaitForConditionConfig(initial_state=["first"], wait_strategy=until, serdes=words)
        probe.see("polled", await ctx.wait_for_condition(check, poll, name="poll"))
        return await ctx.step(probe.body, "last")

    return run


@shape()
def big_result_with_plain_awaits(probe: Probe) -> Workflow:
    async def big(ctx: DurableContext) -> str:
        await ctx.step(probe.body, "in")
        await asyncio.sleep(0.001)
        return "x" * BIG

    async def run(event: Any, ctx: DurableContext) -> Any:
        async def side() -> None:
            probe.see("big", len(await ctx.run_in_child_context(big)))

        task = asyncio.create_task(side())
        probe.see("wait", await ctx.wait(seconds(7)))
        await task
        await ctx.wait(seconds(1))
        return "over"

    return run


# Concurrent operations.


@shape()
def gathered_steps(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        names = ["a", "b", "c", "d"]
        results = await asyncio.gather(*(ctx.step(probe.body, n, name=n) for n in names))
        probe.see("all", results)
        return await ctx.step(probe.body, "e")

    return run


@shape()
def gathered_mixture(probe: Probe) -> Workflow:
    async def check(state: int) -> int:
        return state + 1

    until: PollingStrategy[int] = state_until(lambda n: n >= 2, initial_delay=seconds(3))
    poll = WaitForConditionConfig(initial_state=0, wait_strategy=until)

    async def child(ctx: DurableContext) -> str:
        await ctx.wait(seconds(4))
        return str(await ctx.step(probe.body, "in child"))

    async def run(event: Any, ctx: DurableContext) -> Any:
        return await asyncio.gather(
            ctx.step(probe.body, "a"),
            ctx.wait(seconds(20)),
            ctx.wait_for_condition(check, poll),
            ctx.invoke("other:$LATEST", 5),
            ctx.run_in_child_context(child),
            ctx.wait_for_callback(probe.gives),
            ctx.step(probe.fails, "f", 2, config=StepConfig(retry_strategy=RETRY)),
        )

    return run


@shape()
def gathered_failures(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        results = await asyncio.gather(
            ctx.step(probe.fails, "a", config=ONE_TRY),
            ctx.step(probe.body, "b"),
            ctx.wait(seconds(2)),
            return_exceptions=True,
        )
        probe.see("all", [type(r).__name__ for r in results])
        try:
            await asyncio.gather(ctx.step(probe.fails, "c", config=ONE_TRY), ctx.wait(seconds(60)))
        except StepError as error:
            probe.see("first", error.error_type)
        return await ctx.step(probe.body, "d")

    return run


@shape()
def tasks(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def branch(label: str, first: int) -> str:
            await ctx.wait(seconds(first))
            probe.see(label, await ctx.step(probe.body, f"{label}1", name=f"{label}1"))
            await asyncio.create_task(leaf(label))
            return label

        async def leaf(label: str) -> None:
            probe.see(label, await ctx.step(probe.body, label, name=f"{label} leaf"))

        mine = [asyncio.create_task(branch("x", 9)), asyncio.create_task(branch("y", 3))]
        probe.see("main", await ctx.step(probe.body, "main", name="main"))
        return [await task for task in mine]

    return run


@shape()
def task_group(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def branch(label: str, length: int) -> None:
            for n in range(length):
                probe.see(label, await ctx.step(probe.body, f"{label}{n}"))
                await ctx.wait(seconds(n + 1))

        async with asyncio.TaskGroup() as group:
            for label, length in (("a", 3), ("b", 1), ("c", 2)):
                group.create_task(branch(label, length))
        return probe.see("after", await ctx.step(probe.body, "after"))

    return run


@shape()
def task_group_that_fails(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def fails() -> None:
            await ctx.wait(seconds(2))
            await ctx.step(probe.fails, "f", config=ONE_TRY)

        async def waits() -> None:
            try:
                await ctx.wait(seconds(3600))
            except asyncio.CancelledError:
                probe.see("cancelled")
                raise

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                group.create_task(waits())
        except* Declined as errors:
            probe.see("group", [str(e) for e in errors.exceptions])
        return await ctx.step(probe.body, "after")

    return run


@shape()
def first_completed(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        pending: set[Any] = {ctx.wait(seconds(n), name=f"w{n}") for n in (9, 3, 6)}
        pending.add(ctx.step(probe.body, "s", name="s"))
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            probe.see("done", sorted(handle.name for handle in done))
        return "all"

    return run


@shape()
def race_with_losers(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        slow = ctx.wait(seconds(86_400), name="slow")
        fast = ctx.step(probe.body, "fast")
        done, _ = await asyncio.wait([slow, fast], return_when=asyncio.FIRST_COMPLETED)
        probe.see("won", [handle is fast for handle in done])
        await ctx.wait(seconds(5))
        probe.see("lost", slow.cancel())
        probe.see("slow", await slow)
        return await ctx.step(probe.body, "after")

    return run


@shape()
def as_they_come(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def one(n: int) -> int:
            await ctx.wait(seconds(n))
            return int(await ctx.step(probe.body, f"s{n}", n))

        for each in asyncio.as_completed([asyncio.create_task(one(n)) for n in (5, 1, 3)]):
            probe.see("came", await each)
        return "all"

    return run


@shape()
def queue_between_tasks(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        queue: asyncio.Queue[Any] = asyncio.Queue(maxsize=2)

        async def produce(label: str, every: int) -> None:
            for n in range(3):
                await ctx.wait(seconds(every))
                await queue.put(f"{label}{n}")

        async def consume(label: str) -> None:
            while (item := await queue.get()) is not None:
                probe.see(label, await ctx.step(probe.body, item, name="work"))

        consumers = [asyncio.create_task(consume(f"c{n}")) for n in range(2)]
        await asyncio.gather(produce("p", 2), produce("q", 5))
        for _ in consumers:
            await queue.put(None)
        await asyncio.gather(*consumers)
        return "drained"

    return run


@shape()
def synchronized(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        gate, semaphore, lock = asyncio.Event(), asyncio.Semaphore(2), asyncio.Lock()

        async def worker(n: int) -> None:
            async with semaphore:
                probe.see(f"in{n}", await ctx.step(probe.body, f"s{n}"))
                await ctx.wait(seconds(n + 1))
            async with lock:
                probe.see(f"locked{n}", await ctx.step(probe.body, f"l{n}"))
            if n == 2:
                gate.set()

        tasks = [asyncio.create_task(worker(n)) for n in range(4)]
        await gate.wait()
        probe.see("gate", await ctx.step(probe.body, "gate"))
        await asyncio.gather(*tasks)
        return "done"

    return run


@shape()
def plain_sleeps_in_side_tasks(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        first_is_over = asyncio.Event()

        async def side(n: int) -> str:
            if n == 2:
                await first_is_over.wait()
            await asyncio.sleep(0.001)
            value = probe.see(f"side{n}", await ctx.step(probe.body, f"side{n}"))
            first_is_over.set()
            await asyncio.sleep(0.001)
            return str(value)

        tasks = [asyncio.create_task(side(n)) for n in (2, 1)]
        probe.see("main", await ctx.wait(seconds(30)))
        results = [await task for task in tasks]
        probe.see("b", await ctx.step(probe.body, "b"))
        return results

    return run


@shape()
def cancelled_tasks(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        twice = asyncio.Event()

        async def endless() -> None:
            try:
                for n in range(99):
                    await ctx.wait(seconds(4))
                    probe.see("tick", await ctx.step(probe.body, "tick"))
                    if n == 1:
                        twice.set()
            except asyncio.CancelledError:
                probe.see("stopped", await ctx.step(probe.body, "stopping"))
                raise

        task = asyncio.create_task(endless())
        await twice.wait()
        task.cancel()
        await asyncio.wait([task])
        return probe.see("b", await ctx.step(probe.body, "b"))

    return run


@shape()
def nobody_awaits(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        ctx.step(probe.body, "fire", name="fire")
        ctx.wait(seconds(3600))
        ctx.step(probe.fails, "and forget", config=ONE_TRY)
        probe.see("a", await ctx.step(probe.body, "a"))
        await ctx.wait(seconds(2))
        return probe.see("b", await ctx.step(probe.body, "b"))

    return run


@shape()
def two_callbacks_at_once(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        first, second = await asyncio.gather(ctx.create_callback("1"), ctx.create_callback("2"))
        probe.see("different", first.callback_id != second.callback_id)
        await ctx.step(probe.gives, second.callback_id, b"2")
        await ctx.step(probe.gives, first.callback_id, b"1")
        for handle in asyncio.as_completed([first, second]):
            probe.see("answer", await handle)
        return "both"

    return run


@shape()
def budgets(probe: Probe) -> Workflow:
    """Look at ``ctx.budget`` around retries, contexts that end in several invocations, tasks and timers."""

    async def run(event: Any, ctx: DurableContext) -> Any:
        def look(label: str, ctx: DurableContext, inside: str = "") -> int:
            operations = ctx.budget.operations
            probe.see(label, [operations.used, operations.left], inside=inside)
            return operations.used

        async def item(ctx: DurableContext, n: int, index: int) -> int:
            await ctx.step(probe.body, f"item {n}")
            await ctx.wait(seconds(2 * n + 1))
            look("in item", ctx, f"item {n} of map {maps}")
            return n

        async def declines(ctx: DurableContext) -> None:
            await ctx.step(probe.body, "before")
            await ctx.step(probe.fails, "declines", config=ONE_TRY)

        async def ticks(n: int) -> None:
            await asyncio.sleep(n)
            look(f"tick {n}", ctx)
            await ctx.step(probe.body, f"tick {n}")

        maps = 1
        look("first", ctx)
        await ctx.step(probe.fails, "a", 3, config=StepConfig(retry_strategy=RETRY))
        look("after retries", ctx)
        await ctx.map([1, 2, 3], item)
        look("after a map", ctx)
        try:
            await ctx.run_in_child_context(declines)
        except Declined:
            look("after a failure", ctx)
        async with asyncio.TaskGroup() as group:
            group.create_task(ticks(2))
            group.create_task(ticks(4))
        look("after tasks", ctx)
        while ctx.budget.operations.used < 26:
            maps += 1
            await ctx.map([1], item, config=MapConfig(nesting=NestingType.FLAT))
        return maps

    return run


@shape()
def messages_to_tasks(probe: Probe) -> Workflow:
    """Several consumers of one inbox, one of them cancelled while it waits, and another inbox with a race."""

    async def run(event: Any, ctx: DurableContext) -> Any:
        orders, stops = ctx.inbox("orders", int, window=6), ctx.inbox("stops", str)

        async def consume(name: str) -> None:
            async for order in orders:
                probe.see(name, order)
                await ctx.step(probe.body, f"handle {order}")

        async def impatient() -> None:
            try:
                probe.see("impatient", await asyncio.wait_for(orders.get(), 3))
            except TimeoutError:
                probe.see("impatient", "gave up")

        waiting = asyncio.create_task(impatient())
        consumers = [asyncio.create_task(consume(name)) for name in ("a", "b")]
        await ctx.wait(seconds(5))
        await ctx.step(probe.sends, "orders", 1, 2, 3, name="sends three")
        ended = ctx.race(stops.get(), ctx.wait(seconds(60)))
        await ctx.wait(seconds(1))
        await ctx.step(probe.sends, "orders", 4, 5, name="sends two")
        await ctx.step(probe.sends, "stops", "now", name="stops")
        probe.see("ended", await ended)
        await ctx.wait(
            seconds(90)
        )  # by then all are taken, so that no crash changes how many are opened
        await orders.close()
        await asyncio.gather(waiting, *consumers)
        return event

    return run


@shape()
def orphans(probe: Probe) -> Workflow:
    async def child(ctx: DurableContext) -> str:
        async def lives_on() -> None:
            try:
                await ctx.wait(seconds(3600))
            finally:
                await ctx.step(probe.body, "too late")

        task = asyncio.create_task(lives_on())
        probe.see("task", task.done(), inside="child")
        ctx.wait(seconds(7200))
        return str(await ctx.step(probe.body, "in"))

    async def run(event: Any, ctx: DurableContext) -> Any:
        probe.see("child", await ctx.run_in_child_context(child))
        await ctx.wait(seconds(2))
        return await ctx.step(probe.body, "after")

    return run


@shape()
def gathered_children(probe: Probe) -> Workflow:
    async def child(ctx: DurableContext, n: int) -> int:
        probe.see("a", await ctx.step(probe.body, f"{n}a"), inside=str(n))
        first, second = await asyncio.gather(ctx.wait(seconds(n)), ctx.step(probe.body, f"{n}b"))
        probe.see("b", second, inside=str(n))
        return n

    async def run(event: Any, ctx: DurableContext) -> Any:
        results = await asyncio.gather(
            *(ctx.run_in_child_context(child, n, name=f"c{n}") for n in (3, 1, 2))
        )
        probe.see("all", results)
        await ctx.wait(seconds(1))
        return results

    return run


@shape()
def sets_of_operations(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def branch(n: int) -> int:
            return int(await ctx.step(probe.body, f"b{n}", n))

        handles = {ctx.step(probe.body, f"h{n}", n) for n in range(7)}
        done, _ = await asyncio.wait(handles)
        for handle in done:
            probe.see("handle", await ctx.step(probe.body, "h", handle.result()))
        tasks = {asyncio.create_task(branch(n)) for n in range(7)}
        done_tasks, _ = await asyncio.wait(tasks)
        for task in done_tasks:
            probe.see("task", await ctx.step(probe.body, "t", task.result()))
        await ctx.wait(seconds(1))
        return "all"

    return run


BY_NAME = {each.name: each for each in CORPUS}


@shape(strict=True)
def patches(probe: Probe) -> Workflow:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        for n in range(2):
            if probe.see("each", ctx.patched("each", each_time=True)):
                probe.see("round", await ctx.step(probe.body, f"round {n}"))
        await ctx.wait(Duration.from_seconds(5))
        return probe.see("once", ctx.patched("once"))

    return workflow


@shape()
def patches_in_contexts_and_tasks(probe: Probe) -> Workflow:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def part(inner: DurableContext, size: int, index: int) -> str:
            taken = probe.see("part", inner.patched("part"), inside=f"part {index}")
            await inner.step(probe.body, f"part {index} {taken}")
            each = inner.patched("each", each_time=True)
            return f"{taken} {each} {'x' * size}"

        async def job(name: str) -> bool:
            await ctx.step(probe.body, name)
            return ctx.patched("job") and ctx.patched("each", each_time=True)

        found = await asyncio.gather(ctx.map([1, BIG], part), job("a"), job("b"))
        items = [result[:12] for result in found[0].results()]
        await ctx.wait(Duration.from_seconds(5))
        return probe.see("found", [items, found[1:], ctx.patched("part")])

    return workflow


def given_to_steps(probe: Probe) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return an async and a plain step with resources: one that is kept, and one for each attempt."""

    async def make(name: str = "client") -> str:
        await probe.pause()
        return name

    async def session(client: str = Depends(make)) -> AsyncIterator[str]:
        await probe.pause()
        yield f"session of {client}"

    def transaction() -> Iterator[str]:
        yield "transaction"

    async def use(name: str, until: int, *, session: str = Depends(session)) -> str:
        return f"{await probe.fails(name, until)} in {session}"

    def use_plain(
        name: str, client: str = Depends(make), *, transaction: str = Depends(transaction)
    ) -> str:
        return f"{probe.plain(name)} by {client} in {transaction}"

    return use, use_plain


@shape(strict=True)
def resources(probe: Probe) -> Workflow:
    use, use_plain = given_to_steps(probe)
    retried = StepConfig(retry_strategy=RETRY)

    async def run(event: Any, ctx: DurableContext) -> Any:
        probe.see("first", await ctx.step(use, "a", 2, config=retried))
        probe.see("plain", await ctx.step(use_plain, "b"))
        await ctx.wait(seconds(1))
        return probe.see("again", await ctx.step(use, "c", 1))

    return run


@shape()
def resources_of_steps_at_once(probe: Probe) -> Workflow:
    use, _ = given_to_steps(probe)

    async def run(event: Any, ctx: DurableContext) -> Any:
        async def item(inner: DurableContext, n: int, index: int) -> str:
            return await inner.step(use, f"item {n}", 1)

        found = await asyncio.gather(
            ctx.map(range(3), item), *(ctx.step(use, f"step {n}", 1) for n in range(3))
        )
        return probe.see("found", [found[0].results(), found[1:]])

    return run


@shape(strict=True)
def statuses(probe: Probe) -> Workflow:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        ctx.set_status("replaced")
        ctx.set_status({"phase": 1})
        for n in range(3):
            probe.see("step", await ctx.step(probe.body, f"step {n}"))
            ctx.progress(n + 1, 3, every=seconds(30))
        await ctx.wait(seconds(60))
        ctx.set_status("waited")
        probe.see("last", await ctx.step(probe.body, "last"))
        ctx.set_status("done")
        return "statuses"

    return workflow


@shape(tasks=False)
def statuses_of_children(probe: Probe) -> Workflow:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def part(inner: DurableContext, name: str) -> str:
            inner.set_status(f"{name} begins")
            await inner.step(probe.body, name)
            inner.set_status(f"{name} ends")
            return name

        ctx.set_status("replaced by that of the child")
        probe.see("first", await ctx.run_in_child_context(part, "first"))
        await ctx.wait(seconds(60))
        virtual = ChildConfig(virtual=True)
        probe.see("second", await ctx.run_in_child_context(part, "second", config=virtual))
        await ctx.step(probe.body, "last")
        return "children"

    return workflow


@shape()
def statuses_of_items_and_tasks(probe: Probe) -> Workflow:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def part(inner: DurableContext, size: int, index: int) -> str:
            inner.set_status(f"part {index}")
            await inner.step(probe.body, f"part {index}")
            inner.progress(index, every=seconds(2))
            return "x" * size

        async def job(name: str) -> Any:
            ctx.set_status(f"{name} begins")
            found = await ctx.step(probe.body, name)
            ctx.set_status(f"{name} ends", every=seconds(3))
            return found

        config = MapConfig(progress_every=seconds(1))
        found = await asyncio.gather(
            ctx.map([1, BIG, 2], part, "parts", config), job("a"), job("b")
        )
        await ctx.wait(seconds(5))
        ctx.set_status("done")
        return probe.see("found", [len(found[0].results()), *found[1:]])

    return workflow


@shape()
def time_limits(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def part(inner: DurableContext, length: int, index: int) -> int:
            await inner.wait(seconds(length))
            await inner.step(probe.body, f"part {index}")
            return length

        async def check(state: int) -> int:
            return state + 1

        limit = seconds(50)
        until: PollingStrategy[int] = state_until(
            lambda state: state > 500, initial_delay=seconds(30), jitter=JitterStrategy.NONE
        )
        poll: WaitForConditionConfig[int] = WaitForConditionConfig(
            initial_state=0, wait_strategy=until, timeout=limit
        )
        operations: list[Awaitable[Any]] = [
            ctx.map([5, 500], part, config=MapConfig(item_timeout=limit, completion=TOLERANT)),
            ctx.map(
                [5, 500],
                part,
                config=MapConfig(item_timeout=limit, completion=TOLERANT, nesting=NestingType.FLAT),
            ),
            ctx.run_in_child_context(part, 500, 2, config=ChildConfig(timeout=limit)),
            ctx.run_in_child_context(part, 9, 3, config=ChildConfig(timeout=limit, virtual=True)),
            ctx.invoke("other:$LATEST", 4, config=InvokeConfig(timeout=seconds(4))),
            ctx.wait_for_condition(check, poll),
        ]
        ended: list[Any] = await asyncio.gather(*operations, return_exceptions=True)
        nested, flat, *others = ended
        for batch in (nested, flat):
            probe.see("items", [(each.status, type(each.error).__name__) for each in batch])
        probe.see("others", [str(each) for each in others])
        await ctx.wait(seconds(40))  # until the poll may be recorded as given up
        return await ctx.step(probe.body, "end")

    return run


@shape()
def races_that_cancel_their_losers(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def part(inner: DurableContext, length: int, name: str) -> str:
            await inner.wait(seconds(length))
            return await inner.step(probe.body, name)

        slow = ctx.run_in_child_context(part, 500_000, "slow")
        limited = ctx.run_in_child_context(
            part, 500_000, "s", config=ChildConfig(timeout=seconds(400_000))
        )
        quick = ctx.run_in_child_context(part, 5, "quick")
        probe.see("race", await ctx.race(slow, limited, quick, cancel_losers=True))
        # Later than the timer, also where a crash has held up the decision.
        late = FixedDelay(max_attempts=3, delay=seconds(60), jitter=JitterStrategy.NONE)
        retried = ctx.step(probe.fails, "retried", config=StepConfig(retry_strategy=late))
        failing = ctx.step(probe.fails, "failing", config=ONE_TRY)
        timer = ctx.wait(seconds(3))
        await ctx.any(failing, retried, timer, cancel_losers=True)
        probe.see("any", [slow.cancelled(), limited.cancelled(), retried.cancelled()])
        await ctx.wait(seconds(90))
        return await ctx.step(probe.body, "end")

    return run


def hurry(ctx: DurableContext) -> None:
    """Let this invocation have half a second left, as after a body that took long."""
    ctx._context_state.run.bodies.leaves_at = time.monotonic() + 0.5


NEEDS_TIME = StepConfig(needs=seconds(60), retry_strategy=RETRY)
SOON = timedelta(milliseconds=15)


@shape(strict=True)
def timeouts(probe: Probe) -> Workflow:
    async def hangs(name: str, until: int) -> str:
        await probe.body(name)
        if StepContext.current().attempt < until:
            await asyncio.Event().wait()
        return name

    async def run(event: Any, ctx: DurableContext) -> Any:
        retried = StepConfig(timeout=SOON, retry_strategy=RETRY)
        probe.see("a", await ctx.step(hangs, "a", 3, config=retried))
        try:
            await ctx.step(hangs, "b", 9, config=StepConfig(timeout=SOON, retry_strategy=NoRetry()))
        except StepTimeoutError as error:
            probe.see("b", [str(error), error.attempts])
        return event

    return run


@shape(strict=True)
def steps_that_need_time(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def last(name: str) -> str:
            hurry(ctx)
            return str(await probe.body(name))

        async def fails_late(name: str) -> str:
            hurry(ctx)
            return await probe.fails(name, 2)

        for name in "ab":
            probe.see(name, await ctx.step(last, name))
            needy = f"{name} needs time"
            probe.see(needy, await ctx.step(probe.body, needy, config=NEEDS_TIME))
        probe.see("c", await ctx.step(fails_late, "c", config=NEEDS_TIME))
        return event

    return run


@shape(strict=True, at_most_once=True)
def at_most_once_with_time(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def last() -> None:
            hurry(ctx)

        once = StepConfig(needs=seconds(60), semantics=AT_MOST_ONCE, retry_strategy=RETRY)
        for name in "ab":
            await ctx.step(last)
            probe.see(name, await ctx.step(probe.body, name, config=once))
        return event

    return run


@shape()
def branches_that_need_time(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def item(inner: DurableContext, n: int, _index: int) -> Any:
            async def last() -> Any:
                hurry(ctx)
                return await probe.body(f"last {n}")

            inside = f"item {n}"
            probe.see("last", await inner.step(last, name="last"), inside=inside)
            needy = f"needy {n}"
            value = await inner.step(probe.body, needy, config=NEEDS_TIME)
            return probe.see("needy", value, inside=inside)

        async def job(name: str) -> Any:
            return await ctx.step(probe.body, name, config=NEEDS_TIME)

        found = await asyncio.gather(ctx.map(range(3), item), job("a"), ctx.wait(seconds(30)))
        probe.see("all", found[0].results())
        return await job("b")

    return run
