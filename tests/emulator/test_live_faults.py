"""Faults planned while an execution runs: each ends as it would have without, and at most-once holds."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.emulator.emulator_rig import PENDING, EmulatorRig, Invoked, succeeded, update

from durable_execution_sdk import (
    DurableContext,
    NoRetry,
    StepConfig,
    StepSemantics,
    durable_execution,
)
from durable_execution_sdk.emulator.faults.live import FaultKind, LiveFault
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.control_plane import HistoryRequest
from durable_execution_sdk.protocol.data_plane import CheckpointRequest, Outcome
from durable_execution_sdk.protocol.operations import OperationType
from durable_execution_sdk.protocol.updates import OperationAction

AT_MOST_ONCE = StepConfig(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=NoRetry())


class Shop:
    """A workflow of three steps that counts the runs of their bodies."""

    def __init__(self, rig: EmulatorRig) -> None:
        self.runs: list[str] = []
        shop = self

        async def body(name: str) -> str:
            shop.runs.append(name)
            return name

        @durable_execution
        async def main(event: Any, ctx: DurableContext) -> list[str]:
            first = await ctx.step(body, "a", name="a")
            second = await ctx.step(body, "b", name="b", config=AT_MOST_ONCE)
            return [first, second, await ctx.step(body, "c", name="c")]

        rig.functions.add_durable("f", main.bind)


def invocation_errors(rig: EmulatorRig, arn: str) -> list[str | None]:
    page = rig.emulator.history(HistoryRequest(durable_execution_arn=arn, max_items=1_000))
    errors = (
        event.invocation_completed_details.error
        for event in page.events
        if event.invocation_completed_details is not None
    )
    return [error.payload.error_message for error in errors if error is not None and error.payload]


@pytest.mark.parametrize("checkpoint", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", [FaultKind.CRASH_BEFORE, FaultKind.CRASH_AFTER])
def test_an_execution_survives_a_crash_at_each_checkpoint(
    rig: EmulatorRig, kind: FaultKind, checkpoint: int
) -> None:
    shop = Shop(rig)
    killed: list[str] = []
    rig.emulator.faults.on_crash(killed.append)
    arn = rig.start()
    rig.emulator.faults.plan(arn, LiveFault(kind=kind, checkpoint=checkpoint))
    rig.run(arn)
    assert killed == [arn]
    assert not rig.emulator.faults.planned(arn)
    (message,) = invocation_errors(rig, arn)
    assert message is not None
    assert "exit status 137" in message
    # The start of the body that is to run at most once was recorded, and its end not: before the body ran, or
    # after.
    interrupted = {(FaultKind.CRASH_AFTER, 2): 0, (FaultKind.CRASH_BEFORE, 3): 1}
    if (kind, checkpoint) in interrupted:
        assert rig.status(arn) == "FAILED"
        assert shop.runs.count("b") == interrupted[kind, checkpoint]
    else:
        assert rig.result(arn) == ["a", "b", "c"]
        assert shop.runs.count("b") == 1


@pytest.mark.parametrize("operation", ["c", None])
def test_a_crash_comes_at_the_checkpoint_of_an_operation_that_is_named(
    memory: EmulatorRig, operation: str | None
) -> None:
    shop = Shop(memory)
    arn = memory.start()
    fault = LiveFault(kind=FaultKind.CRASH_BEFORE, operation=operation)
    memory.emulator.faults.plan(arn, fault)
    memory.run(arn)
    assert memory.result(arn) == ["a", "b", "c"]
    repeated = "c" if operation else "a"
    assert shop.runs.count(repeated) == 2
    assert len(shop.runs) == 4


@pytest.mark.parametrize("kind", [FaultKind.LOSE_RESPONSE, FaultKind.THROTTLE])
def test_a_client_that_tries_again_does_not_notice_the_fault(
    memory: EmulatorRig, kind: FaultKind
) -> None:
    """Send the same request again, as the client for Lambda's API does."""

    async def main(run: Invoked) -> Outcome:
        client_token = "c" * 36

        assert run.token is not None
        request = CheckpointRequest(
            durable_execution_arn=run.arn,
            checkpoint_token=run.token,
            updates=[
                update("s", OperationType.STEP, OperationAction.START),
                update("s", OperationType.STEP, OperationAction.SUCCEED, payload="1"),
            ],
            client_token=client_token,
        )
        failures = 0
        while True:
            try:
                response = await run.plane.checkpoint(request)
                break
            except ServiceError as error:
                assert error.status in (429, 500)
                failures += 1
        assert response.checkpoint_token
        return succeeded(failures)

    memory.add("f", main)
    arn = memory.start()
    memory.emulator.faults.plan(arn, LiveFault(kind=kind, times=2))
    memory.run(arn)
    assert memory.result(arn) == (2 if kind is FaultKind.THROTTLE else 1)
    assert memory.history(arn).count("StepSucceeded") == 1


def test_a_running_invocation_is_killed_now_and_may_record_nothing_more(
    memory: EmulatorRig,
) -> None:
    entered, released = threading.Event(), threading.Event()
    invocations: list[str] = []

    async def main(run: Invoked) -> Outcome:
        invocations.append(run.context.aws_request_id)
        if len(invocations) == 1:
            entered.set()
            assert released.wait(60)
            with pytest.raises(ServiceError, match="Invalid checkpoint token"):
                await run.step("s", lambda: "too late")
            return PENDING
        return succeeded(await run.step("s", lambda: "again"))

    memory.add("f", main)
    arn = memory.start()
    driving = threading.Thread(target=memory.run, args=(arn,))
    driving.start()
    try:
        assert entered.wait(60)
        memory.emulator.faults.crash(arn)
        assert memory.emulator.progress(arn).failures == 1
    finally:
        released.set()
        driving.join(60)
    assert memory.result(arn) == "again"


def test_several_faults_strike_in_the_order_in_which_they_were_planned(
    memory: EmulatorRig,
) -> None:
    Shop(memory)
    arn = memory.start()
    plan = memory.emulator.faults.plan
    plan(arn, LiveFault(kind=FaultKind.CRASH_BEFORE))
    plan(arn, LiveFault(kind=FaultKind.CRASH_BEFORE, checkpoint=2))
    plan(arn, LiveFault(kind=FaultKind.CRASH_AFTER, operation="never"))
    memory.run(arn)
    assert len(invocation_errors(memory, arn)) == 2
    (left,) = memory.emulator.faults.planned(arn)
    assert left.operation == "never"
    memory.emulator.faults.clear(arn)
    assert not memory.emulator.faults.planned(arn)


def test_faults_of_one_execution_do_not_strike_another(memory: EmulatorRig) -> None:
    Shop(memory)
    one, other = memory.start(), memory.start()
    memory.emulator.faults.plan(one, LiveFault(kind=FaultKind.CRASH_BEFORE))
    memory.run(other)
    assert not invocation_errors(memory, other)
    assert memory.emulator.faults.planned(one)


def test_an_impossible_fault_is_refused(memory: EmulatorRig) -> None:
    Shop(memory)
    arn = memory.start()
    with pytest.raises(ServiceError, match="no invocation of it runs"):
        memory.emulator.faults.crash(arn)
    for wrong in ({"checkpoint": 0}, {"times": 0}):
        with pytest.raises(ServiceError, match="from 1 on"):
            memory.emulator.faults.plan(arn, LiveFault(kind=FaultKind.THROTTLE, **wrong))
    memory.run(arn)
    with pytest.raises(ServiceError, match="SUCCEEDED"):
        memory.emulator.faults.plan(arn, LiveFault(kind=FaultKind.THROTTLE))
    with pytest.raises(ServiceError, match="not found"):
        memory.emulator.faults.plan(arn + "x", LiveFault(kind=FaultKind.THROTTLE))
