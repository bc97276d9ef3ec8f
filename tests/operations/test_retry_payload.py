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
from durable_execution_sdk.middleware import Middleware, PayloadInfo
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


def test_middleware_of_payloads_does_not_show_in_it() -> None:
    seen: list[Any] = []

    class Sealed(Middleware):
        def around_serialize(self, value: Any, info: PayloadInfo, call_next: Any) -> str:
            text = call_next(value)
            return text if info.is_foreign else f"sealed {text[::-1]}"

        def around_deserialize(self, payload: str, info: PayloadInfo, call_next: Any) -> Any:
            if info.is_foreign:
                return call_next(payload)
            value = call_next(payload.removeprefix("sealed ")[::-1])
            assert value is None or isinstance(value, int)
            return value

    def check(number: int) -> int:
        seen.append(StepContext.current().retry_payload)
        return number + 1

    config = WaitForConditionConfig(
        initial_state=10, wait_strategy=poll_until(lambda number: number == 13)
    )
    ran = seen_by(check, config, options={"middleware": [Sealed()]})
    assert ran.status == "SUCCEEDED"
    assert seen == [None, "11", "12"]


def test_a_payload_of_awss_own_sdk_is_read_without_its_tags() -> None:
    service = MemoryService()
    payload = '{"t":"m","v":{"page":{"t":"i","v":3}}}'
    service.operations["poll"] = Operation(
        id=operation_id("1"),
        type="STEP",
        sub_type="WaitForCondition",
        name="fetch",
        status="READY",
        start_timestamp=1_000,
        step_details=StepDetails(attempt=1, result=payload),
    )

    async def fetch(state: dict[str, int]) -> dict[str, int]:
        step = StepContext.current()
        assert (step.attempt, step.retry_payload) == (2, payload)
        assert step.retry_payload_as(dict[str, int]) == state == {"page": 3}
        return {"page": state["page"] + 1}

    fetch.__annotations__["return"] = dict[str, int]

    @durable_execution(client=service)
    async def handler(event: Any, ctx: DurableContext) -> Any:
        config = WaitForConditionConfig(
            initial_state={"page": 1}, wait_strategy=poll_until(lambda state: state["page"] == 4)
        )
        return await ctx.wait_for_condition(fetch, config)

    answer = handler(service.event("null"), None)
    assert answer == {"Status": "SUCCEEDED", "Result": '{"page":4}'}


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
