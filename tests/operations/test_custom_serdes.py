"""A serdes of the user's: its calls, and its failures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from tests.rig import Ran, rig_of, run_workflow

from durable_execution_sdk import (
    ChildConfig,
    ChildContextError,
    ConfigError,
    CustomSerDes,
    DurableContext,
    DurableError,
    Duration,
    InvokeConfig,
    MapConfig,
    SerDesContext,
    SerDesError,
    StepConfig,
    WaitForCallbackConfig,
    WaitForConditionConfig,
    custom_serdes,
    durable_execution,
    poll_until,
)
from durable_execution_sdk.testing import LocalDurableTestRunner

SECOND = Duration.from_seconds(1)


class Broken:
    """A serdes that raises a given error in given methods."""

    def __init__(self, error: Exception, *, writing: bool = True, times: int = 1000) -> None:
        self.error = error
        self.writing = writing
        self.times = times

    def serialize(self, value: Any, context: SerDesContext, /) -> str:
        self._fail_in(True)
        return str(value)

    def deserialize(self, payload: str, context: SerDesContext, /) -> Any:
        self._fail_in(False)
        return payload

    def _fail_in(self, writing: bool) -> None:
        if self.writing is writing and self.times:
            self.times -= 1
            raise self.error


class ReadOnly:
    """A serdes that reads the texts of others, and would misread its own."""

    def serialize(self, value: Any, context: SerDesContext, /) -> str:
        raise NotImplementedError

    def deserialize(self, payload: str, context: SerDesContext, /) -> str:
        return f"<{payload}>"


def test_a_serdes_that_cannot_write_fails_a_step_that_is_not_run_again() -> None:
    runs = []

    async def charge() -> str:
        runs.append(1)
        return "charged"

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(charge, config=StepConfig(serdes=Broken(ValueError("too odd"))))

    ran = run_workflow(workflow)
    assert ran.error.error_type == "SerDesError"
    assert ran.error.error_message == "the serdes of step 'charge' cannot write its result: too odd"
    assert (len(runs), ran.types().count("StepFailed")) == (1, 1)


@pytest.mark.parametrize("kind", ["child", "poll", "invoke"])
def test_a_serdes_that_cannot_write_is_told_with_its_operation(kind: str) -> None:
    broken = Broken(ValueError("too odd"))

    async def body(ctx: DurableContext) -> str:
        return "done"

    async def workflow(event: Any, ctx: DurableContext) -> None:
        match kind:
            case "child":
                await ctx.run_in_child_context(body, name="it", config=ChildConfig(serdes=broken))
            case "poll":
                config = WaitForConditionConfig(
                    initial_state=0, wait_strategy=poll_until(bool), serdes=broken
                )
                await ctx.wait_for_condition(lambda state: state, name="it", config=config)
            case _:
                config_of_invoke = InvokeConfig(payload_serdes=broken)
                await ctx.invoke("other:$LATEST", 1, name="it", config=config_of_invoke)

    ran = run_workflow(workflow)
    assert ran.error.error_type == "SerDesError"
    assert ran.error.error_message.startswith("the serdes of ")
    assert "'it' cannot write its " in ran.error.error_message
    assert ran.error.error_message.endswith(": too odd")


def test_a_child_that_cannot_be_written_can_be_caught() -> None:
    async def body(ctx: DurableContext) -> str:
        return "done"

    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            config = ChildConfig(serdes=Broken(ValueError("too odd")))
            await ctx.run_in_child_context(body, config=config)
        except ChildContextError as error:
            assert isinstance(error, SerDesError)
            return str(error.error_type)
        return "not reached"

    assert run_workflow(workflow).result == "SerDesError"


@pytest.mark.parametrize("writing", [True, False])
@pytest.mark.parametrize("kind", ["step", "child"])
def test_a_serdes_may_ask_for_another_invocation(kind: str, *, writing: bool) -> None:
    passing = Broken(DurableError.invocation("the bucket is away"), writing=writing, times=1)

    async def give(*_: Any) -> str:
        return "given"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        if kind == "step":
            return await ctx.step(give, config=StepConfig(serdes=passing))
        return await ctx.run_in_child_context(give, config=ChildConfig(serdes=passing))

    ran = run_workflow(workflow)
    assert (ran.status, ran.result) == ("SUCCEEDED", "given")
    assert ran.invocations == 2


def answered(payload: bytes | None, config: WaitForCallbackConfig[Any]) -> Ran:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        answer = await ctx.wait_for_callback(lambda callback_id: None, name="ask", config=config)
        await ctx.wait(SECOND)
        return answer

    rig = rig_of(workflow)
    arn = rig.start()
    rig.driver.run_until(lambda: False, family=arn, wait=False)
    (asked,) = [e for e in rig.events(arn) if e.callback_started_details is not None]
    details = asked.callback_started_details
    assert details is not None
    rig.emulator.callback_success(str(details.callback_id), payload)
    return rig.drive(arn)


@pytest.mark.parametrize(
    ("payload", "result"),
    [(b'{"a": 1}', '<{"a": 1}>'), (b"null", "<null>"), (b"", "<>"), (None, None)],
)
def test_the_serdes_of_wait_for_callback_reads_exactly_the_senders_text(
    payload: bytes | None, result: str | None
) -> None:
    ran = answered(payload, WaitForCallbackConfig(serdes=ReadOnly()))
    assert (ran.status, ran.result, ran.invocations) == ("SUCCEEDED", result, 3)


def test_an_answer_that_cannot_be_read_fails_the_execution_by_the_name_of_the_wait() -> None:
    broken = Broken(ValueError("what is that"), writing=False)
    ran = answered(b"1", WaitForCallbackConfig(serdes=broken))
    assert ran.status == "FAILED"
    assert ran.error.error_message == (
        "the serdes of wait_for_callback 'ask' cannot read its payload: what is that"
    )


# Serdes of two functions.


@dataclass
class Money:
    cents: int


def written(money: Money) -> str:
    return f"{money.cents / 100:.2f} EUR"


def read(text: str) -> Money:
    amount, currency = text.split()
    assert currency == "EUR"
    return Money(round(float(amount) * 100))


def test_two_functions_are_a_serdes_of_every_operation_that_takes_one() -> None:
    serdes = custom_serdes(written, read)
    seen: list[Any] = []

    async def price() -> Money:
        return Money(150)

    async def item(ctx: DurableContext, n: int, index: int) -> Money:
        return Money(n)

    async def child(ctx: DurableContext) -> Money:
        return Money(7)

    async def rise(money: Money) -> Money:
        return Money(money.cents + 1)

    async def workflow(event: Any, ctx: DurableContext) -> int:
        step = await ctx.step(price, config=StepConfig(serdes=serdes))
        inner = await ctx.run_in_child_context(child, config=ChildConfig(serdes=serdes))
        batch = await ctx.map([1, 2], item, config=MapConfig(item_serdes=serdes))
        polled = await ctx.wait_for_condition(
            rise,
            config=WaitForConditionConfig(
                initial_state=Money(1),
                wait_strategy=poll_until(lambda money: money.cents == 3),
                serdes=serdes,
            ),
        )
        await ctx.wait(SECOND)
        seen.append([step, inner, *batch.results(), polled])
        return sum(money.cents for money in seen[-1])

    ran = run_workflow(workflow)
    assert ran.result == 150 + 7 + 1 + 2 + 3
    assert seen == [[Money(150), Money(7), Money(1), Money(2), Money(3)]] * len(seen)
    payloads = [
        event.step_succeeded_details.result.payload
        for event in ran.events
        if event.event_type == "StepSucceeded"
    ]
    assert payloads == ["1.50 EUR", "0.02 EUR", "0.03 EUR"]  # each check writes its state


def test_the_serdes_of_a_handler_may_be_two_functions() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(lambda: {"seen": event})

    serdes = custom_serdes(json.dumps, json.loads)
    runner = LocalDurableTestRunner(durable_execution(serdes=serdes)(workflow))
    assert runner.run_sync([1, None]).result == {"seen": [1, None]}


def test_a_function_may_write_bytes_and_none() -> None:
    as_bytes: Any = custom_serdes(lambda value: json.dumps(value).encode(), json.loads)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = StepConfig(serdes=as_bytes)
        nothing = await ctx.step(lambda: None, config=config)
        return [nothing, await ctx.step(lambda: "größer", config=config)]

    assert run_workflow(workflow).result == [None, "größer"]


@pytest.mark.parametrize(
    ("dumps", "loads", "words"),
    [
        (lambda value: b"\xff", json.loads, "not UTF-8"),
        (lambda value: None, json.loads, "returned a NoneType"),
        (lambda value: value, json.loads, "returned a int"),
        (lambda value: 1 / 0, json.loads, "division by zero"),
        (lambda value: "[", json.loads, "cannot read its payload"),
    ],
)
def test_a_failure_of_one_of_two_functions_names_the_step(
    dumps: Any, loads: Any, words: str
) -> None:
    runs: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = StepConfig(serdes=custom_serdes(dumps, loads))
        return await ctx.step(lambda: runs.append(1) or 5, name="priced", config=config)

    ran = run_workflow(workflow)
    assert ran.error is not None
    assert ran.error.error_type == "SerDesError"
    assert words in ran.error.error_message
    assert "priced" in ran.error.error_message
    assert len(runs) == 1


def test_a_serdes_of_what_is_no_function_is_refused() -> None:
    for option, arguments in (("dumps", (None, str)), ("loads", (str, "json"))):
        with pytest.raises(ConfigError, match=rf"custom_serdes\({option}=...\) takes a function"):
            custom_serdes(*arguments)  # type: ignore[arg-type]


def test_a_serdes_of_two_functions_shows_them() -> None:
    assert repr(custom_serdes(json.dumps, json.loads)) == "custom_serdes(dumps, loads)"
    assert isinstance(custom_serdes(json.dumps, json.loads), CustomSerDes)
