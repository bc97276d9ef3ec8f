"""Reports to plugins: which hook is called, when, and with which info."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.plugins.recorder import Recorder
from tests.replay.play import Watched
from tests.rig import Ran, rig_of
from tests.virtual_time import virtual_time

from durable_execution_sdk import (
    CheckpointingMode,
    ChildConfig,
    DurableContext,
    Duration,
    FixedDelay,
    InvocationError,
    MapConfig,
    NestingType,
    NoRetry,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.plugins import (
    AttemptOutcome,
    DurablePlugin,
    InvocationInfo,
    InvocationStatus,
    OperationInfo,
)
from durable_execution_sdk.plugins.dispatch import Hooks
from durable_execution_sdk.plugins.reporter import Observers
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.operations import Operation

SECOND = Duration.from_seconds(1)
TWICE = StepConfig(retry_strategy=FixedDelay(max_attempts=2, delay=SECOND))
ONCE = StepConfig(retry_strategy=NoRetry())
START_OF_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def observed(workflow: Any, event: Any = None, **rig: Any) -> tuple[Recorder, Ran]:
    recorder = Recorder()
    options = {"plugins": [recorder], **rig.pop("options", {})}
    rig_instance = rig_of(workflow, options=options, **rig)
    return recorder, rig_instance.run(event)


def id_of(ran: Ran, name: str) -> str:
    return next(event.id for event in ran.events if event.name == name and event.id)


class Flaky:
    """Fails until it has been called a number of times."""

    def __init__(self, until: int = 2) -> None:
        self.calls = 0
        self.until = until

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls < self.until:
            raise ValueError("not yet")
        return "ok"


def test_a_quick_step_is_reported_from_invocation_to_invocation() -> None:
    async def greet(name: str) -> str:
        return f"Hello, {name}!"

    async def workflow(event: str, ctx: DurableContext) -> str:
        return await ctx.step(greet, event)

    recorder, ran = observed(workflow, "Ada")
    assert recorder.names() == [
        "invocation_start",
        "operation_start greet",
        "attempt_start greet",
        "attempt_end greet",
        "checkpoint",
        "operation_change greet",
        "operation_end greet",
        "invocation_end",
    ]
    (begin,) = recorder.infos("on_invocation_start")
    assert begin.execution_arn == ran.arn
    assert begin.is_first_invocation is True
    assert begin.request_id
    assert begin.execution_input == '"Ada"'
    assert begin.execution_start_timestamp == START_OF_TIME
    assert len(begin.operations) == 1
    assert dict(begin.updated_operations) == {}
    (end,) = recorder.infos("on_invocation_end")
    assert (end.status, end.is_first_invocation) == (InvocationStatus.SUCCEEDED, True)
    assert end.request_id == begin.request_id
    assert end.execution_start_timestamp == START_OF_TIME
    assert end.execution_result == '"Hello, Ada!"'
    assert end.execution_error is None
    assert [info.name for info in end.operations.values()] == [None, "greet"]
    (start,) = recorder.infos("on_operation_start")
    (end_info,) = recorder.infos("on_operation_end")
    assert (start.id, start.type, start.sub_type) == (id_of(ran, "greet"), "STEP", "Step")
    assert (start.status, start.is_replay, start.attempt) == ("STARTED", False, 1)
    assert (end_info.status, end_info.result, end_info.attempt) == ("SUCCEEDED", '"Hello, Ada!"', 1)
    assert START_OF_TIME <= start.start_timestamp <= end_info.end_timestamp
    (call,) = recorder.infos("on_checkpoint")
    assert (call.updates, call.error) == (2, None)
    assert call.request_bytes > 100
    assert call.duration_seconds >= 0


def test_a_retried_step_has_attempts_one_end_and_starts_again_as_replay() -> None:
    flaky = Flaky()

    async def workflow(event: Any, ctx: DurableContext) -> str:
        await ctx.step(lambda: None, name="done")
        return await ctx.step(flaky, name="flaky", config=TWICE)

    recorder, ran = observed(workflow)
    assert ran.result == "ok"
    attempts = [
        (info.attempt, info.outcome, info.is_replay, info.id)
        for info in recorder.infos("on_attempt_end", name="flaky")
    ]
    step = id_of(ran, "flaky")
    assert attempts == [
        (1, AttemptOutcome.FAILED, False, step),
        (2, AttemptOutcome.SUCCEEDED, True, step),
    ]
    first, second = recorder.infos("on_attempt_end", name="flaky")
    assert (first.error.error_type, first.error.error_message) == ("ValueError", "not yet")
    assert second.error is None
    assert first.start_timestamp <= first.end_timestamp
    starts = [info.is_replay for info in recorder.infos("on_operation_start", name="flaky")]
    assert starts == [False, True]
    assert [info.is_replay for info in recorder.infos("on_operation_start", name="done")] == [False]
    assert len(recorder.infos("on_operation_replay", name="done")) == 1
    assert recorder.ends() == {step: 1, id_of(ran, "done"): 1}
    changes = recorder.infos("on_operation_change", name="flaky")
    assert [info.status for info in changes] == ["PENDING", "READY", "SUCCEEDED"]
    assert [info.previous_status for info in changes] == [None, None, "READY"]
    assert changes[0].error.error_message == "not yet"
    assert changes[0].next_attempt_timestamp > changes[0].start_timestamp


def test_exhausted_retries_end_in_one_failure() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(Flaky(99), name="always", config=TWICE)

    recorder, ran = observed(workflow)
    assert ran.status == "FAILED"
    assert [info.attempt for info in recorder.infos("on_attempt_start")] == [1, 2]
    (end,) = recorder.infos("on_operation_end")
    assert (end.status, end.attempt, end.error.error_message) == ("FAILED", 2, "not yet")
    last = recorder.infos("on_invocation_end")[-1]
    assert last.status == "FAILED"
    assert last.execution_error.error_message == "not yet"
    assert last.execution_result is None


def test_what_has_changed_in_between_is_reported_in_the_order_of_the_log() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.gather(*(ctx.wait(SECOND, name=name) for name in names))

    names = [f"wait {n}" for n in range(12)]
    recorder, ran = observed(workflow)
    _, second = recorder.infos("on_invocation_start")
    assert list(second.updated_operations) == [id_of(ran, name) for name in names]
    ended = [name for name in recorder.names() if name.startswith("operation_end")]
    assert ended == [f"operation_end {name}" for name in names]


def test_a_wait_that_ends_in_between_is_reported_once_at_the_start_of_the_next_invocation() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        await ctx.wait(Duration.from_seconds(2), name="pause")
        await ctx.wait(Duration.from_seconds(2), name="again")
        return "done"

    recorder, ran = observed(workflow)
    assert recorder.names() == [
        "invocation_start",
        "operation_start pause",
        "checkpoint",
        "operation_change pause",
        "invocation_end",
        "invocation_start",
        "operation_change pause",
        "operation_end pause",
        "operation_start again",
        "checkpoint",
        "operation_change again",
        "invocation_end",
        "invocation_start",
        "operation_change again",
        "operation_end again",
        "operation_replay pause",
        "invocation_end",
    ]
    first, second, _ = recorder.infos("on_invocation_start")
    assert (first.is_first_invocation, second.is_first_invocation) == (True, False)
    assert {info.status for info in second.updated_operations.values()} == {"SUCCEEDED"}
    assert list(second.updated_operations) == [id_of(ran, "pause")]
    ends = recorder.infos("on_invocation_end")
    assert [info.status for info in ends] == ["PENDING", "PENDING", "SUCCEEDED"]
    assert [info.is_first_invocation for info in ends] == [True, False, False]
    started = recorder.infos("on_operation_change", name="pause", status="STARTED")
    assert started[0].scheduled_end_timestamp > started[0].start_timestamp


def test_callbacks_and_invokes_end_once_however_they_come_in() -> None:
    async def echo(event: Any, ctx: DurableContext) -> Any:
        await ctx.wait(SECOND)
        return event

    async def workflow(event: Any, ctx: DurableContext) -> None:
        callback = await ctx.create_callback("cb")
        await ctx.step(lambda: rig.emulator.callback_success(callback.callback_id, b"1"), name="s")
        await callback
        await ctx.invoke("echo:$LATEST", 1, name="in")
        await ctx.wait(SECOND)

    recorder = Recorder()
    rig = rig_of(
        workflow, options={"plugins": [recorder]}, others={"echo": durable_execution(echo)}
    )
    ran = rig.run()
    assert ran.status == "SUCCEEDED"
    assert set(recorder.ends().values()) == {1}
    assert [info.callback_id is not None for info in recorder.infos("on_operation_end")][:1]
    (end,) = recorder.infos("on_operation_end", name="cb")
    assert (end.type, end.sub_type, end.result) == ("CALLBACK", "Callback", "1")
    assert end.callback_id
    (end,) = recorder.infos("on_operation_end", name="in")
    assert (end.type, end.status, end.result) == ("CHAINED_INVOKE", "SUCCEEDED", "1")


def test_contexts_report_their_functions_with_parents_and_whether_children_replay() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def a(child: DurableContext) -> str:
            await child.step(lambda: "x", name="inner")
            await child.wait(SECOND)
            return "a-done"

        async def b(child: DurableContext) -> str:
            return "b-done"

        from durable_execution_sdk import ParallelConfig

        batch = await ctx.parallel(
            {"branch-a": a, "branch-b": b}, name="ctx", config=ParallelConfig(max_concurrency=1)
        )
        return batch.results()

    recorder, ran = observed(workflow)
    assert ran.result == ["a-done", "b-done"]
    starts = recorder.infos("on_operation_start", is_replay=False)
    assert [(info.name, info.sub_type) for info in starts if info.type == "CONTEXT"] == [
        ("ctx", "Parallel"),
        ("branch-a", "ParallelBranch"),
        ("branch-b", "ParallelBranch"),
    ]
    runs = [
        (info.name, info.is_replaying_children, info.attempt)
        for info in recorder.infos("on_attempt_start", sub_type="ParallelBranch")
    ]
    assert runs == [("branch-a", False, None), ("branch-a", True, None), ("branch-b", False, None)]
    ends = [
        (info.name, info.outcome)
        for info in recorder.infos("on_attempt_end", sub_type="ParallelBranch")
    ]
    assert ends == [
        ("branch-a", AttemptOutcome.INCOMPLETE),
        ("branch-a", AttemptOutcome.SUCCEEDED),
        ("branch-b", AttemptOutcome.SUCCEEDED),
    ]
    (inner,) = recorder.infos("on_operation_end", name="inner")
    (branch,) = recorder.infos("on_operation_end", name="branch-a")
    (parallel,) = recorder.infos("on_operation_end", name="ctx")
    assert (inner.parent_id, branch.parent_id) == (branch.id, parallel.id)
    for hook in ("on_operation_start", "on_attempt_start", "on_attempt_end"):
        parents = {(info.name, info.parent_id) for info in recorder.infos(hook)}
        assert {("inner", branch.id), ("branch-a", parallel.id), ("ctx", None)} <= parents, hook
    assert parallel.parent_id is None


@pytest.mark.parametrize("nesting", list(NestingType))
def test_a_batch_too_large_to_store_ends_once_though_it_is_built_again(nesting: Any) -> None:
    async def item(child: DurableContext, item: int, index: int) -> str:
        return await child.step(lambda: "x" * 100_000, name="big")

    async def workflow(event: Any, ctx: DurableContext) -> int:
        batch = await ctx.map([1, 2, 3], item, config=MapConfig(nesting=nesting), name="all")
        await ctx.wait(SECOND)
        return len(batch.results())

    recorder, ran = observed(workflow)
    assert ran.result == 3
    assert set(recorder.ends().values()) == {1}
    (end,) = recorder.infos("on_operation_end", name="all")
    (replay,) = recorder.infos("on_operation_replay", name="all")
    assert replay.id == end.id
    flags = [info.is_replaying_children for info in recorder.infos("on_attempt_start", name="all")]
    assert flags == [False, True]


def test_a_context_without_an_operation_has_attempts_only_and_tells_once_of_its_end() -> None:
    async def child(ctx: DurableContext) -> str:
        await ctx.wait(SECOND)
        return "done"

    async def fails(ctx: DurableContext) -> None:
        raise ValueError("no")

    async def workflow(event: Any, ctx: DurableContext) -> str:
        config = ChildConfig(virtual=True)
        await ctx.run_in_child_context(child, name="virtual", config=config)
        with suppress(ValueError):
            await ctx.run_in_child_context(fails, name="failing", config=config)
        await ctx.wait(SECOND)
        return "done"

    recorder, ran = observed(workflow)
    assert (ran.result, ran.invocations) == ("done", 3)
    starts = recorder.infos("on_attempt_start", name="virtual")
    assert [(info.is_virtual, info.sub_type) for info in starts] == [
        (True, "RunInChildContext")
    ] * 3
    ends = recorder.infos("on_attempt_end", name="virtual")
    assert [(info.outcome, info.is_replay) for info in ends] == [
        (AttemptOutcome.INCOMPLETE, False),
        (AttemptOutcome.SUCCEEDED, False),
        (AttemptOutcome.SUCCEEDED, True),
    ]
    failures = recorder.infos("on_attempt_end", name="failing")
    assert [(info.outcome, info.is_replay) for info in failures] == [
        (AttemptOutcome.FAILED, False),
        (AttemptOutcome.FAILED, True),
    ]
    assert failures[0].error.error_type == "ValueError"
    assert {info.name for info in recorder.infos("on_operation_start")} == {None}


def test_a_given_up_operation_has_no_end_and_an_incomplete_attempt() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    async def workflow(event: Any, ctx: DurableContext) -> str:
        slow = ctx.step(forever, name="slow")
        await ctx.step(lambda: None, name="quick")
        slow.cancel()
        return "done"

    recorder, ran = observed(workflow)
    assert ran.result == "done"
    assert [info.name for info in recorder.infos("on_operation_end")] == ["quick"]
    (end,) = recorder.infos("on_attempt_end", name="slow")
    assert (end.outcome, end.error) == (AttemptOutcome.INCOMPLETE, None)


@pytest.mark.parametrize("way", ["cancelled", "raises", "returns"])
def test_an_attempt_that_a_step_timeout_ended_has_failed_with_its_error(way: str) -> None:
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if way == "raises":
                raise ValueError("while it cleaned up") from None
            if way == "cancelled":
                raise

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(slow, config=StepConfig(timeout=SECOND, retry_strategy=NoRetry()))

    with virtual_time():
        recorder, ran = observed(workflow)
    (end,) = recorder.infos("on_attempt_end")
    assert end.outcome is AttemptOutcome.FAILED
    assert (end.error.error_type, end.error.error_message) == (
        "StepTimeoutError",
        ran.error.error_message,
    )


def test_a_body_that_cancels_itself_has_failed() -> None:
    async def gives_up() -> None:
        raise asyncio.CancelledError("enough")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(gives_up, config=ONCE)

    recorder, _ = observed(workflow)
    (end,) = recorder.infos("on_attempt_end")
    assert (end.outcome, end.error.error_type) == (AttemptOutcome.FAILED, "CancelledError")


def test_an_invocation_that_raises_is_reported_as_a_retry() -> None:
    calls = 0

    async def workflow(event: Any, ctx: DurableContext) -> str:
        nonlocal calls
        calls += 1
        await ctx.step(lambda: None, name="first")
        if calls == 1:
            raise InvocationError("try again")
        return "done"

    recorder, ran = observed(workflow)
    assert ran.result == "done"
    ends = recorder.infos("on_invocation_end")
    assert [info.status for info in ends] == ["RETRY", "SUCCEEDED"]
    assert ends[0].execution_error.error_message == "try again"
    assert set(recorder.ends().values()) == {1}


def test_a_lost_answer_is_reported_with_the_call_that_failed() -> None:
    class Losing(Watched):
        calls = 0

        async def checkpoint(self, request: Any) -> Any:
            Losing.calls += 1
            if Losing.calls == 1:
                raise ServiceError("connection reset", status=None)
            return await self.plane.checkpoint(request)

    async def workflow(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(lambda: "ok", name="s")

    recorder, ran = observed(workflow, wrappers=Wrappers(data_plane=Losing))
    assert ran.result == "ok"
    calls = recorder.infos("on_checkpoint")
    assert calls[0].error.error_message == "connection reset"
    assert calls[-1].error is None
    # The first START was never recorded, so the second one is not a replay.
    assert [info.is_replay for info in recorder.infos("on_operation_start")] == [False, False]
    assert len(recorder.infos("on_operation_end")) == 1


def test_results_that_are_handed_on_early_end_once_they_are_recorded() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> int:
        return sum([await ctx.step(lambda i=i: i, name=f"s{i}") for i in range(5)])

    options = {"checkpointing": CheckpointingMode.OPTIMISTIC}
    recorder, ran = observed(workflow, options=options)
    assert ran.result == 10
    assert sorted(info.name for info in recorder.infos("on_operation_end")) == [
        f"s{i}" for i in range(5)
    ]


def test_a_status_that_the_service_repeats_is_reported_once() -> None:
    class Repeating(Watched):
        def __init__(self, plane: Any) -> None:
            super().__init__(plane)
            self.told: dict[str, Any] = {}

        async def checkpoint(self, request: Any) -> Any:
            response = await self.plane.checkpoint(request)
            self.told |= {operation.id: operation for operation in response.operations}
            return msgspec.structs.replace(response, operations=list(self.told.values()))

    async def workflow(event: Any, ctx: DurableContext) -> None:
        for name in "abc":
            await ctx.step(lambda: None, name=name)

    recorder, ran = observed(workflow, wrappers=Wrappers(data_plane=Repeating))
    assert ran.status == "SUCCEEDED"
    assert recorder.ends() == {id_of(ran, name): 1 for name in "abc"}
    assert len(recorder.infos("on_operation_change")) == 3


def test_the_trace_header_is_that_of_the_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    headers: dict[str, str | None] = {}

    class Header(DurablePlugin):
        def __init__(self, header: str) -> None:
            self.header = header

        def on_invocation_start(self, info: InvocationInfo) -> None:
            headers[ExecutionArn.parse(info.execution_arn).function_name] = info.trace_header

        def on_invoke(self, info: OperationInfo) -> str:
            assert (info.name, info.function_name) == ("call", "other:$LATEST")
            return self.header

    async def other(event: Any, ctx: DurableContext) -> None: ...

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.invoke("other:$LATEST", name="call")

    def run(*plugins: Header) -> str | None:
        others = {"other": durable_execution(plugins=[plugins[0]])(other)}
        rig_of(workflow, options={"plugins": list(plugins)}, others=others).run()
        assert headers["workflow"] is None
        return headers["other"]

    # A header that is too long for the service is ignored; the first valid one is used.
    assert run(Header("x" * 8_193), Header("from second"), Header("from third")) == "from second"
    assert run(Header("")) is None

    async def alone(event: Any, ctx: DurableContext) -> None: ...

    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-2-3")  # where Lambda's runtime puts it
    rig_of(alone, options={"plugins": [Header("")]}).run()
    assert headers["workflow"] == "Root=1-2-3"


def test_the_end_of_an_invocation_repeats_the_fields_of_its_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-2-3")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.wait(SECOND, name="pause")

    recorder, ran = observed(workflow, "Ada")
    starts, ends = recorder.infos("on_invocation_start"), recorder.infos("on_invocation_end")
    assert len(starts) == len(ends) == ran.invocations == 2
    assert dict(ends[1].updated_operations).keys() == {id_of(ran, "pause")}
    for start, end in zip(starts, ends, strict=True):
        for name in set(InvocationInfo.__struct_fields__) - {"operations"}:
            start_value, end_value = getattr(start, name), getattr(end, name)
            assert end_value == start_value or dict(end_value) == dict(start_value), name
        assert (end.trace_header, end.execution_input) == ("Root=1-2-3", '"Ada"')
        assert START_OF_TIME <= end.start_timestamp <= end.end_timestamp


def test_a_checkpoint_call_is_reported_with_its_start_and_duration() -> None:
    class Slow(Watched):
        async def checkpoint(self, request: Any) -> Any:
            await asyncio.sleep(0.02)
            return await self.plane.checkpoint(request)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: "ok", name="s")

    recorder, _ = observed(workflow, wrappers=Wrappers(data_plane=Slow))
    (call,) = recorder.infos("on_checkpoint")
    (end,) = recorder.infos("on_invocation_end")
    assert 0.02 <= call.duration_seconds < 5
    assert end.start_timestamp <= call.start_timestamp <= end.end_timestamp


def test_an_end_that_came_before_the_workflow_asked_is_no_replay() -> None:
    def wait(status: str) -> Operation:
        return Operation(id="w", type="WAIT", status=status, start_timestamp=1, name="w")

    recorder = Recorder()
    hooks = Hooks(DurablePlugin, [recorder], logging.getLogger("test"))
    execution = Operation(id="run", type="EXECUTION", status="STARTED", start_timestamp=0)
    reporter = Observers(hooks).reporter(
        execution,
        [wait("STARTED")],
        [],
        arn="arn",
        request_id="request",
        trace_header=None,
        now=lambda: 5,
    )
    reporter.learned(wait("SUCCEEDED"))
    reporter.claimed("w")
    assert recorder.names() == ["operation_change w", "operation_end w"]


def test_infos_do_not_show_payloads() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(lambda: event, name="s")

    recorder, _ = observed(workflow, "secret")
    assert "secret" in str([info.result for info in recorder.infos("on_operation_end")])
    assert "secret" not in repr(recorder.told)
    assert "<2 operations>" in repr(recorder.infos("on_invocation_end"))
