"""The adapter for LangChain, beyond what the suite asks of all."""

# ruff: noqa: E402

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("langchain")
pytestmark = pytest.mark.agents

from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentState,
    HumanInTheLoopMiddleware,
    LLMToolEmulator,
    LLMToolSelectorMiddleware,
    ModelFallbackMiddleware,
    SummarizationMiddleware,
    ToolRetryMiddleware,
)
from langchain.agents.structured_output import ProviderStrategy
from langchain.tools import tool
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from pydantic import BaseModel
from tests.agents.driver import Call, Spec, Turn
from tests.agents.drivers.langchain import FakeModel

from durable_execution_sdk import (
    DurableContext,
    Duration,
    FixedDelay,
    StepInterruptedError,
    durable_execution,
)
from durable_execution_sdk.agents import ask_person, at_most_once, in_workflow, tool_options
from durable_execution_sdk.agents.langchain import Durability
from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)


def model(*turns: Turn) -> FakeModel:
    return FakeModel(spec=Spec(turns=turns))


def calls(*names: str, **arguments: Any) -> Turn:
    return Turn(calls=tuple(Call(name, arguments) for name in names))


def agent_of(fake: Any, *tools: Any, middleware: Any = (), **options: Any) -> Any:
    return create_agent(fake, list(tools), middleware=[*middleware, Durability()], **options)


def go() -> dict[str, Any]:
    return {"messages": [HumanMessage("go")]}


def workflow(agent: Any, **input: Any) -> Any:
    """Make a handler that runs an agent, and returns its messages after a day."""

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        result = await agent.ainvoke({**go(), **input})
        await ctx.wait(Duration.from_days(1), name="pause")
        rest = {key: value for key, value in result.items() if key != "messages"}
        return [[[each.id, each.text] for each in result["messages"]], rest]

    return handler


def run(agent: Any, **input: Any) -> Any:
    return LocalDurableTestRunner(workflow(agent, **input)).run_sync({})


def names(result: Any) -> list[str]:
    return [each.name for each in result.operations]


@tool
async def look(place: str) -> str:
    """Look at a place."""
    await asyncio.sleep(0.001)
    return f"sun in {place}"


def test_an_agent_is_made_once_and_its_messages_have_ids_that_replay_repeats() -> None:
    agent = agent_of(model(calls("look", "look", place="Rome"), Turn(text="sunny")), look)
    handler = workflow(agent)
    result = LocalDurableTestRunner(handler).run_sync({})
    messages, _ = result.result
    assert [text for _, text in messages] == ["go", "", "sun in Rome", "sun in Rome", "sunny"]
    assert names(result) == ["model", "look", "look", "model", "pause"]
    recorded = result.operations[0].result
    assert (recorded["type"], recorded["data"]["tool_calls"][0]["args"]) == (
        "ai",
        {"place": "Rome"},
    )
    # Results are compared, and so are the ids of messages in them.
    report = check_schedules_sync(handler, {}, seeds=range(3))
    report.raise_if_failed()
    assert not report.notes


def test_the_name_of_the_agent_is_in_its_steps() -> None:
    result = run(agent_of(model(Turn(text="hello")), name="greeter"))
    assert names(result) == ["greeter: model", "pause"]
    agent = create_agent(model(Turn(text="hello")), middleware=[Durability(name="host")], name="x")
    assert names(run(agent)) == ["host: model", "pause"]


class Places(AgentState):
    place: str


@tool
def remember(place: str) -> Command:
    """Remember a place."""
    message = ToolMessage("remembered", tool_call_id="0-0")
    return Command(update={"place": place, "messages": [message]})


def test_a_tool_that_returns_a_command_updates_the_state() -> None:
    fake = model(calls("remember", place="Rome"), Turn(text="done"))
    agent = agent_of(fake, remember, state_schema=Places)
    handler = workflow(agent)
    messages, rest = LocalDurableTestRunner(handler).run_sync({}).result
    assert rest == {"place": "Rome"}
    assert messages[2][1] == "remembered"
    check_crash_safety_sync(handler, {}).raise_if_failed()


@tool
@in_workflow
async def ask(question: str) -> str:
    """Ask with LangGraph's own way."""
    return str(interrupt(question))


def test_an_interrupt_in_a_tool_is_refused() -> None:
    agent = agent_of(model(calls("ask", question="?"), Turn(text="done")), ask)
    result = run(agent)
    assert result.error.error_type == "ContextMisuseError"
    assert "ask_person" in result.error.error_message


def test_middleware_that_asks_a_person_is_answered_by_a_callback() -> None:
    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        # Its checkpoints are rebuilt by replay, so they stay in memory.
        agent = agent_of(
            model(calls("look", place="Rome"), Turn(text="done")),
            look,
            middleware=[HumanInTheLoopMiddleware(interrupt_on={"look": True})],
            checkpointer=InMemorySaver(),
        )
        config = {"configurable": {"thread_id": "one"}}
        result = await agent.ainvoke(go(), config)
        while "__interrupt__" in result:
            asked = result["__interrupt__"][0].value["action_requests"][0]["name"]
            decision = await ask_person(f"May I {asked}?", result_type=str, name="decide")
            resume = Command(resume={"decisions": [{"type": decision}]})
            result = await agent.ainvoke(resume, config)
        return [each.text for each in result["messages"]]

    def play(runner: Any) -> Any:
        runner.sync.start({})
        runner.sync.wait_for_callback("decide").succeed("approve")
        return runner.sync.complete()

    assert play(LocalDurableTestRunner(handler)).result == ["go", "", "sun in Rome", "done"]
    check_crash_safety_sync(handler, play=play).raise_if_failed()


def test_a_checkpointer_of_another_invocation_is_refused() -> None:
    kept = agent_of(model(Turn(text="hello")), checkpointer=InMemorySaver())
    kept = kept.with_config({"configurable": {"thread_id": "one"}})

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        await ctx.wait(Duration.from_days(1))
        await kept.ainvoke(go())

    assert (
        LocalDurableTestRunner(handler).run_sync({}).succeeded
    )  # it was used in one invocation only
    again = LocalDurableTestRunner(handler).run_sync({})
    assert "make an InMemorySaver() in the handler" in again.error.error_message


def test_an_agent_that_is_a_tool_runs_in_the_workflow() -> None:
    @tool
    @in_workflow
    async def sleep(days: int) -> str:
        """Sleep."""
        await DurableContext.current().wait(Duration.from_days(days), name="sleep")
        return "slept"

    inner = agent_of(model(calls("sleep", days=3), Turn(text="rested")), sleep, name="inner")

    @tool
    @in_workflow
    async def delegate(task: str) -> str:
        """Give a task to another agent."""
        result = await inner.ainvoke({"messages": [HumanMessage(task)]})
        return str(result["messages"][-1].text)

    fake = model(calls("delegate", task="rest"), Turn(text="well"))
    handler = workflow(agent_of(fake, delegate, name="outer"))
    result = LocalDurableTestRunner(handler).run_sync({})
    expected = ["outer: model", "delegate", "inner: model", "sleep", "sleep", "inner: model"]
    assert names(result) == [*expected, "outer: model", "pause"]
    check_crash_safety_sync(handler, {}).raise_if_failed()


def test_middleware_after_it_that_chooses_the_model_is_refused() -> None:
    def broken(_: int, __: str) -> None:
        raise RuntimeError("down")

    class Other(ModelFallbackMiddleware):
        async def awrap_model_call(self, request: Any, handler: Any) -> Any:
            return await handler(request.override(model=model(Turn(text="hello"))))

    fake = model(Turn(text="hello"))
    agent = create_agent(fake, middleware=[Durability(), Other(fake)])
    result = run(agent)
    assert "last in middleware=" in result.error.error_message
    before = create_agent(fake, middleware=[Other(fake), Durability()])
    assert names(run(before)) == ["model", "pause"]


def test_a_sync_call_is_refused_in_workflow_code_and_works_elsewhere() -> None:
    class Plain(FakeModel):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            return asyncio.run(self._agenerate(*args, **kwargs))

    agent = agent_of(
        Plain(spec=Spec(turns=[calls("find", place="Rome"), Turn(text="hello")])), find
    )
    assert agent.invoke(go())["messages"][-1].text == "hello"

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        agent.invoke(go())

    result = LocalDurableTestRunner(handler).run_sync({})
    assert result.error.error_type == "ContextMisuseError"


@tool
def find(place: str) -> str:
    """Find a place."""
    return f"{place} is there"


def test_an_error_that_no_middleware_handles_is_retried_by_the_step_and_ends_the_run() -> None:
    tried: list[str] = []

    @tool
    @tool_options(retry_strategy=FixedDelay(delay=Duration.from_seconds(10), max_attempts=3))
    async def flaky(place: str) -> str:
        """Fail."""
        tried.append(place)
        raise RuntimeError(f"no way to {place}")

    turns = (calls("flaky", place="Rome"), Turn(text="sorry"))
    result = run(agent_of(model(*turns), flaky))
    assert (result.error.error_type, len(tried)) == ("RuntimeError", 3)
    retry = ToolRetryMiddleware(max_retries=0, on_failure="continue")
    handler = workflow(agent_of(model(*turns), flaky, middleware=[retry]))
    result = LocalDurableTestRunner(handler).run_sync({})
    messages, _ = result.result
    assert "no way to Rome" in messages[2][1]
    check_replay_sync(handler, result).raise_if_failed()


class Report(BaseModel):
    city: str


# LangChain takes the provider's way for a plain type if the model, by its class and profile, has one.
@pytest.mark.parametrize("response_format", [ProviderStrategy(Report), Report])
def test_a_structured_response_of_the_provider_comes_back_in_its_type(response_format: Any) -> None:
    seen: list[Any] = []
    fake = model(Turn(text='{"city": "Rome"}'))
    fake.profile = {"structured_output": True}
    agent = agent_of(fake, response_format=response_format)

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> None:
        result = await agent.ainvoke(go())
        seen.append(result["structured_response"])
        await ctx.wait(Duration.from_days(1))

    assert LocalDurableTestRunner(handler).run_sync({}).succeeded
    assert seen == [Report(city="Rome")] * 2


def test_a_stream_of_tokens_is_seen_while_the_step_runs() -> None:
    from tests.agents.drivers.langchain import StreamingModel

    pieces: list[str] = []
    fake = StreamingModel(spec=Spec(turns=[Turn(text="one two")]))

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> str:
        text = ""
        async for chunk, _ in agent_of(fake).astream(go(), stream_mode="messages"):
            pieces.append(chunk.text)
            text += chunk.text
        await ctx.wait(Duration.from_days(1))
        return text.strip()

    assert LocalDurableTestRunner(handler).run_sync({}).result == "one two"
    assert pieces == ["one ", "two ", "", "", "one two "]  # and in one piece on replay


@pytest.mark.parametrize("on_failure", ["continue", "error"])
@pytest.mark.parametrize("is_cut_off", [True, False])
def test_middleware_does_not_repeat_an_at_most_once_call(on_failure: Any, is_cut_off: bool) -> None:
    done: list[str] = []

    @tool
    @at_most_once
    async def refund(order: str) -> str:
        """Refund an order."""
        done.append(order)
        raise ConnectionError("lost")

    retries = ToolRetryMiddleware(
        max_retries=2, initial_delay=0.0, jitter=False, on_failure=on_failure
    )
    agent = agent_of(
        model(calls("refund", order="17"), Turn(text="fine")), refund, middleware=[retries]
    )
    runner = LocalDurableTestRunner(workflow(agent))
    if is_cut_off:
        runner.crash_in("refund")
    result = runner.run_sync(None)
    assert [each.name for each in result.operations].count("refund") == 1
    assert len(done) == 1
    if is_cut_off:  # nothing tells whether it took effect, so the model must not know of it
        assert result.error is not None
        assert result.error.is_a("StepInterruptedError")
    else:
        assert result.status == ("SUCCEEDED" if on_failure == "continue" else "FAILED")


def test_a_handler_catches_the_end_of_a_call_that_was_cut_off() -> None:
    @tool
    @at_most_once
    async def refund(order: str) -> str:
        """Refund an order."""
        return "refunded"

    agent = agent_of(model(calls("refund", order="17"), Turn(text="fine")), refund)

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> str:
        try:
            await agent.ainvoke(go())
        except StepInterruptedError as error:
            await ctx.wait(Duration.from_days(1), name="pause")
            return error.operation_name or ""
        return "no error"

    runner = LocalDurableTestRunner(handler)
    runner.crash_in("refund")
    assert runner.run_sync(None).result == "refund"


class SideModel(BaseChatModel):
    """A model that never answers the same, but calls the tool that it must call."""

    asked: list[str] = []
    max_retries: int = 2

    @property
    def _llm_type(self) -> str:
        return "side"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(told=tools)

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        self.asked.append(f"{self.max_retries} retries")
        text = f"side answer {len(self.asked)}"
        calls: list[Any] = []
        for each in kwargs.get("told", ()):
            name = getattr(each, "__name__", None) or each["title"]
            calls = [{"name": name, "args": {"tools": ["look"]}, "id": "1"}]
        message = AIMessage(text, tool_calls=calls)
        return ChatResult(generations=[ChatGeneration(message=message)])


SIDE: dict[str, Any] = {
    "summary": lambda side: SummarizationMiddleware(
        side, trigger=("messages", 3), keep=("messages", 1)
    ),
    "selection": lambda side: LLMToolSelectorMiddleware(model=side),
    "emulation": lambda side: LLMToolEmulator(model=side),
}


@pytest.mark.parametrize("kind", SIDE)
def test_requests_of_other_middleware_are_steps(kind: str) -> None:
    side = SideModel(asked=[])

    class Player(FakeModel):
        """A model that ends once a tool has answered, or has been summarized."""

        def _turn(self, messages: Any) -> dict[str, Any]:
            if any("side answer" in str(each.content) for each in messages):
                return {"content": "done"}
            return super()._turn(messages)

    turns = [calls("look", place="Rome"), Turn(text="done")]
    agent = agent_of(
        Player(spec=Spec(turns=turns)), look, middleware=[SIDE[kind](side)], name="reporter"
    )
    handler = workflow(agent)
    result = LocalDurableTestRunner(handler).run_sync({})
    assert result.status == "SUCCEEDED"
    assert names(result).count("side model") == len(side.asked) > 0
    assert set(side.asked) == {"0 retries"}
    assert side.max_retries == 2
    check_replay_sync(handler, result).raise_if_failed()


def test_a_model_that_the_workflow_asks_is_asked_in_a_step() -> None:
    side = SideModel(asked=[])

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> list[str]:
        first = await side.ainvoke("go")
        many = await side.abatch(["one", "two"])
        await ctx.wait(Duration.from_days(1), name="pause")
        inside = await ctx.step(ask_inside, name="inside")
        return [first.text, *(each.text for each in many), inside]

    async def ask_inside() -> str:
        return str((await side.ainvoke("go")).text)

    agent_of(model(Turn(text="done")))  # the middleware is in use
    result = LocalDurableTestRunner(handler).run_sync({})
    assert sorted(result.result) == [f"side answer {number}" for number in (1, 2, 3, 4)]
    assert names(result) == ["side model", "side model", "side model", "pause", "inside"]
    assert len(side.asked) == 4
    assert asyncio.run(side.ainvoke("go")).text == "side answer 5"
