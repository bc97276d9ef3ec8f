"""A serdes of the user's: its calls, and its failures."""

from __future__ import annotations

from typing import Any

import pytest
from tests.rig import Ran, rig_of, run_workflow

from durable_execution_sdk import (
    ChildConfig,
    ChildContextError,
    DurableContext,
    DurableError,
    Duration,
    InvokeConfig,
    SerDesContext,
    SerDesError,
    StepConfig,
    WaitForCallbackConfig,
    WaitForConditionConfig,
    poll_until,
)

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
