"""Chained invokes: their payloads, results and failures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from tests.rig import rig_of, run_workflow

from durable_execution_sdk import (
    ConfigError,
    DurableContext,
    Duration,
    InvokeConfig,
    InvokeError,
    SerDesContext,
    durable_execution,
)
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest


class Declined(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@durable_execution
async def double(event: Any, ctx: DurableContext) -> Any:
    await ctx.wait(Duration.from_days(3))
    return event * 2


@durable_execution
async def declines(event: Any, ctx: DurableContext) -> Any:
    raise Declined("stolen")


@durable_execution
async def sleeps(event: Any, ctx: DurableContext) -> Any:
    await ctx.wait(Duration.from_days(300))


def crashes(event: Any, _: Any) -> Any:
    raise LookupError("plain")


def run(workflow: Any, **options: Any) -> Any:
    return run_workflow(
        workflow,
        others={"double": double, "declines": declines, "sleeps": sleeps},
        plain={"echo": lambda event, _: event, "crashes": crashes},
        **options,
    )


def test_durable_and_plain_functions_are_invoked_by_name_and_by_arn() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        arn = "arn:aws:lambda:us-east-1:123456789012:function:double:$LATEST"
        return [
            await ctx.invoke("echo", {"a": [1]}),
            await ctx.invoke("echo"),
            await ctx.invoke(arn, 4, name="named"),
        ]

    rig = rig_of(workflow, others={"double": double}, plain={"echo": lambda event, _: event})
    ran = rig.run()
    assert ran.result == [{"a": [1]}, None, 8], ran.error
    assert ran.types().count("ChainedInvokeStarted") == 3


def test_a_function_is_invoked_once_and_never_again_on_replay() -> None:
    calls: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.invoke("count", 1)
        await ctx.wait(Duration.from_seconds(1))
        await ctx.wait(Duration.from_seconds(1))

    run_workflow(workflow, plain={"count": lambda event, _: calls.append(event)})
    assert calls == [1]


def test_the_targets_error_is_told_and_has_no_say_in_the_class() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.invoke("declines:$LATEST", name="pay")
        except InvokeError as error:
            assert type(error) is InvokeError
            return [str(error), error.is_a("Declined"), error.error_type, error.operation_name]

    assert run(workflow).result == ["stolen", True, "Declined", "pay"]


@pytest.mark.parametrize(
    ("function", "error_type"),
    [
        ("nowhere:1", "ResourceNotFoundException"),
        ("double", "InvalidParameterValueException"),
        ("crashes", "LookupError"),
    ],
)
def test_a_function_that_cannot_be_invoked_or_fails(function: str, error_type: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.invoke(function, 1)
        except InvokeError as error:
            return error.error_type

    assert run(workflow).result == error_type


def test_the_refusal_of_a_durable_function_without_a_qualifier_names_the_cure() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.invoke("double", 1)
        except InvokeError as error:
            return str(error)

    refusal = "You cannot invoke a durable function using an unqualified ARN."
    advice = " Name it with a version or an alias, such as double:$LATEST"
    assert run(workflow).result == refusal + advice


def test_a_target_that_is_stopped_raises() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        try:
            await ctx.invoke("sleeps:$LATEST")
        except InvokeError as error:
            return error.error_type

    rig = rig_of(workflow, others={"sleeps": sleeps})
    arn = rig.start()
    rig.drive(arn, until=rig.clock.now() + 1000)
    started = next(e for e in rig.events(arn) if e.event_type == "ChainedInvokeStarted")
    rig.emulator.stop(started.chained_invoke_started_details.durable_execution_arn)
    assert rig.drive(arn).result


@dataclass
class Answer:
    n: int


def test_the_result_is_decoded_into_the_wanted_type() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        answer = await ctx.invoke("echo", Answer(3), config=InvokeConfig(result_type=Answer))
        assert type(answer) is Answer
        return answer.n

    assert run(workflow).result == 3


class Marked:
    """A serdes for a whole handler, which puts a mark on everything that it writes."""

    def serialize(self, value: Any, _context: SerDesContext, /) -> str:
        return json.dumps({"marked": value})

    def deserialize(self, payload: str, _context: SerDesContext, /) -> Any:
        return json.loads(payload)["marked"]


def test_the_handlers_serdes_writes_the_payload_and_reads_the_result() -> None:
    async def outer(event: Any, ctx: DurableContext) -> Any:
        return await ctx.invoke("inner:$LATEST", event + 1)

    async def inner(event: Any, ctx: DurableContext) -> Any:
        return event * 10

    marked = Marked()
    rig = rig_of(
        outer, options={"serdes": marked}, others={"inner": durable_execution(serdes=marked)(inner)}
    )
    arn = rig.emulator.start(
        InvokeRequest(
            function_name="workflow:$LATEST",
            payload=b'{"marked": 1}',
            invocation_type=InvocationType.EVENT,
        )
    )
    assert rig.drive(arn).result == {"marked": 20}, rig.drive(arn).error


def test_an_operations_own_serdes_wins() -> None:
    class Shouting:
        def serialize(self, value: Any, _context: SerDesContext, /) -> str:
            return json.dumps(str(value).upper())

        def deserialize(self, payload: str, _context: SerDesContext, /) -> Any:
            return payload + "!"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = InvokeConfig(payload_serdes=Shouting(), serdes=Shouting())
        return await ctx.invoke("echo", "hey", config=config)

    assert run(workflow).result == '"HEY"!'


def test_a_payload_that_is_too_large_or_not_json_is_refused_before_anything_is_sent() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        caught_errors = []
        for payload in ("x" * 1_100_000, object()):
            try:
                await ctx.invoke("echo", payload, name="big")
            except Exception as error:
                caught_errors.append([type(error).__name__, "'big'" in str(error)])
        return caught_errors

    ran = run(workflow)
    assert ran.result == [["PayloadSizeError", True], ["SerDesError", True]]
    assert "ChainedInvokeStarted" not in ran.types()


@pytest.mark.parametrize("function", ["", None, 5, "x" * 257])
def test_an_invalid_function_name_is_refused(function: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        with pytest.raises(ConfigError, match="name or ARN"):
            ctx.invoke(function)

    assert run(workflow).status == "SUCCEEDED"


@pytest.mark.parametrize(
    "options",
    [
        {"payload_serdes": 5},
        {"serdes": 5},
        {"serdes": Marked(), "result_type": int},
        {"tenant_id": ""},
        {"tenant_id": "no#"},
        {"tenant_id": "x" * 257},
    ],
)
def test_a_wrong_config_is_refused_when_it_is_made(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="InvokeConfig"):
        InvokeConfig(**options)
