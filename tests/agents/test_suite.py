"""The suite of all adapters: the same agents and checks for each."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.agents.driver import Call, Driver, Spec, Turn
from tests.agents.scenarios import WORLD, ask_manager, driver_of, handler_of, look, rest

from durable_execution_sdk import DurableContext, Duration, durable_execution
from durable_execution_sdk.agents import ModelBackoff, ModelOptions, at_most_once, tool_options
from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
    save_history,
)

pytestmark = pytest.mark.agents

ADAPTERS = ("pydantic_ai", "openai", "strands", "langchain")
ROOT = Path(__file__).parents[2]


def _is_here(adapter: str) -> bool:
    try:
        driver_of(adapter)
    except ModuleNotFoundError:
        return False
    return True


INSTALLED = [adapter for adapter in ADAPTERS if _is_here(adapter)]
if not INSTALLED:
    pytest.skip("no framework of agents is installed", allow_module_level=True)


@pytest.fixture(params=INSTALLED)
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def driver(adapter: str) -> Driver:
    return driver_of(adapter)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    WORLD.clear()


def run(adapter: str, scenario: str, **options: Any) -> Any:
    return LocalDurableTestRunner(handler_of(adapter, scenario, **options)).run_sync({})


def names(result: Any) -> list[str]:
    return [each.name for each in result.operations]


def test_three_tools_run_at_once_and_replay_returns_what_is_recorded(adapter: str) -> None:
    result = run(adapter, "parallel", pause=True)
    assert result.result == {"output": "all sunny", "requests": 2, "tokens": [20, 10]}
    assert WORLD.peak == 3
    assert WORLD.done == {"requests": 2, "look Rome": 1, "look Oslo": 1, "look Bonn": 1}
    expected = ["clerk: model", "look", "look", "look", "clerk: model", "pause"]
    assert names(result) == expected


def test_the_model_sees_the_results_of_its_tools(adapter: str) -> None:
    run(adapter, "parallel")
    for place in ("Rome", "Oslo", "Bonn"):
        assert f"sun in {place}" in WORLD.seen[1]


def test_replay_in_a_new_process(adapter: str, tmp_path: Path) -> None:
    result = run(adapter, "parallel", pause=True)
    history = tmp_path / "history.json"
    save_history(result, history)
    command = [
        sys.executable,
        "-m",
        "tests.agents.replay_elsewhere",
        adapter,
        "parallel",
        str(history),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("scenario", ["parallel", "rest", "failing", "streaming"])
def test_a_crash_at_every_checkpoint_changes_nothing(adapter: str, scenario: str) -> None:
    check_crash_safety_sync(handler_of(adapter, scenario), {}, setup=WORLD.clear).raise_if_failed()


def _answer(runner: Any) -> Any:
    runner.sync.start({})
    runner.sync.wait_for_callback("manager").succeed("yes")
    return runner.sync.complete()


def test_a_crash_at_every_checkpoint_with_a_person_in_the_middle(adapter: str) -> None:
    handler = handler_of(adapter, "person")
    check_crash_safety_sync(handler, play=_answer, setup=WORLD.clear).raise_if_failed()


@pytest.mark.parametrize("scenario", ["parallel", "rest"])
def test_twenty_schedules(adapter: str, scenario: str) -> None:
    check_schedules_sync(handler_of(adapter, scenario), {}, setup=WORLD.clear).raise_if_failed()


def test_twenty_schedules_with_a_person_in_the_middle(adapter: str) -> None:
    handler = handler_of(adapter, "person")
    check_schedules_sync(handler, play=_answer, setup=WORLD.clear).raise_if_failed()


def test_other_tools_run_while_a_person_thinks(adapter: str) -> None:
    runner = LocalDurableTestRunner(handler_of(adapter, "person")).sync
    runner.start({})
    callback = runner.wait_for_callback("manager")
    assert WORLD.done == {"requests": 1, "look Rome": 1, "look Oslo": 1}
    callback.succeed("yes")
    result = runner.complete()
    assert result.result["output"] == "settled"
    assert "the manager says yes" in WORLD.seen[1]
    submitter = result.operation("manager submitter")
    assert submitter.result == {"question": "May I?", "about": {"urgent": True}}


@pytest.mark.parametrize("approved", [True, False])
def test_a_person_approves_a_call(adapter: str, approved: bool) -> None:
    runner = LocalDurableTestRunner(handler_of(adapter, "approval")).sync
    runner.start({})
    answer = {"approved": approved, "comment": "too much"}
    runner.wait_for_callback("approve transfer").succeed(answer)
    result = runner.complete()
    assert result.result["output"] == "done"
    assert WORLD.done["transfer"] == approved
    told = "transferred 90" if approved else "did not approve this call of transfer: too much"
    assert told in WORLD.seen[1]
    about = {"tool": "transfer", "arguments": {"amount": 90}}
    assert result.operation("approve transfer submitter").result["about"] == about


def test_nobody_answers_in_time(adapter: str) -> None:
    assert run(adapter, "approval").result["output"] == "done"
    assert not WORLD.done["transfer"]
    assert "no answer came in time" in WORLD.seen[1]


def test_an_approval_by_the_tools_name(adapter: str) -> None:
    runner = LocalDurableTestRunner(handler_of(adapter, "approval_by_name")).sync
    runner.start({})
    runner.wait_for_callback("approve look").succeed({"approved": True})
    assert runner.complete().result["output"] == "done"
    assert WORLD.done["look Rome"] == 1


def test_a_failing_tool_goes_back_to_the_model_at_once(adapter: str) -> None:
    result = run(adapter, "failing")
    assert result.result["output"] == "no such order"
    assert WORLD.done["find"] == 1
    assert "there is no order 17" in WORLD.seen[1]


@pytest.mark.parametrize("scenario", ["once", "once_by_name"])
def test_an_at_most_once_tool_is_not_run_again_and_ends_the_run(
    adapter: str, scenario: str
) -> None:
    tool = "refund" if scenario == "once" else "look"
    runner = LocalDurableTestRunner(handler_of(adapter, scenario))
    runner.crash_in(tool)
    result = runner.run_sync({})
    assert result.status == "FAILED"
    assert result.error is not None
    assert result.error.is_a("StepInterruptedError")
    assert names(result) == ["clerk: model", tool]
    assert not WORLD.done[f"{tool} Rome"]
    assert WORLD.done["requests"] == 1


@at_most_once
async def pay_much(order: str) -> str:
    """Pay, and return more than a record holds."""
    WORLD.done["pay"] += 1
    return "x" * 2_000_000


@at_most_once
@tool_options(timeout=Duration.from_seconds(0.01))
async def pay_slowly(order: str) -> str:
    """Pay, and take long."""
    WORLD.done["pay"] += 1
    await asyncio.Event().wait()
    return "paid"


@pytest.mark.parametrize("tool", [pay_much, pay_slowly])
def test_the_model_does_not_repeat_an_at_most_once_call_of_which_nothing_tells_the_effect(
    driver: Driver, tool: Any
) -> None:
    call = Turn(calls=(Call(tool.__name__, {"order": "17"}),))
    spec = Spec(turns=[call, call, Turn(text="done")], tools=[tool], on_request=WORLD.look_at)

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        return (await driver.run(spec)).output

    result = LocalDurableTestRunner(handler).run_sync({})
    assert result.status == "FAILED"
    assert result.error is not None
    assert result.error.is_a("PayloadSizeError" if tool is pay_much else "StepTimeoutError")
    assert WORLD.done == {"pay": 1, "requests": 1}


def test_two_tools_ask_a_person_at_once(driver: Driver) -> None:
    turns = [
        Turn(calls=tuple(Call("ask_manager", {"question": each}) for each in ("May I?", "And?"))),
        Turn(text="settled"),
    ]
    spec = Spec(turns=turns, tools=[ask_manager], on_request=WORLD.look_at)

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        return (await driver.run(spec)).output

    runner = LocalDurableTestRunner(handler).sync
    runner.start({})
    first = runner.wait_for_callback("manager")
    first.succeed("yes")
    runner.wait_for_callback("manager").succeed("no")
    result = runner.complete()
    assert result.result == "settled"
    assert "the manager says yes" in WORLD.seen[1]
    assert "the manager says no" in WORLD.seen[1]
    check_replay_sync(handler, result).raise_if_failed()


def test_a_changed_prompt_is_taken_for_the_requests_that_are_left(adapter: str) -> None:
    result = run(adapter, "parallel", pause=True)
    WORLD.clear()
    WORLD.prompt, WORLD.instructions = "stop", "be thorough"
    check_replay_sync(handler_of(adapter, "parallel", pause=True), result).raise_if_failed()
    assert not WORLD.done


def test_fifty_turns(adapter: str) -> None:
    result = run(adapter, "long", pause=True)
    assert result.result == {"output": "seen it all", "requests": 50, "tokens": [500, 250]}
    assert WORLD.done["requests"] == 50
    assert len(result.operations) == 100


def test_structured_output(adapter: str, driver: Driver) -> None:
    if "structured" in driver.lacks:
        pytest.skip("the framework has none")
    assert run(adapter, "structured", pause=True).result["output"] == ["Rome", 21]


def test_the_models_answer_is_streamed_inside_its_step_and_once(
    adapter: str, driver: Driver
) -> None:
    if "streaming" in driver.lacks:
        pytest.skip("the framework has none")
    result = run(adapter, "streaming", pause=True)
    assert (
        "".join(WORLD.texts).split() == result.result["output"].split() == ["one", "two", "three"]
    )
    assert names(result) == ["clerk: model", "pause"]


def test_a_limit_of_requests_counts_each_once(adapter: str, driver: Driver) -> None:
    if "request_limit" in driver.lacks:
        pytest.skip("the framework has none")
    result = run(adapter, "limited", pause=True)
    assert result.status == "FAILED"
    assert result.error.error_type == driver.limit_error
    assert run(adapter, "limit_kept", pause=True).result["requests"] == 2


class Overloaded(Exception):
    status_code = 429

    class response:
        headers = {"retry-after": "40"}


class Denied(Exception):
    status_code = 401


def _failing_once(error: type[Exception]) -> Any:
    tried: list[int] = []

    def fail(number: int) -> None:
        tried.append(number)
        if len(tried) == 1:
            raise error

    return fail


def test_a_model_request_is_repeated_when_the_provider_asks_for_it(adapter: str) -> None:
    WORLD.fails = _failing_once(Overloaded)
    result = run(adapter, "parallel")
    assert result.result["requests"] == 2
    assert WORLD.done["requests"] == 3
    step = result.operations[0]
    assert step.attempt == 2
    assert step.duration is not None
    assert 40 <= step.duration.total_seconds() < 60


def test_a_refused_model_request_is_not_repeated(adapter: str) -> None:
    WORLD.fails = _failing_once(Denied)
    result = run(adapter, "parallel")
    assert result.status == "FAILED"
    assert WORLD.done["requests"] == 1


def test_a_cancelled_run_stops_and_replays(adapter: str, driver: Driver) -> None:
    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> str:
        turns = [Turn(calls=(Call("rest", {"days": 2}),)), Turn(text="rested")]
        task = asyncio.create_task(driver.run(Spec(turns=turns, tools=[rest])))
        await ctx.wait(Duration.from_seconds(30), name="patience")
        task.cancel()
        await asyncio.wait([task])
        await ctx.wait(Duration.from_days(5), name="pause")
        return "cancelled" if task.cancelled() else "ended"

    result = LocalDurableTestRunner(handler).run_sync({})
    assert result.result == "cancelled"
    (tool,) = (each for each in result.operations if each.name == "rest" and each.type == "CONTEXT")
    assert tool.status == "FAILED"
    assert tool.error_object is not None
    assert tool.error_object.error_type == "OperationCancelled"
    check_replay_sync(handler, result).raise_if_failed()


def test_options_of_a_tool_that_is_not_there_are_refused(adapter: str) -> None:
    result = run(adapter, "unknown_tool")
    assert result.status == "FAILED"
    assert "'lok'" in result.error.error_message
    assert not WORLD.done


def test_without_a_handler_the_agent_is_as_it_was(driver: Driver) -> None:
    spec = Spec(
        turns=[Turn(calls=(Call("look", {"place": "Rome"}),)), Turn(text="sunny")],
        tools=[look],
        model=ModelOptions(retry_strategy=ModelBackoff()),
    )
    outcome = asyncio.run(driver.run(spec))
    assert (outcome.output, outcome.requests) == ("sunny", 2)


def test_in_a_step_the_agent_is_recorded_as_a_whole(driver: Driver) -> None:
    async def agent() -> str:
        spec = Spec(
            turns=[Turn(calls=(Call("look", {"place": "Rome"}),)), Turn(text="sunny")], tools=[look]
        )
        return str((await driver.run(spec)).output)

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(agent, name="whole")

    result = LocalDurableTestRunner(handler).run_sync({})
    assert (result.result, names(result)) == ("sunny", ["whole"])
