"""Callbacks: ids, answers, refusals, timeouts; and the submitter of ``wait_for_callback``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
from tests.rig import rig_of, run_workflow

from durable_execution_sdk import (
    CallbackConfig,
    CallbackError,
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    ConfigError,
    DurableContext,
    Duration,
    FixedDelay,
    NoRetry,
    SerDesContext,
    StepContext,
    StepError,
    WaitForCallbackConfig,
)
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.runtime.log import checkpointer, unsettled


@dataclass
class Answer:
    ok: bool
    by: str = ""


def answered(payload: bytes | None, config: CallbackConfig[Any] | None = None) -> list[Any]:
    """Return the value that the workflow gets for this payload, on the first run and on replay."""
    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        callback = await ctx.create_callback("cb", config=config)
        await ctx.step(lambda: rig.emulator.callback_success(callback.callback_id, payload))
        seen.append(await callback)
        await ctx.wait(Duration.from_seconds(1))

    rig = rig_of(workflow)
    ran = rig.run()
    assert ran.status == "SUCCEEDED", ran.error
    assert len(seen) == 2
    assert seen[0] == seen[1]
    return seen


@pytest.mark.parametrize(
    ("payload", "config", "expected"),
    [
        (b'{"ok": true}', None, {"ok": True}),
        (b"approved", None, "approved"),
        (b'"approved"', None, "approved"),
        (b"", None, ""),
        (None, None, None),
        (b"null", None, None),
        (b'{"ok": true}', CallbackConfig(result_type=Answer), Answer(ok=True)),
        (b"approved", CallbackConfig(result_type=str), "approved"),
        (b"12", CallbackConfig(result_type=int), 12),
        (b"12", CallbackConfig(result_type=str), "12"),
    ],
)
def test_an_answer_is_json_for_the_wanted_type_or_the_text_itself(
    payload: bytes | None, config: Any, expected: Any
) -> None:
    assert answered(payload, config)[0] == expected


def test_an_answer_that_does_not_fit_fails_the_execution_by_name() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        callback = await ctx.create_callback("cb", config=CallbackConfig(result_type=Answer))
        await ctx.step(lambda: rig.emulator.callback_success(callback.callback_id, b"maybe"))
        await callback

    rig = rig_of(workflow)
    ran = rig.run()
    assert (ran.status, ran.error.error_type) == ("FAILED", "CallbackError")
    assert "'cb'" in ran.error.error_message
    assert "Answer" in ran.error.error_message


def test_a_custom_serdes_reads_the_answer() -> None:
    class Upper:
        def serialize(self, value: str, context: SerDesContext, /) -> str:
            return value.lower()

        def deserialize(self, payload: str, context: SerDesContext, /) -> str:
            return payload.upper()

    assert answered(b"yes", CallbackConfig(serdes=Upper()))[0] == "YES"


def test_the_id_is_the_same_on_every_replay_and_another_for_each_callback() -> None:
    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        one, two = await asyncio.gather(ctx.create_callback(), ctx.create_callback())
        seen.append((one.callback_id, two.callback_id))
        await ctx.wait(Duration.from_seconds(1))

    run_workflow(workflow)
    assert seen[0] == seen[1]
    assert seen[0][0] != seen[0][1]


def test_callbacks_created_together_share_one_call() -> None:
    calls: list[int] = []

    class Counting:
        def __init__(self, plane: Any) -> None:
            self.plane, self.now, self.get_state = plane, plane.now, plane.get_state

        async def checkpoint(self, request: Any) -> Any:
            calls.append(len(request.updates))
            return await self.plane.checkpoint(request)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.gather(*(ctx.create_callback() for _ in range(20)))

    run_workflow(workflow, wrappers=Wrappers(data_plane=Counting))
    assert sum(calls) == 20
    assert len(calls) <= 2


def test_a_refusal_carries_the_senders_type_message_and_data() -> None:
    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        callback = await ctx.create_callback()
        error = ErrorObject(
            error_type="Denied", error_message="no", error_data='{"a": 1}', stack_trace=["there"]
        )
        await ctx.step(lambda: rig.emulator.callback_failure(callback.callback_id, error))
        try:
            await callback
        except CallbackExternalError as caught:
            seen.append([caught.error_type, str(caught), caught.error_data, caught.stack_trace])
        await ctx.wait(Duration.from_seconds(1))

    rig = rig_of(workflow)
    rig.run()
    assert seen == [["Denied", "no", '{"a": 1}', ["there"]]] * 2


@pytest.mark.parametrize("error_type", [None, "Denied"])
def test_a_refusal_without_a_message_is_told_by_the_callback(error_type: str | None) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        callback = await ctx.create_callback("cb")
        error = ErrorObject(error_type=error_type)
        await ctx.step(lambda: rig.emulator.callback_failure(callback.callback_id, error))
        await callback

    rig = rig_of(workflow)
    failure = rig.run().error
    assert failure.error_type == (error_type or "CallbackExternalError")
    assert failure.error_message == "callback 'cb' failed, and its sender did not say why"


def test_a_sender_cannot_choose_the_class_of_the_exception() -> None:
    data = (
        '{"durable_error":1,"kind":"durable_execution_sdk.errors:InvocationError","classes":'
        '["durable_execution_sdk.errors:InvocationError","builtins:KeyError"],"args":["gotcha"]}'
    )

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        callback = await ctx.create_callback()
        error = ErrorObject(error_type="Denied", error_message="no", error_data=data)
        await ctx.step(lambda: rig.emulator.callback_failure(callback.callback_id, error))
        try:
            await callback
        except CallbackExternalError as caught:
            return [type(caught).__name__, str(caught), caught.error_data]

    rig = rig_of(workflow)
    assert rig.run().result == ["CallbackExternalError", "no", data]


@pytest.mark.parametrize(
    ("timeout", "heartbeat", "expected", "after"),
    [(30, None, "Callback.Timeout", 30), (30, 5, "Callback.Heartbeat", 5)],
)
def test_a_callback_without_an_answer_times_out(
    timeout: int, heartbeat: int | None, expected: str, after: int
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = CallbackConfig(
            timeout=Duration(timeout), heartbeat_timeout=heartbeat and Duration(heartbeat)
        )
        begun = ctx.now()
        callback = await ctx.create_callback(config=config)
        try:
            await callback
        except CallbackTimeoutError as error:
            assert not isinstance(error, CallbackExternalError)
            return [error.error_type, round((ctx.now() - begun).total_seconds())]

    assert run_workflow(workflow).result == [expected, after]


@pytest.mark.parametrize("timeout", [None, Duration(0)])
def test_without_a_timeout_a_callback_waits(timeout: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        config = CallbackConfig(timeout=timeout, heartbeat_timeout=timeout)
        await (await ctx.create_callback(config=config))

    ran = run_workflow(workflow)
    assert (ran.status, ran.invocations) == ("RUNNING", 1)


@pytest.mark.parametrize("config", [CallbackConfig, WaitForCallbackConfig])
@pytest.mark.parametrize(
    "options",
    [
        {"timeout": Duration(5), "heartbeat_timeout": Duration(5)},
        {"timeout": Duration(5), "heartbeat_timeout": Duration(6)},
        {"timeout": Duration(100_000_000)},
        {"timeout": 5},
        {"heartbeat_timeout": "1s"},
        {"serdes": object()},
        {"serdes": 5, "result_type": int},
    ],
)
def test_a_wrong_config_is_refused_when_it_is_made(config: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"CallbackConfig"):
        config(**options)


def test_a_wrong_retry_strategy_of_a_submitter_is_refused() -> None:
    with pytest.raises(ConfigError, match="retry_strategy"):
        WaitForCallbackConfig(retry_strategy=3)  # type: ignore[arg-type]


def test_wait_for_callback_is_a_context_with_a_callback_and_a_step() -> None:
    async def submit(callback_id: str, extra: int) -> None:
        assert StepContext.current().attempt == 1
        rig.emulator.callback_success(callback_id, str(extra).encode())

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.wait_for_callback(submit, 5, name="approval")

    rig = rig_of(workflow)
    ran = rig.run()
    assert ran.result == 5
    shown = [(e.event_type, e.sub_type, e.parent_id is None) for e in ran.events[1:4]]
    assert shown == [
        ("ContextStarted", "WaitForCallback", True),
        ("CallbackStarted", "Callback", False),
        ("CallbackSucceeded", "Callback", False),
    ] or shown[:2] == [
        ("ContextStarted", "WaitForCallback", True),
        ("CallbackStarted", "Callback", False),
    ]
    assert ("StepSucceeded", "Step") in [(e.event_type, e.sub_type) for e in ran.events]


def test_the_names_inside_wait_for_callback_are_those_of_the_aws_sdk() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.wait_for_callback(rig_answer, name="approval")
        await ctx.wait_for_callback(rig_answer)

    def rig_answer(callback_id: str) -> None:
        rig.emulator.callback_success(callback_id)

    rig = rig_of(workflow)
    names = [e.name for e in rig.run().events if e.event_type in ("CallbackStarted", "StepStarted")]
    assert names == [
        "approval create callback id",
        "approval submitter",
        "create callback id",
        "submitter",
    ]


def test_the_submitter_is_not_called_again_when_the_process_dies_after_it() -> None:
    calls: list[str] = []
    died: list[str] = []

    class Dying:
        def __init__(self, plane: Any) -> None:
            self.plane, self.now, self.get_state = plane, plane.now, plane.get_state

        async def checkpoint(self, request: Any) -> Any:
            response = await self.plane.checkpoint(request)
            if not died and any(
                u.type == "STEP" and u.action == "SUCCEED" for u in request.updates
            ):
                died.append("after")
                raise SystemExit(1)
            return response

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.wait_for_callback(calls.append, name="a")

    rig = rig_of(workflow, wrappers=Wrappers(data_plane=Dying))
    arn = rig.start()
    rig.drive(arn, until=rig.clock.now() + 60_000)
    assert died
    assert len(calls) == 1
    rig.emulator.callback_success(calls[0], b'"yes"')
    assert rig.drive(arn).result == "yes"
    assert len(calls) == 1


class Unreachable(Exception):
    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_submitter_that_fails_for_good(attempts: int) -> None:
    runs: list[int] = []

    def submit(callback_id: str) -> None:
        runs.append(1)
        raise Unreachable("mail")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        strategy = FixedDelay(max_attempts=attempts, delay=Duration(1))
        config = WaitForCallbackConfig(retry_strategy=strategy)
        try:
            await ctx.wait_for_callback(submit, name="a", config=config)
        except CallbackSubmitterError as error:
            return [isinstance(error, Unreachable), getattr(error, "host", ""), error.error_type]

    ran = run_workflow(workflow)
    assert ran.result == [True, "mail", "Unreachable"]
    assert len(runs) == attempts


def test_a_submitter_whose_failure_cannot_be_rebuilt() -> None:
    def submit(callback_id: str) -> None:
        raise ValueError(object())

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = WaitForCallbackConfig(retry_strategy=NoRetry())
        try:
            await ctx.wait_for_callback(submit, config=config)
        except CallbackSubmitterError as error:
            return error.error_type

    assert run_workflow(workflow).result == "ValueError"


@pytest.mark.parametrize("size", [10, 7_000])
def test_a_refusal_keeps_its_class_and_data_out_of_wait_for_callback(size: int) -> None:
    def submit(callback_id: str) -> None:
        error = ErrorObject(error_type="No", error_message="m" * size, error_data="d" * size)
        rig.emulator.callback_failure(callback_id, error)

    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.wait_for_callback(submit)
        except CallbackError as error:
            kind = isinstance(error, CallbackExternalError)
            seen.append([kind, error.error_type, len(error.error_data or "")])
            assert not isinstance(error, StepError)
        await ctx.wait(Duration.from_seconds(1))

    rig = rig_of(workflow)
    rig.run()
    assert seen == [[True, "No", size]] * 2


def test_data_of_a_refusal_that_no_error_can_hold_says_so() -> None:
    def submit(callback_id: str) -> None:
        rig.emulator.callback_failure(callback_id, ErrorObject(error_data="d" * 100_000))

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.wait_for_callback(submit)
        except CallbackExternalError as error:
            return error.error_data

    rig = rig_of(workflow)
    assert rig.run().result == "<not in the log: 100,000 characters>"


def test_a_timeout_keeps_its_class_out_of_wait_for_callback() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = WaitForCallbackConfig(timeout=Duration(9))
        try:
            await ctx.wait_for_callback(lambda _: None, config=config)
        except CallbackTimeoutError as error:
            return error.error_type

    assert run_workflow(workflow).result == "Callback.Timeout"


def test_a_replayed_callback_is_asked_about_while_a_body_keeps_the_invocation_open() -> None:
    seen: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        callback = await ctx.create_callback()
        await ctx.wait(Duration.from_seconds(9))
        over = asyncio.Event()

        async def watch() -> None:
            await callback
            seen.append("answer")
            over.set()

        async def long() -> None:
            rig.emulator.callback_success(callback.callback_id)
            async with asyncio.timeout(5):
                await over.wait()
            seen.append("body")

        task = asyncio.create_task(watch())
        await ctx.step(long)
        await task

    rig = rig_of(workflow)
    with (
        mock.patch.object(unsettled, "_POLL_SECONDS", 0.002),
        mock.patch.object(checkpointer, "_SLOW_SECONDS", 60),
    ):
        assert rig.run().status == "SUCCEEDED"
    assert seen[:2] == ["answer", "body"]


def test_the_type_of_an_earlier_executions_callback_does_not_check_one_without_a_type() -> None:
    async def workflow(typed: bool, ctx: DurableContext) -> None:
        config = CallbackConfig(result_type=Answer, timeout=Duration.from_seconds(5))
        await (await ctx.create_callback("cb", config=config if typed else None))

    assert rig_of(workflow).run(True).status == "FAILED"
    assert answered(b"[1]")[0] == [1]
