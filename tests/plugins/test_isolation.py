"""Plugins affect neither the execution nor each other; without plugins, nothing is loaded."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import subprocess
import sys
import threading
from collections import Counter
from typing import Any

import pytest
from tests.plugins.recorder import HOOKS, Recorder
from tests.replay.corpus import CORPUS, Shape
from tests.replay.play import Play, signature
from tests.replay.test_crash_everywhere import undisturbed
from tests.rig import rig_of

from durable_execution_sdk import (
    ConfigError,
    DurableContext,
    Duration,
    NoRetry,
    StepConfig,
    StepError,
    durable_execution,
)
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.plugins import DurablePlugin, OperationInfo
from durable_execution_sdk.ports import ForwardingDataPlane
from durable_execution_sdk.protocol.operations import GIVEN_UP, is_status
from durable_execution_sdk.replay.check import replay_history

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nobody")


# Their observations depend on the execution's ARN, which differs between runs.
DIFFER = {"callbacks", "replay_safe_values"}
# Two retries may fall due in one batch or in two, depending on the speed of the machine.
RACES = {"gathered_mixture"}


class Faulty(DurablePlugin):
    """Tries to affect the execution in each hook, and then raises."""

    def __init__(self) -> None:
        self.called: Counter[str] = Counter()
        self.tasks: list[Any] = []

    def meddle(self, hook: str) -> None:
        self.called[hook] += 1
        VARIABLE.set(hook)
        loop = asyncio.get_running_loop()
        self.tasks.append(loop.create_task(asyncio.sleep(0)))
        loop.call_later(0.5, lambda: None)
        raise (RuntimeError, SystemExit, asyncio.CancelledError)[len(self.called) % 3](hook)


def _meddles(hook: str) -> Any:
    def meddle(self: Faulty, info: Any) -> None:
        self.meddle(hook)

    meddle.__qualname__ = f"Faulty.{hook}"
    return meddle


for _hook in HOOKS:
    setattr(Faulty, _hook, _meddles(_hook))


@pytest.mark.parametrize("shape", CORPUS, ids=lambda each: each.name)
def test_the_log_is_the_same_with_plugins_and_ends_are_reported_once(
    shape: Shape, caplog: pytest.LogCaptureFixture
) -> None:
    plain, expected = undisturbed(shape)
    faulty, recorder = Faulty(), Recorder()
    observed = Play(shape, keeps_states=False, options={"plugins": [faulty, recorder]})
    ran = observed.run()
    assert (ran.status, ran.result) == (expected.status, expected.result)
    if shape.name in RACES:
        assert Counter(signature(ran.events)) == Counter(signature(expected.events))
    else:
        assert signature(ran.events) == signature(expected.events)
    if shape.name not in DIFFER | RACES:
        assert observed.probe.observations == plain.probe.observations
    assert set(faulty.called) == {hook for hook, _ in recorder.told}
    logged = [record.getMessage() for record in caplog.records if "plugin hook" in record.message]
    assert len(logged) == len(set(logged)) == len(faulty.called)

    ended_ids = {
        event.id
        for event in ran.events
        if event.id
        and not event.event_type.startswith("Execution")
        and event.event_type.endswith(("Succeeded", "Failed", "TimedOut", "Stopped", "Cancelled"))
        and not (is_retried(event) or is_given_up(event))
        and not is_status(event.id, event.name)
    }
    assert recorder.ends() == dict.fromkeys(ended_ids, 1)
    started = Counter(info.id for info in recorder.infos("on_operation_start", is_replay=False))
    assert set(started.values()) <= {1}
    assert ended_ids <= set(started)
    start_counts = Counter(info.id for info in recorder.infos("on_attempt_start"))
    assert start_counts == Counter(info.id for info in recorder.infos("on_attempt_end"))


def is_given_up(event: Any) -> bool:
    """Tell if the workflow has given the operation up, and so sees no end of it."""
    details = event.step_failed_details or event.context_failed_details
    error = details.error.payload if details else None
    return error is not None and error.error_type == GIVEN_UP.error_type


def is_retried(event: Any) -> bool:
    details = event.step_failed_details or event.step_succeeded_details
    retry = details.retry_details if details else None
    return bool(retry and retry.next_attempt_delay_seconds is not None)


def test_only_a_body_sees_what_its_own_attempt_hook_has_set() -> None:
    values: dict[str, str] = {}

    class Sets(DurablePlugin):
        def on_invocation_start(self, info: Any) -> None:
            VARIABLE.set("invocation")

        def on_operation_start(self, info: Any) -> None:
            values.setdefault("hook", VARIABLE.get())
            VARIABLE.set("operation")

        def on_attempt_start(self, info: Any) -> None:
            VARIABLE.set(f"attempt of {info.name}")

    def plain() -> None:
        values["plain"] = VARIABLE.get()
        values["thread"] = str(threading.current_thread() is not threading.main_thread())

    async def body() -> None:
        values["async"] = VARIABLE.get()

    async def child(ctx: DurableContext) -> None:
        values["child"] = VARIABLE.get()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(plain)
        await ctx.step(body)
        await ctx.run_in_child_context(child)
        values["workflow"] = VARIABLE.get()

    rig_of(workflow, options={"plugins": [Sets()]}).run()
    assert values == {
        "hook": "invocation",
        "plain": "attempt of plain",
        "thread": "True",
        "async": "attempt of body",
        "child": "nobody",
        "workflow": "nobody",
    }


def test_lines_that_a_hook_logs_are_written_during_replay_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Logs(DurablePlugin):
        def on_operation_replay(self, info: OperationInfo) -> None:
            logging.getLogger("durable_execution").warning("replayed %s", info.name)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: None, name="s")
        await ctx.wait(Duration.from_seconds(1))

    rig_of(workflow, options={"plugins": [Logs()]}).run()
    assert [record.getMessage() for record in caplog.records] == ["replayed s"]


def test_a_hook_cannot_start_operations(caplog: pytest.LogCaptureFixture) -> None:
    class Reaches(DurablePlugin):
        ctx: DurableContext | None = None

        def on_operation_start(self, info: OperationInfo) -> None:
            assert self.ctx is not None
            self.ctx.step(lambda: None, name="smuggled")

    plugin = Reaches()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        plugin.ctx = ctx
        await ctx.step(lambda: None, name="s")

    ran = rig_of(workflow, options={"plugins": [plugin]}).run()
    assert [event.name for event in ran.events if event.id and event.name == "smuggled"] == []
    assert "was used outside its workflow" in caplog.text


def test_a_hook_that_is_no_method_and_not_even_hashable_is_logged_once_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, info: Any) -> None:
            raise ValueError("unhashable")

    plugin = Recorder()
    plugin.on_invocation_start = Unhashable()  # type: ignore[method-assign]

    async def workflow(event: Any, ctx: DurableContext) -> str:
        await ctx.wait(Duration.from_seconds(1))
        return "done"

    assert rig_of(workflow, options={"plugins": [plugin]}).run().result == "done"
    assert len(caplog.records) == 1


def test_no_hook_can_change_an_error_that_the_workflow_will_see() -> None:
    errors: list[Any] = []

    class Vandal(DurablePlugin):
        def on_operation_end(self, info: OperationInfo) -> None:
            if info.error is not None and info.error.stack_trace is not None:
                info.error.stack_trace.clear()

        def on_invocation_start(self, info: Any) -> None:
            for operation in info.operations.values():
                self.on_operation_end(operation)

        def on_attempt_end(self, info: Any) -> None:
            self.on_operation_end(info)

    def fails() -> None:
        raise LookupError("gone")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        try:
            await ctx.step(fails, config=StepConfig(retry_strategy=NoRetry()))
        except StepError as error:
            errors.append(len(error.stack_trace))
        await ctx.wait(Duration.from_seconds(1))

    rig_of(workflow, options={"plugins": [Vandal()]}).run()
    assert errors[0] == errors[1] > 0


def test_a_rehearsal_of_a_recorded_history_is_not_reported() -> None:
    recorder = Recorder()

    @durable_execution(plugins=[recorder])
    async def workflow(event: Any, ctx: DurableContext) -> int:
        return await ctx.step(lambda: 1, name="s")

    ran = rig_of(workflow.__wrapped__).run()
    assert replay_history(workflow, ran.events).divergence is None
    assert recorder.told == []


def test_a_plain_hook_that_returns_a_coroutine_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def later() -> None: ...

    class Lazy(DurablePlugin):
        def on_invocation_end(self, info: Any) -> Any:
            return later()

    async def workflow(event: Any, ctx: DurableContext) -> None: ...

    rig_of(workflow, options={"plugins": [Lazy()]}).run()
    assert "Lazy.on_invocation_end returned a coroutine, which is not awaited" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        "a\nb",  # would begin another header
        "lone \udc00",  # the checkpoint could not be sent, and failed the execution
        "Überschrift",
        "x" * 10_000,
        "",
        7,
    ],
    ids=["lines", "surrogate", "umlaut", "long", "empty", "number"],
)
def test_a_header_that_is_none_is_logged_and_the_next_one_counts(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []

    class Wrong(DurablePlugin):
        def on_invoke(self, info: Any) -> Any:
            return answer

    class Right(DurablePlugin):
        def on_invoke(self, info: Any) -> str:
            return "Root=1-5759e988-bd862e3fe1be46a994272793"

    def plane(inner: Any) -> Any:
        return Watching(inner, seen)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.invoke("plain", 1)

    rig = rig_of(
        workflow,
        options={"plugins": [Wrong(), Right()]},
        plain={"plain": lambda event, _: event},
        wrappers=Wrappers(data_plane=plane),
    )
    assert rig.run().result == 1
    assert seen == ["Root=1-5759e988-bd862e3fe1be46a994272793"]
    assert (
        "Wrong.on_invoke returned no header of 1 to 8192 printable ASCII characters" in caplog.text
    )


class Watching(ForwardingDataPlane):
    """Keeps the trace headers of invokes."""

    def __init__(self, plane: Any, seen: list[Any]) -> None:
        super().__init__(plane)
        self._seen = seen

    async def checkpoint(self, request: Any) -> Any:
        options = (update.chained_invoke_options for update in request.updates)
        self._seen += [each.x_amzn_trace_id for each in options if each is not None]
        return await self._plane.checkpoint(request)


TWICE = Recorder()


class Nothing(DurablePlugin):
    pass


class Misspelled(DurablePlugin):
    def on_operation_ended(self, info: Any) -> None: ...


class Awaited(DurablePlugin):
    async def on_operation_end(self, info: Any) -> None: ...  # type: ignore[override]


class Foreign:
    def on_operation_end(self, info: Any) -> None: ...


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        ([Nothing()], r"Nothing has no hook.*override on_"),
        ([Recorder], r"takes plugins, not classes: Recorder\(\)"),
        ([Misspelled()], r"Misspelled.on_operation_ended is not a hook.*on_operation_end"),
        ([Awaited()], r"Awaited.on_operation_end is a coroutine function.*plain `def`"),
        ([Foreign()], r"plugins.DurablePlugin, not .*Foreign"),
        ([Recorder(), Foreign()], r"Foreign is not one: class Foreign\(DurablePlugin\)"),
        (Recorder(), r"takes a list of objects"),
        ([TWICE, Recorder(), TWICE], r"has the same Recorder twice"),
    ],
)
def test_a_plugin_without_hooks_is_refused_by_the_decorator(plugins: Any, message: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None: ...

    with pytest.raises(ConfigError, match=message):
        durable_execution(plugins=plugins)(workflow)


def test_a_handler_without_plugins_loads_and_makes_nothing_of_them() -> None:
    script = """
import sys
from tests.memory_service import MemoryService
from durable_execution_sdk import durable_execution
import durable_execution_sdk.runtime.instrumentation as reporting

made = []
reporting.Watcher.__init__ = reporting._MeasuredPlane.__init__ = lambda *a: made.append(a)

@durable_execution(plugins=[])
async def workflow(event, ctx):
    return await ctx.step(lambda: 1)

service = MemoryService()
handler = workflow.bind(service)
assert handler(service.event("1"), None)["Status"] == "SUCCEEDED"
assert not made
parts = ("plugins", "otel", "telemetry")
print([name for name in sys.modules if name.split(".")[:2] in [["durable_execution_sdk", each] for each in parts]])
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
