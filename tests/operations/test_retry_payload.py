"""``StepContext.retry_payload``: the text that the RETRY of the attempt before recorded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from tests.memory_service import MemoryService
from tests.operations.test_wait_for_condition import Forgetful
from tests.rig import run_workflow

from durable_execution_sdk import (
    CheckpointingMode,
    DurableContext,
    Duration,
    FixedDelay,
    JsonSerDes,
    SerDesError,
    StepConfig,
    StepContext,
    StepSemantics,
    WaitForConditionConfig,
    custom_serdes,
    durable_execution,
    poll_until,
)
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.protocol.operations import Operation, StepDetails
from durable_execution_sdk.runtime.log.ids import operation_id
from durable_execution_sdk.testing import LocalDurableTestRunner


@dataclass
class Job:
    checks: int = 0
    share: float = 0.5


def seen_by(check: Any, config: WaitForConditionConfig[Any], **rig: Any) -> Any:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.wait_for_condition(check, config, name="job")
        await ctx.wait(Duration(1))

    return run_workflow(workflow, **rig)


@pytest.mark.parametrize("wrappers", [Wrappers(), Wrappers(data_plane=Forgetful)])
@pytest.mark.parametrize("mode", CheckpointingMode)
def test_a_check_has_the_state_of_the_check_before(
    mode: CheckpointingMode, wrappers: Wrappers
) -> None:
    seen: list[Any] = []

    async def check(job: Job) -> Job:
        step = StepContext.current()
        seen.append((step.attempt, step.retry_payload_as(Job), bool(step.retry_payload)))
        await asyncio.sleep(0)
        assert StepContext.current().retry_payload == step.retry_payload
        return Job(job.checks + 1)

    check.__annotations__ = {"job": Job, "return": Job}
    config = WaitForConditionConfig(
        initial_state=Job(), wait_strategy=poll_until(lambda job: job.checks == 3)
    )
    ran = seen_by(check, config, options={"checkpointing": mode}, wrappers=wrappers)
    assert ran.status == "SUCCEEDED"
    assert seen == [(1, None, False), (2, Job(1), True), (3, Job(2), True)]


def test_a_plain_check_has_it_in_its_thread_as_its_serdes_wrote_it() -> None:
    seen: list[Any] = []

    def check(number: int) -> int:
        seen.append(StepContext.current().retry_payload)
        return number + 1

    config = WaitForConditionConfig(
        initial_state=0,
        wait_strategy=poll_until(lambda number: number == 3),
        serdes=custom_serdes(lambda number: f"#{number}", lambda text: int(text[1:])),
    )
    assert seen_by(check, config).status == "SUCCEEDED"
    assert seen == [None, "#1", "#2"]


@pytest.mark.parametrize("semantics", StepSemantics)
def test_a_step_that_is_tried_again_has_none_since_its_retry_records_an_error(
    semantics: StepSemantics,
) -> None:
    seen: list[Any] = []

    def body() -> int:
        step = StepContext.current()
        seen.append((step.attempt, step.retry_payload, step.retry_payload_as(int)))
        if step.attempt < 3:
            raise OSError("busy")
        return 1

    async def workflow(event: Any, ctx: DurableContext) -> int:
        config = StepConfig(semantics=semantics, retry_strategy=FixedDelay(max_attempts=3))
        return await ctx.step(body, config=config)

    assert run_workflow(workflow).result == 1
    assert seen == [(1, None, None), (2, None, None), (3, None, None)]


@pytest.mark.parametrize(
    ("payload", "pages"), [('{"page": 3}', 3), ('{"t":"m","v":{"page":{"t":"i","v":3}}}', 3)]
)
def test_a_step_has_the_payload_that_another_sdk_recorded_with_its_retry(
    payload: str, pages: int
) -> None:
    service = MemoryService()
    service.operations["step"] = Operation(
        id=operation_id("1"),
        type="STEP",
        sub_type="Step",
        name="fetch",
        status="READY",
        start_timestamp=1_000,
        step_details=StepDetails(attempt=1, result=payload),
    )

    async def fetch() -> Any:
        step = StepContext.current()
        assert (step.attempt, step.retry_payload) == (2, payload)
        return step.retry_payload_as(dict[str, int])

    @durable_execution(client=service)
    async def handler(event: Any, ctx: DurableContext) -> Any:
        return await ctx.step(fetch)

    answer = handler(service.event("null"), None)
    assert answer == {"Status": "SUCCEEDED", "Result": f'{{"page":{pages}}}'}


def test_a_payload_that_does_not_fit_the_type_names_the_operation() -> None:
    errors: list[str] = []

    def check(number: int) -> int:
        try:
            StepContext.current().retry_payload_as(Job)
        except SerDesError as error:
            errors.append(str(error))
        return number + 1

    config = WaitForConditionConfig(
        initial_state=0,
        wait_strategy=poll_until(lambda number: number == 2),
        serdes=JsonSerDes(int),
    )
    assert seen_by(check, config).status == "SUCCEEDED"
    [error] = errors
    assert "the retry payload of 'job'" in error
    assert "Job" in error


@pytest.mark.parametrize("page_size", [None, 1])
def test_a_check_that_a_crash_cut_off_has_it_again(page_size: int | None) -> None:
    seen: list[Any] = []

    async def check(number: int) -> int:
        seen.append(StepContext.current().retry_payload)
        await asyncio.sleep(0)
        return number + 1

    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = WaitForConditionConfig(
            initial_state=0, wait_strategy=poll_until(lambda number: number == 3)
        )
        return await ctx.wait_for_condition(check, config, name="job")

    runner = LocalDurableTestRunner(workflow, page_size=page_size)
    runner.faults.crash_in("job", attempt=2)
    assert runner.run_sync().result == 3
    assert seen == [None, "1", "1", "2"]
