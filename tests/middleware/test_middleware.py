"""Middleware: the wrapped calls, their order, replay, and refused middleware."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from itertools import chain
from typing import Any

import pytest
from tests.replay.corpus import BY_NAME, CORPUS, Shape
from tests.replay.play import Play, signature
from tests.replay.test_crash_everywhere import WAYS, crashed, undisturbed
from tests.rig import Ran, rig_of

from durable_execution_sdk import (
    CallbackConfig,
    ConfigError,
    DurableContext,
    Duration,
    ExecutionError,
    FixedDelay,
    MapConfig,
    NestingType,
    StepConfig,
    StepContext,
    durable_execution,
)
from durable_execution_sdk.emulator.faults.plan import When
from durable_execution_sdk.middleware import ContextInfo, Middleware, PayloadInfo

SECOND = Duration.from_seconds(1)
RACES = {"gathered_mixture"}
DIFFER = {"callbacks", "replay_safe_values"}


def run(workflow: Any, *middleware: Any, event: Any = None, **rig: Any) -> Ran:
    return rig_of(workflow, options={"middleware": list(middleware)}, **rig).run(event)


class Traces(Middleware):
    """Records the calls that it wraps."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.notes = notes

    async def _around(self, what: str, call: Awaitable[Any]) -> Any:
        self.notes.append(f"{self.name} > {what}")
        try:
            return await call
        finally:
            self.notes.append(f"{self.name} < {what}")

    async def around_handler(self, event: Any, ctx: Any, call_next: Any) -> Any:
        return await self._around("handler", call_next(event))

    async def around_context(self, info: ContextInfo, ctx: Any, call_next: Any) -> Any:
        return await self._around(f"context {info.name}", call_next())

    async def around_step(self, info: StepContext, call_next: Any) -> Any:
        return await self._around(f"step {info.operation_name} #{info.attempt}", call_next())

    def around_serialize(self, value: Any, info: PayloadInfo, call_next: Any) -> str:
        self.notes.append(f"{self.name} writes {info.type}")
        return call_next(value)

    def around_deserialize(self, payload: str, info: PayloadInfo, call_next: Any) -> Any:
        self.notes.append(f"{self.name} reads {info.type}")
        return call_next(payload)


class Sealed(Middleware):
    """Encrypts the payloads that only this handler reads."""

    def around_serialize(self, value: Any, info: PayloadInfo, call_next: Any) -> str:
        text = call_next(value)
        return text if info.is_foreign else "sealed:" + base64.b64encode(text.encode()).decode()

    def around_deserialize(self, payload: str, info: PayloadInfo, call_next: Any) -> Any:
        if not info.is_foreign:
            assert payload.startswith("sealed:")
            payload = base64.b64decode(payload.removeprefix("sealed:")).decode()
        return call_next(payload)


def test_the_first_is_outermost_and_steps_run_through_it_once() -> None:
    notes: list[str] = []
    a, b = Traces("a", notes), Traces("b", notes)

    async def child(ctx: DurableContext) -> None:
        await ctx.step(lambda: 1, name="s")
        await ctx.wait(SECOND)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.run_in_child_context(child)

    assert run(workflow, a, b).status == "SUCCEEDED"
    first = ["a > handler", "b > handler", "a > context child", "b > context child"]
    step = ["a > step s #1", "b > step s #1", "b < step s #1", "a < step s #1"]
    written = ["a writes STEP", "b writes STEP", "a reads STEP", "b reads STEP"]
    cut = ["b < context child", "a < context child", "b < handler", "a < handler"]
    assert sorted(notes[: notes.index("a reads EXECUTION", 2)]) == sorted(
        ["a reads EXECUTION", "b reads EXECUTION", *first, *step, *written, *cut]
    )
    assert [note for note in notes if "step" in note] == step
    again = notes[notes.index("a reads EXECUTION", 2) :]
    assert again[:6] == ["a reads EXECUTION", "b reads EXECUTION", *first]
    assert again[-4:] == ["b < handler", "a < handler", "a writes EXECUTION", "b writes EXECUTION"]


@pytest.mark.parametrize("shape", CORPUS, ids=lambda each: each.name)
def test_transparent_middleware_leaves_ids_history_and_observations_as_they_are(
    shape: Shape,
) -> None:
    plain, expected = undisturbed(shape)
    options = {"middleware": [Traces("a", []), Sealed(), Traces("b", [])]}
    through = Play(shape, keeps_states=False, options=options)
    ran = through.run()
    assert (ran.status, ran.result) == (expected.status, expected.result)
    observations = [each.probe.observations for each in (through, plain)]
    if shape.name in RACES:
        # So is the number of invocations.
        observations = [[list(chain(*each))] for each in observations]
        assert sorted(map(str, signature(ran.events))) == sorted(
            map(str, signature(expected.events))
        )
    else:
        assert signature(ran.events) == signature(expected.events)
    if shape.name not in DIFFER:
        assert observations[0] == observations[1]


def test_encrypted_payloads_are_unreadable_in_the_log_and_readable_in_the_workflow() -> None:
    seen: list[Any] = []

    async def item(ctx: DurableContext, item: str, index: int) -> str:
        return item * 2

    async def poll(state: str) -> str:
        return state + "secret"

    async def workflow(event: str, ctx: DurableContext) -> str:
        from durable_execution_sdk import WaitForConditionConfig, poll_until

        strategy = poll_until(lambda state: len(state) > 6)
        seen.append(await ctx.step(lambda: "secret"))
        seen.append((await ctx.map(["secret"], item)).results())
        config = MapConfig(nesting=NestingType.FLAT)
        seen.append((await ctx.map(["secret"], item, config=config)).results())
        seen.append(
            await ctx.wait_for_condition(
                poll, WaitForConditionConfig(initial_state="", wait_strategy=strategy)
            )
        )
        callback = await ctx.create_callback(config=CallbackConfig(result_type=str))
        await ctx.step(lambda: rig.emulator.callback_success(callback.callback_id, b'"yes"'))
        seen.append(await callback)
        await ctx.wait(SECOND)
        return event

    rig = rig_of(workflow, options={"middleware": [Sealed()]})
    ran = rig.run("open")
    assert ran.result == "open"
    values = ["secret", ["secretsecret"], ["secretsecret"], "secretsecret", "yes"]
    assert seen[-5:] == values
    assert seen[:5] == seen[5:10] or len(seen) > 10
    assert "secret" not in repr(ran.events)
    assert "open" in repr(ran.events)


def test_an_invoke_is_foreign_on_both_sides() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.invoke("plain", {"n": 1})

    plain = {"plain": lambda event, _: event}
    assert run(workflow, Sealed(), plain=plain).result == {"n": 1}


def test_the_handler_can_be_given_another_event_and_result_or_be_refused() -> None:
    class Auth(Middleware):
        async def around_handler(
            self, event: Any, ctx: DurableContext, call_next: Callable[[Any], Awaitable[Any]]
        ) -> Any:
            if event["token"] != "good":
                raise ExecutionError("not allowed")
            return {"by": "auth", "result": await call_next(event["body"])}

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(lambda: event + 1)

    ran = run(workflow, Auth(), event={"token": "good", "body": 1})
    assert ran.result == {"by": "auth", "result": 2}
    ran = run(workflow, Auth(), event={"token": "bad", "body": 1})
    assert (ran.status, ran.error.error_message) == ("FAILED", "not allowed")


class Audits(Middleware):
    """Records the start of the handler and of each context, with durable operations."""

    async def around_handler(self, event: Any, ctx: DurableContext, call_next: Any) -> Any:
        await ctx.step(lambda: None, name="audit begin")
        result = await asyncio.wait_for(call_next(event), 3600)
        await ctx.step(lambda: None, name="audit end")
        return result

    async def around_context(self, info: ContextInfo, ctx: DurableContext, call_next: Any) -> Any:
        await ctx.step(lambda: None, name=f"audit {info.name}")
        return await call_next()


def test_operations_of_middleware_are_recorded_and_shift_no_others() -> None:
    async def child(ctx: DurableContext) -> str:
        return await ctx.step(lambda: "inner", name="inner")

    async def workflow(event: Any, ctx: DurableContext) -> str:
        await ctx.step(lambda: "a", name="a")
        await ctx.wait(SECOND, name="w")
        return await ctx.run_in_child_context(child)

    def ids(ran: Ran) -> dict[Any, Any]:
        return {event.name: event.id for event in ran.events if event.id and event.name}

    plain, audited = run(workflow), run(workflow, Audits(), Audits())
    assert audited.result == "inner"
    own = {"a", "w", "child", "inner"}
    assert {name: ids(audited)[name] for name in own} == {name: ids(plain)[name] for name in own}
    names = [event.name for event in audited.events if event.event_type == "StepSucceeded"]
    assert names == [
        "audit begin",
        "audit begin",
        "a",
        "audit child",
        "audit child",
        "inner",
        "audit end",
        "audit end",
    ]


@pytest.mark.parametrize("way", WAYS)
def test_a_crash_changes_nothing_that_middleware_has_recorded_or_sealed(way: When) -> None:
    shape = BY_NAME["children"]
    expected = undisturbed(shape)[1].result
    for at in range(1, 30):
        play, ran = crashed(shape, at, way, options={"middleware": [Audits(), Sealed()]})
        assert (ran.status, ran.result) == ("SUCCEEDED", expected)
        names = [event.name for event in ran.events if event.event_type == "StepSucceeded"]
        assert (names.count("audit begin"), names.count("audit end")) == (1, 1)
        if play.calls < at:
            return
    raise AssertionError("it never ran undisturbed")


TOKEN: contextvars.ContextVar[str] = contextvars.ContextVar("token", default="none")


def test_a_step_runs_in_the_context_that_its_interceptor_made() -> None:
    class Tokens(Middleware):
        async def around_step(self, info: StepContext, call_next: Any) -> Any:
            assert StepContext.current() is info
            TOKEN.set(f"token for {info.operation_name}")
            return (await call_next()).upper()

    def plain() -> str:
        assert threading.current_thread() is not threading.main_thread()
        return TOKEN.get()

    async def body() -> str:
        return TOKEN.get()

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return [await ctx.step(plain), await ctx.step(body), TOKEN.get()]

    assert run(workflow, Tokens()).result == ["TOKEN FOR PLAIN", "TOKEN FOR BODY", "none"]


def test_errors_of_a_step_interceptor_are_retried_and_errors_that_it_handles_are_not() -> None:
    attempts: list[int] = []

    class Unreliable(Middleware):
        async def around_step(self, info: StepContext, call_next: Any) -> Any:
            attempts.append(info.attempt)
            if info.attempt == 1:
                raise ConnectionError("no token")
            try:
                return await call_next()
            except LookupError:
                return "default"

    def missing() -> str:
        raise LookupError

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        retry = StepConfig(retry_strategy=FixedDelay(max_attempts=3, delay=SECOND))
        return await ctx.step(missing, config=retry)

    assert run(workflow, Unreliable()).result == "default"
    assert attempts == [1, 2]


def test_a_payload_that_cannot_be_read_back_fails_the_execution_and_names_the_operation() -> None:
    class Broken(Middleware):
        def around_deserialize(self, payload: str, info: PayloadInfo, call_next: Any) -> Any:
            if info.type == "STEP":
                raise KeyError("key rotated away")
            return call_next(payload)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(lambda: 1, name="sealed")

    ran = run(workflow, Broken())
    assert ran.error.error_type == "SerDesError"
    assert "step 'sealed'" in ran.error.error_message
    assert "key rotated away" in ran.error.error_message


class Nothing(Middleware):
    pass


class Misspelled(Middleware):
    async def around_steps(self, info: Any, call_next: Any) -> Any: ...


class Blocking(Middleware):
    def around_step(self, info: Any, call_next: Any) -> Any: ...


class Awaited(Middleware):
    async def around_serialize(self, value: Any, info: Any, call_next: Any) -> str:  # type: ignore[override]
        return ""


class Foreign:
    async def around_step(self, info: Any, call_next: Any) -> Any: ...


@pytest.mark.parametrize(
    ("middleware", "message"),
    [
        ([Nothing()], "Nothing intercepts nothing: override one of around_context"),
        ([Sealed], r"takes objects, not classes: Sealed\(\)"),
        ([Misspelled()], "Misspelled.around_steps would never be called.*around_step,"),
        ([Blocking()], "Blocking.around_step is `def`, and must be `async def`"),
        ([Awaited()], "Awaited.around_serialize is `async def`, and must be `def`"),
        ([Foreign()], "middleware.Middleware, not .*Foreign"),
        ([Sealed(), Foreign()], r"Foreign is not one: class Foreign\(Middleware\)"),
        (Sealed(), "takes a list"),
    ],
)
def test_middleware_that_intercepts_nothing_is_refused_by_the_decorator(
    middleware: Any, message: str
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None: ...

    with pytest.raises(ConfigError, match=message):
        durable_execution(middleware=middleware)(workflow)


def test_a_handler_without_middleware_loads_none() -> None:
    script = "import sys, durable_execution_sdk as d\n"
    script += "@d.durable_execution(middleware=[])\nasync def f(event, ctx): ...\n"
    script += "print('durable_execution_sdk.middleware' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
