"""``wait_for_condition``: the state that is passed from check to check, and the ends of polls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace
from tests.rig import rig_of, run_workflow

from durable_execution_sdk import (
    CheckpointingMode,
    ConfigError,
    DurableContext,
    DurableError,
    Duration,
    StepContext,
    WaitDecision,
    WaitForConditionConfig,
    WaitForConditionError,
    poll_until,
    poll_while,
)
from durable_execution_sdk.emulator.function_caller import Wrappers


@dataclass
class Job:
    polls: int = 0
    done: bool = False


def test_the_state_goes_from_check_to_check_and_the_last_one_comes_back() -> None:
    seen: list[Any] = []

    async def check(job: Job) -> Job:
        assert type(job) is Job
        seen.append((job.polls, StepContext.current().attempt))
        return Job(job.polls + 1, done=job.polls == 2)

    check.__annotations__["return"] = Job

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        strategy = poll_until(lambda job: job.done, initial_delay=Duration(5), backoff_rate=1)
        config = WaitForConditionConfig(initial_state=Job(), wait_strategy=strategy)
        job = await ctx.wait_for_condition(check, config)
        await ctx.wait(Duration(1))
        return job.polls

    ran = run_workflow(workflow)
    assert seen == [(0, 1), (1, 2), (2, 3)]
    assert ran.result == 3
    subtypes = {e.sub_type for e in ran.events if e.event_type == "StepStarted"}
    assert subtypes == {"WaitForCondition"}


def test_a_plain_check_will_do() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = WaitForConditionConfig(
            initial_state=1, wait_strategy=poll_while(lambda n: n < 8, initial_delay=Duration(1))
        )
        return await ctx.wait_for_condition(lambda n: n * 2, config, name="doubling")

    assert run_workflow(workflow).result == 8


def test_a_timer_that_is_not_due_is_not_polled_early() -> None:
    checks: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        def check(n: int) -> int:
            checks.append(round((rig.clock.now() - begun) / 1000))
            return n + 1

        config = WaitForConditionConfig(initial_state=0, wait_strategy=lambda n, _: delayed(n))
        poll = ctx.wait_for_condition(check, config)
        for _ in range(5):
            await ctx.wait(Duration(7))
        return await poll

    def delayed(n: int) -> WaitDecision:
        return WaitDecision.stop() if n == 3 else WaitDecision.continue_after(Duration(20))

    rig = rig_of(workflow)
    begun = rig.clock.now()
    assert rig.run().result == 3
    assert checks == [0, 20, 40]


def test_running_out_of_checks_raises_and_tells_the_last_state() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        strategy = poll_until(lambda _: False, max_attempts=3, initial_delay=Duration(1))
        config = WaitForConditionConfig(initial_state=0, wait_strategy=strategy)
        try:
            await ctx.wait_for_condition(lambda n: n + 1, config, name="vain")
        except WaitForConditionError as error:
            return [error.error_type, str(error)]

    kind, message = run_workflow(workflow).result
    assert kind == "WaitForConditionError"
    assert "'vain'" in message
    assert "3 checks" in message
    assert message.endswith("3")


def test_an_exception_in_a_check_fails_the_operation_without_a_retry() -> None:
    async def check(n: int) -> int:
        raise LookupError("gone")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = WaitForConditionConfig(initial_state=0, wait_strategy=poll_until(bool))
        try:
            await ctx.wait_for_condition(check, config)
        except WaitForConditionError as error:
            return [isinstance(error, LookupError), str(error)]

    ran = run_workflow(workflow)
    assert ran.result == [True, "gone"]
    assert ran.types().count("StepStarted") == 1


def test_an_invocation_error_in_a_check_ends_only_the_invocation() -> None:
    runs: list[int] = []

    async def check(n: int) -> int:
        runs.append(n)
        if len(runs) == 1:
            raise DurableError.invocation("later")
        return n + 1

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = WaitForConditionConfig(initial_state=5, wait_strategy=poll_until(bool))
        return await ctx.wait_for_condition(check, config)

    ran = run_workflow(workflow)
    assert (ran.result, runs) == (6, [5, 5])


@pytest.mark.parametrize("answer", [None, True, "STOP"])
def test_a_strategy_that_answers_nonsense_fails_the_operation_by_name(answer: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = WaitForConditionConfig(initial_state=0, wait_strategy=lambda *_: answer)
        await ctx.wait_for_condition(lambda n: n, config, name="odd")

    ran = run_workflow(workflow)
    assert ran.error.error_type == "ConfigError"
    assert "'odd'" in ran.error.error_message


def test_a_predicate_that_is_a_coroutine_function_is_refused() -> None:
    async def done(n: int) -> bool:
        return True

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = WaitForConditionConfig(initial_state=0, wait_strategy=poll_until(done))  # type: ignore[arg-type]
        await ctx.wait_for_condition(lambda n: n, config, name="odd")

    ran = run_workflow(workflow)
    assert ran.error.error_type == "ConfigError"
    assert "coroutine" in ran.error.error_message


def test_the_strategy_sees_the_state_as_the_log_gives_it_back() -> None:
    seen: list[Any] = []

    def strategy(state: Any, _: int) -> WaitDecision:
        seen.append(state)
        return WaitDecision.stop()

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = WaitForConditionConfig(initial_state=(), wait_strategy=strategy)
        return await ctx.wait_for_condition(lambda _: (1, 2), config, name="tuple")

    assert run_workflow(workflow).result == [1, 2]
    assert seen == [[1, 2]]


def test_a_missing_or_wrong_config_is_refused() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        with pytest.raises(ConfigError, match="initial_state"):
            ctx.wait_for_condition(lambda n: n, None)  # type: ignore[arg-type]

    assert run_workflow(workflow).status == "SUCCEEDED"
    with pytest.raises(ConfigError, match="wait_strategy"):
        WaitForConditionConfig(initial_state=0, wait_strategy=5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="serdes"):
        WaitForConditionConfig(initial_state=0, wait_strategy=poll_until(bool), serdes=5)  # type: ignore[arg-type]


class Forgetful:
    """A service whose answer to START does not contain the state, like AWS's local runner."""

    def __init__(self, plane: Any) -> None:
        self.plane, self.now, self.get_state = plane, plane.now, plane.get_state

    async def checkpoint(self, request: Any) -> Any:
        response = await self.plane.checkpoint(request)
        operations = [
            replace(op, step_details=replace(op.step_details, result=None))
            if op.step_details is not None and op.status == "STARTED"
            else op
            for op in response.operations
        ]
        return replace(response, operations=operations)


@pytest.mark.parametrize("mode", CheckpointingMode)
def test_the_state_is_kept_when_the_answer_to_a_start_leaves_it_out(
    mode: CheckpointingMode,
) -> None:
    seen: list[int] = []

    async def count(state: int) -> int:
        seen.append(state)
        return state + 1

    async def workflow(event: Any, ctx: DurableContext) -> list[int]:
        config = WaitForConditionConfig(
            initial_state=10, wait_strategy=poll_until(lambda state: state >= 13)
        )
        polls = [ctx.wait_for_condition(count, config=config, name="count") for _ in range(2)]
        return list(await asyncio.gather(*polls))

    ran = rig_of(
        workflow, options={"checkpointing": mode}, wrappers=Wrappers(data_plane=Forgetful)
    ).run()
    assert ran.result == [13, 13]
    assert sorted(seen) == [10, 10, 11, 11, 12, 12]
