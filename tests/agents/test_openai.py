"""The adapter for the OpenAI Agents SDK: handoffs, agents as tools, guardrails, sessions, streams, MCP."""

from __future__ import annotations

import asyncio
import copy
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("agents")

import mcp.types
import openai
from agents import (
    Agent,
    FunctionTool,
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailTripwireTriggered,
    LocalShellTool,
    ModelResponse,
    ModelRetrySettings,
    ModelSettings,
    OpenAIProvider,
    RunConfig,
    RunHooks,
    Runner,
    SQLiteSession,
    ToolOutputImage,
    Usage,
    function_tool,
    handoff,
    retry_policies,
    set_trace_processors,
    set_tracing_disabled,
)
from agents.mcp import MCPServer
from agents.tracing import TracingProcessor
from openai.types.responses import Response
from tests.agents.driver import Call, Spec, Turn
from tests.agents.drivers.openai import FakeModel

from durable_execution_sdk import (
    ConfigError,
    DurableContext,
    Duration,
    FixedDelay,
    StepInterruptedError,
    durable_execution,
)
from durable_execution_sdk.agents import (
    ToolOptions,
    ask_person,
    at_most_once,
    human_approval,
    in_workflow,
    tool_options,
)
from durable_execution_sdk.agents.openai import DurableRunner, DurableSession, WorkflowSession
from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)

pytestmark = pytest.mark.agents


def calls(*named: str, **arguments: Any) -> Turn:
    return Turn(calls=tuple(Call(name, arguments) for name in named))


def model(*turns: Turn | str, **options: Any) -> FakeModel:
    spec = [Turn(text=each) if isinstance(each, str) else each for each in turns]
    return FakeModel(Spec(turns=spec, **options))


def names(result: Any) -> list[str]:
    return [each.name for each in result.operations]


def play(workflow: Any) -> Any:
    """Run a workflow ``async def workflow(ctx)`` that waits a day at its end, so that it is replayed."""

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        result = await workflow(ctx)
        await ctx.wait(Duration.from_days(1), name="pause")
        return result

    return LocalDurableTestRunner(handler).run_sync({})


@function_tool
async def look(place: str) -> str:
    """Look at a place."""
    return f"sun in {place}"


# Handoffs.


def two_agents(**options: Any) -> Agent[Any]:
    script = model(calls("transfer_to_billing"), calls("look", place="Rome"), "paid")
    billing = Agent[Any](name="billing", model=script, tools=[look])
    triage = Agent[Any](
        name="triage", model=script, handoffs=[handoff(billing, **options) if options else billing]
    )
    billing.handoffs.append(triage)
    return triage


@pytest.mark.parametrize("options", [{}, {"tool_description_override": "Bills."}])
def test_a_handoff_goes_on_in_steps_of_the_other_agent(options: dict[str, Any]) -> None:
    triage = two_agents(**options)

    async def workflow(ctx: DurableContext) -> list[str]:
        result = await DurableRunner.run(triage, "go")
        return [result.final_output, result.last_agent.name]

    result = play(workflow)
    assert result.result == ["paid", "billing"]
    assert names(result) == ["triage: model", "billing: model", "look", "billing: model", "pause"]


def test_an_agent_that_is_known_when_the_handoff_is_made_is_durable() -> None:
    script = model(calls("transfer_to_billing"), "paid")
    triage = Agent[Any](name="triage", model=script)
    found = handoff(Agent[Any](name="billing", model=script))

    async def find(context: Any, arguments: str) -> Agent[Any]:
        return Agent[Any](name="billing 7", model=script)

    found.on_invoke_handoff = find
    triage.handoffs = [found]

    async def workflow(ctx: DurableContext) -> str:
        return str((await DurableRunner.run(triage, "go")).final_output)

    assert names(play(workflow)) == ["triage: model", "billing 7: model", "pause"]


def test_hooks_and_results_have_the_agents_that_were_given() -> None:
    triage = two_agents()
    seen: list[Any] = []

    class Hooks(RunHooks[Any]):
        async def on_handoff(self, context: Any, from_agent: Any, to_agent: Any) -> None:
            seen.append((from_agent, to_agent))

    async def workflow(ctx: DurableContext) -> bool:
        result = await DurableRunner.run(triage, "go", hooks=Hooks())
        return result.last_agent is triage.handoffs[0]

    assert play(workflow).result is True
    assert seen[0][0] is triage
    assert seen[0][1] is triage.handoffs[0]


# Agents as tools.


def test_an_agent_as_a_tool_has_steps_of_its_own_and_its_usage_counts_once() -> None:
    helper = Agent[Any](
        name="helper", model=model(calls("look", place="Rome"), "sunny"), tools=[look]
    )
    lead = Agent[Any](
        name="lead",
        model=model(calls("ask", "ask", input="?"), "done"),
        tools=[helper.as_tool("ask", "Ask.")],
    )

    async def workflow(ctx: DurableContext) -> int:
        result = await DurableRunner.run(lead, "go")
        return result.context_wrapper.usage.requests

    result = play(workflow)
    assert result.result == 6
    assert sorted(names(result)) == sorted(
        ["lead: model", *["helper: model", "look", "helper: model"] * 2, "lead: model", "pause"]
    )


def test_a_call_that_was_cut_off_in_an_agent_as_a_tool_ends_the_whole_run() -> None:
    @function_tool
    @at_most_once
    async def refund() -> str:
        raise StepInterruptedError("cut off")

    helper = Agent[Any](name="helper", model=model(calls("refund"), "?"), tools=[refund])
    lead = Agent[Any](
        name="lead",
        model=model(calls("ask", input="?"), "?"),
        tools=[helper.as_tool("ask", "Ask.")],
    )

    async def workflow(ctx: DurableContext) -> None:
        await DurableRunner.run(lead, "go")

    result = play(workflow)
    assert isinstance(result.error, StepInterruptedError)
    assert names(result) == ["lead: model", "helper: model", "refund"]


def test_an_agent_as_a_tool_can_need_an_approval() -> None:
    helper = Agent[Any](name="helper", model=model("sunny"))
    lead = Agent[Any](
        name="lead",
        model=model(calls("ask", input="?"), "done"),
        tools=[helper.as_tool("ask", "Ask.")],
    )

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> str:
        approved = {"ask": ToolOptions(approval=human_approval())}
        return str((await DurableRunner.run(lead, "go", tools=approved)).final_output)

    runner = LocalDurableTestRunner(handler).sync
    runner.start({})
    runner.wait_for_callback("approve ask").succeed({"approved": True})
    assert runner.complete().result == "done"


@pytest.mark.parametrize("streamed", [False, True])
def test_handoffs_and_agents_as_tools_survive_crashes_and_schedules(streamed: bool) -> None:
    helper = Agent[Any](
        name="helper", model=model(calls("look", place="Rome"), "sunny"), tools=[look]
    )
    triage = two_agents()
    triage.tools = [helper.as_tool("ask", "Ask.")]
    script = model(calls("ask", "ask", input="?"), calls("transfer_to_billing"), "paid")
    triage.model = script
    triage.handoffs[0].model = script  # type: ignore[union-attr]

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> list[Any]:
        if streamed:
            result: Any = DurableRunner.run_streamed(triage, "go")
            async for _ in result.stream_events():
                pass
        else:
            result = await DurableRunner.run(triage, "go")
        return [result.final_output, result.context_wrapper.usage.requests]

    result = LocalDurableTestRunner(handler).run_sync({})
    assert result.result == ["paid", 7]
    check_crash_safety_sync(handler, {}).raise_if_failed()
    check_schedules_sync(handler, {}, seeds=range(5)).raise_if_failed()


# Guardrails.


@pytest.mark.parametrize("trips", [True, False])
def test_a_guardrail_runs_beside_the_model_and_may_stop_it(trips: bool) -> None:
    async def check(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
        ctx = DurableContext.current()
        await ctx.wait(Duration.from_seconds(5), name="check")
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=trips)

    guard = InputGuardrail(guardrail_function=check, run_in_parallel=True)
    agent = Agent[Any](name="clerk", model=model("hello"), input_guardrails=[guard])

    async def workflow(ctx: DurableContext) -> str:
        try:
            return str((await DurableRunner.run(agent, "go")).final_output)
        except InputGuardrailTripwireTriggered:
            return "stopped"

    result = play(workflow)
    assert result.result == ("stopped" if trips else "hello")


# Tools.


@dataclass
class Weather:
    degrees: int


def test_the_result_of_a_tool_has_its_type_where_the_run_ends_with_it() -> None:
    @function_tool
    async def measure() -> Weather:
        return Weather(21)

    agent = Agent[Any](
        name="clerk",
        model=model(calls("measure")),
        tools=[measure],
        output_type=Weather,
        tool_use_behavior="stop_on_first_tool",
    )

    async def workflow(ctx: DurableContext) -> bool:
        return (await DurableRunner.run(agent, "go")).final_output == Weather(21)

    result = play(workflow)
    assert result.result is True
    assert result.operation("measure").result == {"degrees": 21}


class Opaque:
    def __repr__(self) -> str:
        return "opaque"


# Annotations that the value does not keep too: the framework tells the model what the function returns.
@pytest.mark.parametrize("kind", [None, Any, Opaque, str, int, dict, list[str], Weather])
@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"a": [1, None]}, "{'a': [1, None]}"),
        ({"degrees": 4}, "{'degrees': 4}"),
        ({1: "a"}, "{1: 'a'}"),
        ((1, 2), "(1, 2)"),
        (7, "'7'"),
        ("text", "'text'"),
        (float("nan"), "nan"),
        (Weather(3), "Weather(degrees=3)"),
        (Opaque(), "opaque"),
        (None, "None"),
        (ToolOutputImage(file_id="f"), "'type': 'input_image', 'file_id': 'f'"),
        ([ToolOutputImage(file_id="f")], "'type': 'input_image', 'file_id': 'f'"),
    ],
)
def test_the_model_is_told_what_the_framework_would_tell_it(
    value: Any, told: str, kind: Any
) -> None:
    async def untyped():  # type: ignore[no-untyped-def]
        return value

    if kind is not None:
        untyped.__annotations__["return"] = kind
    give = function_tool(untyped, name_override="give")

    def agent_telling(seen: list[str]) -> Agent[Any]:
        script = model(calls("give"), "done", on_request=lambda _, text: seen.append(text))
        return Agent[Any](name="clerk", model=script, tools=[give])

    plainly: list[str] = []
    asyncio.run(Runner.run(agent_telling(plainly), "go"))
    durably: list[str] = []
    agent = agent_telling(durably)

    async def workflow(ctx: DurableContext) -> None:
        await DurableRunner.run(agent, "go")

    assert play(workflow).status == "SUCCEEDED"
    assert told in durably[1]
    assert durably == plainly


def failing(**options: Any) -> tuple[Agent[Any], list[int]]:
    tried: list[int] = []

    @function_tool(**options)
    @tool_options(retry_strategy=options.pop("retry", None))
    async def flaky() -> str:
        tried.append(1)
        raise ConnectionError("no route")

    return Agent[Any](name="clerk", model=model(calls("flaky"), "well"), tools=[flaky]), tried


def test_the_errors_of_tools_go_to_the_model_as_the_framework_has_it() -> None:
    agent, tried = failing()

    async def workflow(ctx: DurableContext) -> str:
        return str((await DurableRunner.run(agent, "go")).final_output)

    result = play(workflow)
    assert result.result == "well"
    assert len(tried) == 1
    assert result.operation("flaky").status == "FAILED"


def test_a_tool_with_a_retry_strategy_is_retried_before_the_model_is_told() -> None:
    tried: list[int] = []

    @function_tool
    @tool_options(retry_strategy=FixedDelay(delay=Duration.from_minutes(1), max_attempts=3))
    async def flaky() -> str:
        tried.append(1)
        raise ConnectionError("no route")

    agent = Agent[Any](name="clerk", model=model(calls("flaky"), "well"), tools=[flaky])

    async def workflow(ctx: DurableContext) -> str:
        return str((await DurableRunner.run(agent, "go")).final_output)

    assert play(workflow).result == "well"
    assert len(tried) == 3


def test_arguments_that_do_not_fit_go_to_the_model_without_retries() -> None:
    asked: list[str] = []
    script = model(
        calls("look", town="Rome"), "oh", on_request=lambda number, text: asked.append(text)
    )
    agent = Agent[Any](name="clerk", model=script, tools=[look])

    async def workflow(ctx: DurableContext) -> str:
        return str((await DurableRunner.run(agent, "go")).final_output)

    result = play(workflow)
    assert result.result == "oh"
    assert result.operation("look").attempt == 1


def test_a_tool_that_hands_no_errors_on_is_retried_and_then_ends_the_run() -> None:
    agent, tried = failing(failure_error_function=None)

    async def workflow(ctx: DurableContext) -> None:
        await DurableRunner.run(agent, "go")

    result = play(workflow)
    assert result.status == "FAILED"
    assert "no route" in result.error.error_message
    assert len(tried) == 6


def test_a_failing_tool_stops_those_beside_it() -> None:
    ended: list[str] = []

    @function_tool(failure_error_function=None)
    @tool_options(retry_strategy=FixedDelay(max_attempts=1))
    async def fail() -> str:
        raise ConnectionError("no route")

    @function_tool
    @in_workflow
    async def rest() -> str:
        try:
            await DurableContext.current().wait(Duration.from_days(300), name="rest")
        finally:
            ended.append("rest")
        return "rested"

    agent = Agent[Any](name="clerk", model=model(calls("fail", "rest"), "?"), tools=[fail, rest])

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> str:
        try:
            await DurableRunner.run(agent, "go")
        except Exception as error:
            await ctx.wait(Duration.from_days(1), name="pause")
            return str(error)
        return "?"

    runner = LocalDurableTestRunner(handler)
    result = runner.run_sync({})
    assert "no route" in result.result
    assert result.duration.days < 2
    check_schedules_sync(handler, {}).raise_if_failed()
    check_crash_safety_sync(handler, {}).raise_if_failed()


def test_a_tool_of_a_function_of_its_own_is_a_step() -> None:
    async def invoke(context: Any, arguments: str) -> str:
        return f"got {arguments}"

    tool = FunctionTool(
        name="own",
        description="",
        params_json_schema={"type": "object", "properties": {}, "additionalProperties": False},
        on_invoke_tool=invoke,
    )
    agent = Agent[Any](name="clerk", model=model(calls("own"), "done"), tools=[tool])

    async def workflow(ctx: DurableContext) -> str:
        return str((await DurableRunner.run(agent, "go")).final_output)

    result = play(workflow)
    assert result.operation("own").result == "got {}"


def test_a_copy_of_a_durable_tool_keeps_its_marks() -> None:
    @function_tool
    @at_most_once
    async def refund() -> str:
        await asyncio.sleep(0.001)
        return "refunded"

    agent = Agent[Any](name="clerk", model=model(calls("refund"), "?"), tools=[refund])

    async def workflow(ctx: DurableContext) -> None:
        await DurableRunner.run(agent, "go")

    assert play(workflow).status == "SUCCEEDED"
    agent.tools = [copy.copy(agent.tools[0])]

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> None:
        await DurableRunner.run(agent, "go")

    runner = LocalDurableTestRunner(handler)
    runner.crash_in("refund")
    assert isinstance(runner.run_sync({}).error, StepInterruptedError)


def test_the_time_limit_of_a_tool_is_told_to_the_model() -> None:
    @function_tool(timeout=5)
    @in_workflow
    async def rest() -> str:
        await DurableContext.current().wait(Duration.from_days(300), name="rest")
        return "rested"

    agent = Agent[Any](name="clerk", model=model(calls("rest"), "late"), tools=[rest])

    async def workflow(ctx: DurableContext) -> str:
        return str((await DurableRunner.run(agent, "go")).final_output)

    result = play(workflow)
    assert result.result == "late"
    assert result.duration.days < 2


def test_a_tool_that_works_on_the_machine_is_refused() -> None:
    shell = LocalShellTool(executor=lambda request: "")
    agent = Agent[Any](name="clerk", model=model("?"), tools=[shell])

    async def workflow(ctx: DurableContext) -> None:
        await DurableRunner.run(agent, "go")

    result = play(workflow)
    assert isinstance(result.error, ConfigError)
    assert "LocalShellTool" in result.error.args[0]


# The framework's own approvals.


def test_an_interrupted_run_goes_on_from_its_state() -> None:
    paid: list[str] = []

    @function_tool(needs_approval=True)
    async def pay() -> str:
        paid.append("once")
        return "paid"

    agent = Agent[Any](name="clerk", model=model(calls("pay", "look", place="Rome"), "done"))
    agent.tools = [pay, look]

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> str:
        result = await DurableRunner.run(agent, "go")
        while result.interruptions:
            state = result.to_state()
            for item in result.interruptions:
                if await ask_person(f"May it {item.name}?", result_type=bool, name="approval"):
                    state.approve(item)
                else:
                    state.reject(item)
            result = await DurableRunner.run(agent, state)
        return str(result.final_output)

    def answer(runner: Any) -> Any:
        runner.sync.start({})
        runner.sync.wait_for_callback("approval").succeed(True)
        return runner.sync.complete()

    result = answer(LocalDurableTestRunner(handler))
    assert result.result == "done"
    assert paid == ["once"]
    check_crash_safety_sync(handler, play=answer).raise_if_failed()


# Requests to models.


def overloaded(number: int, seen: str) -> None:
    response: Any = SimpleNamespace(request=None, status_code=429, headers={"retry-after": "40"})
    raise openai.RateLimitError("busy", response=response, body=None)


def test_the_retries_of_the_runner_and_of_the_step_do_not_stack() -> None:
    tried: list[int] = []

    def busy(number: int, seen: str) -> None:
        tried.append(number)
        overloaded(number, seen)

    settings = ModelSettings(
        retry=ModelRetrySettings(max_retries=3, policy=retry_policies.network_error())
    )
    always = ModelSettings(retry=ModelRetrySettings(max_retries=3, policy=lambda _: True))
    for chosen in (settings, always):
        tried.clear()
        agent = Agent[Any](name="clerk", model=model("?", on_request=busy), model_settings=chosen)

        async def workflow(ctx: DurableContext, agent: Any = agent) -> str:
            try:
                await DurableRunner.run(agent, "go")
            except openai.RateLimitError:
                return "busy"
            return "?"

        result = play(workflow)
        assert result.result == "busy"
        assert len(tried) == 6
        assert names(result) == ["clerk: model", "pause"]


def test_a_request_of_openais_client_is_made_once_for_each_attempt_of_the_step() -> None:
    # Newer releases of the client have another library of HTTP.
    http: Any = getattr(openai._base_client, "httpx2", None) or openai._base_client.httpx
    bodies: list[Any] = []

    def answer(request: Any) -> Any:
        bodies.append(json.loads(request.content))
        if len(bodies) == 1:
            return http.Response(429, headers={"retry-after": "7"}, json={})
        text = {"type": "output_text", "text": "sunny", "annotations": []}
        message = {"type": "message", "id": "m", "role": "assistant", "content": [text]}
        call = {"type": "function_call", "call_id": "1", "name": "look", "arguments": "{}"}
        call["arguments"] = '{"place": "Rome"}'
        usage = {
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "input_tokens_details": {"cached_tokens": 2},
            "output_tokens_details": {"reasoning_tokens": 1},
        }
        output = [call] if len(bodies) == 2 else [{**message, "status": "completed"}]
        return http.Response(200, json={"id": "r", "output": output, "usage": usage})

    transport = http.MockTransport(answer)
    client = openai.AsyncOpenAI(api_key="-", http_client=http.AsyncClient(transport=transport))
    provider = OpenAIProvider(openai_client=client)
    agent = Agent[Any](name="clerk", model="gpt-5-mini", tools=[look])

    async def workflow(ctx: DurableContext) -> list[Any]:
        result = await DurableRunner.run(agent, "go", run_config=RunConfig(model_provider=provider))
        usage = result.context_wrapper.usage
        return [result.final_output, usage.requests, usage.input_tokens_details.cached_tokens]

    result = play(workflow)
    assert result.result == ["sunny", 2, 4]
    first = result.operation("clerk: model", index=0)
    assert first.attempt == 2
    assert 7 <= (first.ended_at - first.started_at).total_seconds() < 8
    assert len(bodies) == 3
    assert len({body["prompt_cache_key"] for body in bodies}) == 1
    assert client.max_retries == 2


def test_models_are_found_by_the_run_config() -> None:
    class Provider:
        def get_model(self, name: str | None) -> FakeModel:
            return model(f"I am {name}")

        async def aclose(self) -> None:
            pass

    agent = Agent[Any](name="clerk", model="small")

    async def workflow(ctx: DurableContext) -> list[str]:
        provider: Any = Provider()
        own = await DurableRunner.run(agent, "go", run_config=RunConfig(model_provider=provider))
        other = await DurableRunner.run(
            agent, "go", run_config=RunConfig(model_provider=provider, model="large")
        )
        return [own.final_output, other.final_output]

    result = play(workflow)
    assert result.result == ["I am small", "I am large"]
    assert names(result) == ["clerk: model", "model", "pause"]


class Asked:
    """A count of the requests to the models that it makes."""

    def __init__(self) -> None:
        self.requests = 0

    def model(self, *turns: Turn | str) -> FakeModel:
        return model(*turns, on_request=self.count)

    def count(self, number: int, seen: str) -> None:
        self.requests += 1

    def get_model(self, name: str | None) -> FakeModel:
        return self.model(f"I am {name}")

    async def aclose(self) -> None:
        pass


# The ways in which the framework takes a model that is not the agent's own.
OTHER_MODELS: dict[str, Any] = {
    "instance": lambda asked: RunConfig(model=asked.model("I am it")),
    "name": lambda asked: RunConfig(model="it", model_provider=asked),
}


@pytest.mark.parametrize("kind", OTHER_MODELS)
@pytest.mark.parametrize("of", ["run", "agent as a tool", "a runner in the workflow", "a stream"])
def test_no_model_is_asked_again_on_replay(kind: str, of: str) -> None:
    asked = Asked()
    config = OTHER_MODELS[kind](asked)

    async def workflow(ctx: DurableContext) -> str:
        agent = Agent[Any](name="clerk", model=asked.model("I am its own"))
        if of == "agent as a tool":
            tool = agent.as_tool("ask", "Ask.", run_config=config)
            chief = model(calls("ask", input="Who?"), "done")
            agent = Agent[Any](name="chief", model=chief, tools=[tool])
            (await DurableRunner.run(agent, "go")).to_input_list()
            return "I am it"
        if of == "a stream":
            stream = Runner.run_streamed(agent, "go", run_config=config)
            async for _ in stream.stream_events():
                pass
            return str(stream.final_output)
        runner: Any = DurableRunner if of == "run" else Runner
        return str((await runner.run(agent, "go", run_config=config)).final_output)

    result = play(workflow)
    assert result.result == "I am it"
    assert asked.requests == 1
    assert "model" in names(result)


def test_the_session_of_an_agent_as_a_tool_is_used_in_steps(tmp_path: Path) -> None:
    session = SQLiteSession("one", tmp_path / "session.db")

    async def workflow(ctx: DurableContext) -> str:
        agent = Agent[Any](name="clerk", model=model("noted"))
        tool = agent.as_tool("ask", "Ask.", session=session)
        chief = Agent[Any](
            name="chief", model=model(calls("ask", input="Note it."), "done"), tools=[tool]
        )
        return str((await DurableRunner.run(chief, "go")).final_output)

    result = play(workflow)
    assert result.result == "done"
    assert len(asyncio.run(session.get_items())) == 2
    session.close()


def test_a_replay_needs_no_provider() -> None:
    class Provider:
        has_key = True

        def get_model(self, name: str | None) -> FakeModel:
            if not self.has_key:
                raise openai.OpenAIError("no key")
            return model(calls("look", place="Rome"), "sunny")

        async def aclose(self) -> None:
            pass

    provider: Any = Provider()
    agent = Agent[Any](name="clerk", model="small", tools=[look])

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> str:
        result = None
        for chosen in (None, "large"):
            config = RunConfig(model_provider=provider, model=chosen)
            result = await DurableRunner.run(agent, "go", run_config=config)
        return str(result and result.final_output)

    result = LocalDurableTestRunner(handler).run_sync({})
    assert result.result == "sunny"
    provider.has_key = False
    check_replay_sync(handler, result).raise_if_failed()


def test_answers_come_back_as_the_types_of_the_framework() -> None:
    items = [
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "web_search_call", "id": "w", "status": "completed", "action": None},
        {"type": "news_of_tomorrow", "id": "n", "extra": {"a": 1}},
        {
            "type": "message",
            "id": "m",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hi", "annotations": []}],
        },
    ]
    output = Response.construct(output=items).output

    class Odd(FakeModel):
        async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
            answer = ModelResponse(output=[], usage=Usage(requests=1), response_id="r-1")
            answer.output = output
            return answer

    agent = Agent[Any](name="clerk", model=Odd(Spec(turns=[])))
    got: list[Any] = []

    async def workflow(ctx: DurableContext) -> str:
        result = await DurableRunner.run(agent, "go")
        got.append(result.raw_responses[0])
        return str(result.final_output)

    result = play(workflow)
    assert result.result == "hi"
    assert result.operation("clerk: model").result["output"] == items
    for answer in got:
        assert answer.response_id == "r-1"
        assert answer.output == output
        assert [type(each) for each in answer.output] == [type(each) for each in output]
        assert answer.to_input_items() == got[0].to_input_items()


def test_a_streamed_run_has_the_end_of_each_answer_and_its_pieces_in_the_step() -> None:
    agent = Agent[Any](name="clerk", model=model(calls("look", place="Rome"), "it is sunny"))
    agent.tools = [look]
    pieces: list[str] = []

    async def piece(event: Any) -> None:
        if event.type == "response.output_text.delta":
            pieces.append(event.delta)

    async def workflow(ctx: DurableContext) -> list[Any]:
        result = DurableRunner.run_streamed(agent, "go", stream_handler=piece)
        events = [event.type async for event in result.stream_events()]
        return [result.final_output, result.context_wrapper.usage.input_tokens, events]

    result = play(workflow)
    assert result.result[:2] == ["it is sunny", 20]
    assert result.result[2].count("raw_response_event") == 2
    assert "".join(pieces).split() == ["it", "is", "sunny"]
    assert names(result) == ["clerk: model", "look", "clerk: model", "pause"]


# MCP.


class Shelf(MCPServer):
    """A server with one tool, which counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    @property
    def name(self) -> str:
        return "shelf"

    async def connect(self) -> None: ...

    async def cleanup(self) -> None: ...

    async def list_tools(self, run_context: Any = None, agent: Any = None) -> list[mcp.types.Tool]:
        self.asked.append("list")
        schema = {"type": "object", "properties": {"title": {"type": "string"}}}
        tool = {"name": "take", "inputSchema": schema, "description": "Take a book."}
        return [mcp.types.Tool.model_validate(tool)]

    async def call_tool(self, tool_name: str, arguments: Any, *_: Any, **__: Any) -> Any:
        self.asked.append(tool_name)
        text = {"type": "text", "text": f"took {arguments['title']}"}
        return mcp.types.CallToolResult.model_validate({"content": [text]})

    async def list_prompts(self, *_: Any, **__: Any) -> Any: ...

    async def get_prompt(self, *_: Any, **__: Any) -> Any: ...


def test_the_tools_of_an_mcp_server_are_listed_and_called_in_steps() -> None:
    shelf = Shelf()
    seen: list[str] = []
    script = model(
        calls("take", title="Emma"), "done", on_request=lambda number, text: seen.append(text)
    )
    agent = Agent[Any](name="clerk", model=script, mcp_servers=[shelf])

    async def workflow(ctx: DurableContext) -> None:
        once = {"take": ToolOptions(at_most_once=True)}
        await DurableRunner.run(agent, "go", tools=once)

    result = play(workflow)
    assert result.status == "SUCCEEDED"
    assert names(result) == [
        "shelf: list tools",
        "clerk: model",
        "take",
        "shelf: list tools",
        "clerk: model",
        "pause",
    ]
    assert shelf.asked == ["list", "take", "list"]
    assert "took Emma" in seen[1]


# Sessions.


def test_a_session_in_the_workflow_is_made_anew_on_replay_and_costs_nothing() -> None:
    agent = Agent[Any](name="clerk", model=model("hello"))

    async def workflow(ctx: DurableContext) -> list[str]:
        session = WorkflowSession([{"role": "user", "content": "before"}])
        for prompt in ("one", "two"):
            await DurableRunner.run(agent, prompt, session=session)
        return [each["role"] for each in session.items]

    result = play(workflow)
    assert result.result == ["user", "user", "assistant", "user", "assistant"]
    assert names(result) == ["clerk: model", "clerk: model", "pause"]


def test_a_session_of_the_framework_is_used_in_steps(tmp_path: Path) -> None:
    agent = Agent[Any](name="clerk", model=model("hello"))

    async def workflow(ctx: DurableContext) -> list[str]:
        session = SQLiteSession("talk", tmp_path / "sessions.db")
        try:
            for prompt in ("one", "two"):
                await DurableRunner.run(agent, prompt, session=session)
            return said(await DurableSession(session).get_items())
        finally:
            session.close()

    result = play(workflow)
    assert result.result == ["one", "-", "two", "-"]
    assert {each for each in names(result) if each.startswith("session")} == {
        "session: get items",
        "session: add items",
    }


def said(items: list[Any]) -> list[str]:
    return [each["content"] if each["role"] == "user" else "-" for each in items]


@pytest.mark.parametrize("writes_first", [True, False])
def test_items_are_added_once_where_the_process_dies_while_they_are(writes_first: bool) -> None:
    stored: list[Any] = []
    agent = Agent[Any](name="clerk", model=model("hello"))

    class Slow(WorkflowSession):
        async def add_items(self, items: list[Any]) -> None:
            if writes_first:
                await super().add_items(items)
            await asyncio.sleep(0.001)
            if not writes_first:
                await super().add_items(items)

    store = Slow()
    stored = store.items

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> None:
        for prompt in ("one", "two"):
            await DurableRunner.run(agent, prompt, session=DurableSession(store))

    runner = LocalDurableTestRunner(handler)
    runner.crash_in("session: add items")
    result = runner.run_sync({})
    assert result.status == "SUCCEEDED"
    assert "session: add items again" in names(result)
    assert said(stored) == ["one", "-", "two", "-"]


def test_a_session_that_calls_openai_is_refused() -> None:
    class Compacting(WorkflowSession):
        async def run_compaction(self) -> None: ...

    with pytest.raises(ConfigError, match="conversation_id"):
        DurableSession(Compacting())


# Elsewhere.


def test_nothing_is_traced_in_a_workflow_whose_replays_would_be_traced_too() -> None:
    traces: list[str] = []

    class Processor(TracingProcessor):
        def on_trace_start(self, trace: Any) -> None:
            traces.append(trace.name)

        def on_trace_end(self, trace: Any) -> None: ...

        def on_span_start(self, span: Any) -> None: ...

        def on_span_end(self, span: Any) -> None: ...

        def shutdown(self) -> None: ...

        def force_flush(self) -> None: ...

    agent = Agent[Any](name="clerk", model=model("hello"))

    async def workflow(ctx: DurableContext) -> None:
        await DurableRunner.run(agent, "go", run_config=RunConfig(workflow_name="durable"))

    set_trace_processors([Processor()])
    set_tracing_disabled(disabled=False)
    try:
        assert play(workflow).status == "SUCCEEDED"
        asyncio.run(Runner.run(agent, "go", run_config=RunConfig(workflow_name="plain")))
    finally:
        set_tracing_disabled(disabled=True)
        set_trace_processors([])
    assert traces == ["plain"]


def test_a_durable_agent_is_as_before_outside_of_workflows() -> None:
    agent = Agent[Any](
        name="clerk", model=model(calls("look", place="Rome"), "sunny"), tools=[look]
    )

    async def workflow(ctx: DurableContext) -> str:
        return str((await DurableRunner.run(agent, "go")).final_output)

    assert play(workflow).result == "sunny"
    assert asyncio.run(Runner.run(agent, "go")).final_output == "sunny"
    assert asyncio.run(DurableRunner.run(agent, "go")).final_output == "sunny"
