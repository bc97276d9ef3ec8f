"""The adapter for Strands, beyond what the suite asks of all."""

# ruff: noqa: E402

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("strands")
pytestmark = pytest.mark.agents

import httpx
import openai
from strands import Agent, ToolContext, tool
from strands.agent.state import AgentState
from strands.event_loop.streaming import process_stream
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent
from strands.models.openai import OpenAIModel
from strands.models.openai_responses import OpenAIResponsesModel
from strands.multiagent import Swarm
from strands.session import FileSessionManager
from strands.types.events import ModelStopReason
from strands.types.exceptions import ContextWindowOverflowException, ModelThrottledException
from strands.vended_tools import stop
from tests.agents.driver import Call, Spec, Turn
from tests.agents.drivers.strands import FakeModel

from durable_execution_sdk import (
    CallbackConfig,
    DurableContext,
    Duration,
    FixedDelay,
    durable_execution,
)
from durable_execution_sdk.agents import (
    ModelBackoff,
    ModelOptions,
    ToolOptions,
    at_most_once,
    in_workflow,
    tool_options,
)
from durable_execution_sdk.agents.strands import Durability
from durable_execution_sdk.agents.strands.records import _chunks
from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)

Handler = Callable[..., Any]


def model(*turns: Turn, on_request: Any = lambda *_: None) -> FakeModel:
    return FakeModel(Spec(turns=turns, on_request=on_request))


def calls(*names: str, **arguments: Any) -> Turn:
    return Turn(calls=tuple(Call(name, arguments) for name in names))


def agent_of(fake: Any, *tools: Any, durability: Durability | None = None, **options: Any) -> Agent:
    return Agent(
        fake,
        tools=list(tools),
        callback_handler=None,
        plugins=[durability or Durability()],
        **options,
    )


def names(result: Any) -> list[str]:
    return [each.name for each in result.operations]


def workflow(make: Callable[[], Agent], *, pause: bool = True) -> Any:
    """Make a handler that runs an agent, and returns its text, its messages and its state after a day."""

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> dict[str, Any]:
        agent = make()
        result = await agent.invoke_async("go")
        if pause:
            await ctx.wait(Duration.from_days(1), name="pause")
        return {
            "text": str(result).strip(),
            "stop_reason": result.stop_reason,
            "messages": agent.messages,
            "state": agent.state.get(),
        }

    return handler


def run(make: Callable[[], Agent]) -> Any:
    return LocalDurableTestRunner(workflow(make)).run_sync({})


@tool
async def look(place: str) -> str:
    """Look at a place."""
    await asyncio.sleep(0.001)
    return f"sun in {place}"


def test_the_steps_of_an_agent_without_a_name_are_those_of_a_model() -> None:
    assert names(run(lambda: agent_of(model(Turn(text="hello"))))) == ["model", "pause"]
    named = Durability(name="greeter")
    result = run(lambda: agent_of(model(Turn(text="hello")), durability=named, name="other"))
    assert names(result) == ["greeter: model", "pause"]


def test_messages_are_recorded_as_they_are_and_come_back_with_their_ids() -> None:
    handler = workflow(
        lambda: agent_of(model(calls("look", place="Rome"), Turn(text="sunny")), look)
    )
    result = LocalDurableTestRunner(handler).run_sync({})
    answer = result.operations[0].result
    assert answer["message"] == {
        "role": "assistant",
        "content": [{"toolUse": {"toolUseId": "0-0", "name": "look", "input": {"place": "Rome"}}}],
    }
    assert answer["usage"]["totalTokens"] == 15
    roles = [each["role"] for each in result.result["messages"]]
    assert roles == ["user", "assistant", "user", "assistant"]
    # Results are compared, and so are the ids of messages in them.
    report = check_schedules_sync(handler, {}, seeds=range(3))
    report.raise_if_failed()
    assert not report.notes


def test_no_time_of_the_process_is_in_a_message() -> None:
    class Slow(FakeModel):
        async def stream(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0.005)
            async for chunk in super().stream(*args, **kwargs):
                yield chunk

    result = run(lambda: agent_of(Slow(Spec(turns=[Turn(text="hello")]))))
    assert result.result["messages"][1]["metadata"]["metrics"] == {"latencyMs": 1}


def test_the_ids_of_given_messages_stay() -> None:
    given = {"role": "user", "content": [{"text": "hi"}], "tracking_id": "mine"}

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        agent = agent_of(model(Turn(text="hello")))
        await agent.invoke_async([given])
        return [each["tracking_id"] for each in agent.messages]

    first, second = LocalDurableTestRunner(handler).run_sync({}).result
    assert (first, len(second)) == ("mine", 36)


@tool
@in_workflow
async def sleep(days: int) -> str:
    """Sleep."""
    await DurableContext.current().wait(Duration.from_days(days), name="sleep")
    return "slept"


@tool(context=True)
def remember(place: str, tool_context: ToolContext) -> str:
    """Remember a place."""
    tool_context.agent.state.set("place", place)
    return "remembered"


def test_what_a_tool_changes_in_its_agent_survives() -> None:
    fake = model(calls("remember", place="Rome"), Turn(text="done"))
    handler = workflow(lambda: agent_of(fake, remember))
    assert LocalDurableTestRunner(handler).run_sync({}).result["state"] == {"place": "Rome"}
    check_crash_safety_sync(handler, {}).raise_if_failed()


@tool(context=True)
async def add(place: str, tool_context: ToolContext) -> str:
    """Add a place to those that are remembered."""
    state = tool_context.agent.state
    await asyncio.sleep(0.001)
    state.set("places", [*(state.get("places") or []), place])
    await asyncio.sleep(0.001)
    return "added"


def test_tools_that_write_to_the_state_at_once_lose_nothing() -> None:
    adds = [Call("add", {"place": place}) for place in ("Rome", "Oslo", "Bonn")]
    fake = model(Turn(calls=tuple(adds)), Turn(text="done"))

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> list[str]:
        agent = agent_of(fake, add)
        await agent.invoke_async("go")
        return sorted(agent.state.get("places"))

    assert LocalDurableTestRunner(handler).run_sync({}).result == ["Bonn", "Oslo", "Rome"]
    # Which call adds to what depends on the schedule, and is in the records.
    check_schedules_sync(handler, {}, same_log=False).raise_if_failed()
    check_crash_safety_sync(handler, {}, same_log=False).raise_if_failed()


@tool(context=True)
def forget(tool_context: ToolContext) -> str:
    """Forget the place."""
    tool_context.agent.state.delete("place")
    return "forgotten"


def test_a_key_that_a_tool_deletes_is_gone() -> None:
    fake = model(calls("forget"), Turn(text="done"))
    result = run(lambda: agent_of(fake, forget, state={"place": "Rome", "days": 2}))
    assert result.result["state"] == {"days": 2}


@tool(context=True)
@tool_options(retry_strategy=FixedDelay(delay=Duration.from_seconds(1), max_attempts=2))
def fail(tool_context: ToolContext) -> str:
    """Write, and fail."""
    tool_context.agent.state.set("tries", (tool_context.agent.state.get("tries") or 0) + 1)
    raise ValueError("no")


def test_what_a_failed_attempt_writes_is_as_it_is_on_replay() -> None:
    fake = model(calls("fail"), Turn(text="done"))
    states: list[Any] = []

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> None:
        agent = agent_of(fake, fail)
        await agent.invoke_async("go")
        states.append(agent.state.get())
        await ctx.wait(Duration.from_days(1), name="pause")

    LocalDurableTestRunner(handler).run_sync({})
    assert states == [{}, {}]


def test_code_of_the_workflow_sees_what_is_recorded() -> None:
    seen: list[Any] = []

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        has_written, has_seen = asyncio.Event(), asyncio.Event()

        @tool(context=True)
        async def write(tool_context: ToolContext) -> str:
            """Write, and end later."""
            tool_context.agent.state.set("place", "Rome")
            has_written.set()
            await has_seen.wait()
            return "written"

        @tool(context=True)
        @in_workflow
        async def watch(tool_context: ToolContext) -> str:
            """Look at the state while another tool writes to it."""
            here = DurableContext.current()
            await here.step(has_written.wait, name="written")
            seen.append(tool_context.agent.state.get("place"))
            has_seen.set()
            await here.wait(Duration.from_days(1), name="later")
            seen.append(tool_context.agent.state.get("place"))
            return "watched"

        agent = agent_of(model(calls("watch", "write"), Turn(text="done")), write, watch)
        await agent.invoke_async("go")
        return agent.state.get()

    result = LocalDurableTestRunner(handler).run_sync({})
    assert result.result == {"place": "Rome"}
    assert seen == [None, None, "Rome"]


def test_a_copy_of_a_state_is_one_of_strands() -> None:
    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> bool:
        agent = agent_of(model(calls("add", place="Rome"), Turn(text="done")), add)
        await agent.invoke_async("go")
        copied = copy.deepcopy(agent.state)
        return type(copied) is AgentState and copied.get() == {"places": ["Rome"]}

    assert LocalDurableTestRunner(handler).run_sync({}).result is True


def test_a_tool_that_stops_the_agent_stops_it_on_replay_too() -> None:
    fake = model(calls("stop", message="enough"), Turn(text="never"))
    handler = workflow(lambda: agent_of(fake, stop))
    result = LocalDurableTestRunner(handler).run_sync({})
    assert (result.result["stop_reason"], result.result["text"]) == ("cancelled", "enough")
    assert names(result) == ["model", "stop", "pause"]
    check_replay_sync(handler, result).raise_if_failed()


@tool(context=True)
async def ask(question: str, tool_context: ToolContext) -> str:
    """Ask by an interrupt, as Strands has it."""
    return f"the answer is {tool_context.interrupt('ask', reason=question)}"


def test_an_interrupt_of_strands_ends_the_run_and_is_resumed_after_a_callback() -> None:
    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        agent = agent_of(
            model(calls("ask", "look", question="May I?", place="Rome"), Turn(text="done")),
            ask,
            look,
        )
        result = await agent.invoke_async("go")
        while result.stop_reason == "interrupt":
            answers = []
            for each in result.interrupts:
                callback = await ctx.create_callback(
                    each.name, config=CallbackConfig(result_type=str)
                )
                response = {"interruptId": each.id, "response": await callback}
                answers.append({"interruptResponse": response})
            result = await agent.invoke_async(answers)
        return [str(result).strip(), agent.messages[2]["content"]]

    def play(runner: Any) -> Any:
        runner.sync.start({})
        runner.sync.wait_for_callback("ask").succeed("yes")
        return runner.sync.complete()

    result = play(LocalDurableTestRunner(handler))
    text, results = result.result
    assert text == "done"
    # Strands puts the results of a resumed turn after those that it had.
    contents = {each["toolResult"]["content"][0]["text"] for each in results}
    assert contents == {"the answer is yes", "sun in Rome"}
    assert names(result) == ["model", "ask", "look", "ask", "ask", "model"]
    check_crash_safety_sync(handler, play=play).raise_if_failed()


def test_an_agent_with_the_plugin_that_is_a_tool_runs_in_the_workflow() -> None:
    def make() -> Agent:
        inner = agent_of(model(calls("sleep", days=3), Turn(text="rested")), sleep, name="inner")
        outer = model(calls("inner", input="rest"), Turn(text="well"))
        return agent_of(outer, inner, name="outer")

    handler = workflow(make)
    result = LocalDurableTestRunner(handler).run_sync({})
    assert result.result["text"] == "well"
    expected = ["outer: model", "inner", "inner: model", "sleep", "sleep", "inner: model"]
    assert names(result) == [*expected, "outer: model", "pause"]
    check_crash_safety_sync(handler, {}).raise_if_failed()


def test_a_swarm_hands_over_again_on_replay() -> None:
    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        handoff = calls("handoff_to_agent", agent_name="second", message="you")
        first = agent_of(
            model(calls("look", place="Rome"), handoff, Turn(text="bye")), look, name="first"
        )
        second = agent_of(model(calls("sleep", days=1), Turn(text="rested")), sleep, name="second")
        swarm = Swarm([first, second], execution_timeout=1e9, node_timeout=None)
        result = await swarm.invoke_async("go")
        await ctx.wait(Duration.from_days(1), name="pause")
        return [each.node_id for each in result.node_history]

    result = LocalDurableTestRunner(handler).run_sync({})
    assert result.result == ["first", "second"]
    check_replay_sync(handler, result).raise_if_failed()


def test_an_agent_without_the_plugin_that_is_a_tool_is_one_step() -> None:
    def make() -> Agent:
        inner = Agent(
            model(calls("look", place="Rome"), Turn(text="sunny")),
            tools=[look],
            name="inner",
            callback_handler=None,
        )
        return agent_of(model(calls("inner", input="look"), Turn(text="well")), inner)

    assert names(run(make)) == ["model", "inner", "model", "pause"]


def test_an_agent_of_another_invocation_is_refused() -> None:
    kept = agent_of(model(Turn(text="hello"), Turn(text="hello again")), name="kept")
    result = run(lambda: kept)
    assert result.status == "FAILED"
    assert "another invocation has used it" in result.error.error_message


def test_one_agent_is_asked_twice_in_an_invocation() -> None:
    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        agent = agent_of(model(Turn(text="one"), Turn(text="two")))
        texts = [str(await agent.invoke_async("go")).strip() for _ in range(2)]
        await ctx.wait(Duration.from_days(1))
        return [*texts, len(agent.messages)]

    assert LocalDurableTestRunner(handler).run_sync({}).result == ["one", "two", 4]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"background_tasks": True}, "Leave out background_tasks"),
        ({"session_manager": "files"}, "return agent.messages"),
    ],
)
def test_what_replay_cannot_repeat_is_refused(
    options: dict[str, Any], said: str, tmp_path: Any
) -> None:
    if "session_manager" in options:
        manager = FileSessionManager(session_id="s", storage_dir=str(tmp_path))
        options = {"session_manager": manager}
    result = run(lambda: agent_of(model(Turn(text="hello")), **options))
    assert result.status == "FAILED"
    assert said in result.error.error_message
    assert not result.operations


def test_a_model_that_keeps_the_conversation_is_refused() -> None:
    class Stateful(FakeModel):
        stateful = True

    result = run(lambda: agent_of(Stateful(Spec(turns=[Turn(text="hello")]))))
    assert "keeps the conversation at its provider" in result.error.error_message


@pytest.mark.filterwarnings("ignore:Agent.structured_output_async method is deprecated")
def test_the_old_way_of_structured_output_is_refused() -> None:
    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        import pydantic

        class Report(pydantic.BaseModel):
            city: str

        await agent_of(model(Turn(text="{}"))).structured_output_async(Report, "go")

    result = LocalDurableTestRunner(handler).run_sync({})
    assert "structured_output_model=" in result.error.error_message


def test_a_sync_call_of_the_agent_is_refused() -> None:
    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        return str(agent_of(model(Turn(text="hello")))("go"))

    result = LocalDurableTestRunner(handler).run_sync({})
    assert result.error.error_type == "ContextMisuseError"


def test_a_tool_with_a_retry_strategy_is_tried_again_before_the_model_hears_of_it() -> None:
    tried: list[str] = []

    @tool_options(retry_strategy=FixedDelay(delay=Duration.from_seconds(10), max_attempts=3))
    async def flaky(place: str) -> str:
        """Fail."""
        tried.append(place)
        raise RuntimeError(f"no way to {place}")

    handler = workflow(
        lambda: agent_of(model(calls("flaky", place="Rome"), Turn(text="sorry")), tool(flaky))
    )
    result = LocalDurableTestRunner(handler).run_sync({})
    assert (result.result["text"], len(tried)) == ("sorry", 3)
    told = result.result["messages"][2]["content"][0]["toolResult"]
    assert told["status"] == "error"
    assert told["content"][0]["text"] == "Error: RuntimeError - no way to Rome"
    check_replay_sync(handler, result).raise_if_failed()


def _models_of_openai(http: Any, **options: Any) -> dict[str, Any]:
    """Return the ways to give a model of OpenAI its client, each with the retries that it has afterwards."""
    arguments = {"api_key": "key", "http_client": http, **options}
    client = openai.AsyncOpenAI(**arguments)
    return {
        "client": lambda: OpenAIModel(client=client, model_id="m"),
        "arguments": lambda: OpenAIModel(client_args=arguments, model_id="m"),
        "responses": lambda: OpenAIResponsesModel(client_args=arguments, model_id="m"),
    }


class Unclosed(httpx.AsyncClient):
    """A client that Strands does not close with its own, so that a test can count."""

    async def aclose(self) -> None:
        pass

    async def __aexit__(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize("own", [{}, {"max_retries": 3}])
@pytest.mark.parametrize("kind", ["client", "arguments", "responses"])
def test_a_client_of_openai_makes_one_attempt_for_each_of_the_step(kind: str, own: Any) -> None:
    asked: list[Any] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(429, headers={"retry-after": "1"}, json={"error": {"message": "no"}})

    http = Unclosed(transport=httpx.MockTransport(refuse))
    fake = _models_of_openai(http, **own)[kind]()
    twice = ModelOptions(retry_strategy=ModelBackoff(max_attempts=2))

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> None:
        agents = [agent_of(fake, durability=Durability(model=twice)) for _ in range(2)]
        runs = [agent.invoke_async("go") for agent in agents]
        await asyncio.gather(*runs, return_exceptions=True)

    LocalDurableTestRunner(handler).run_sync({})
    assert len(asked) == 4
    if kind == "client":
        assert fake._custom_client.max_retries == own.get("max_retries", 2)
    else:
        assert {key: each for key, each in fake.client_args.items() if "retries" in key} == own


def test_throttling_is_retried_by_the_step_alone() -> None:
    requests: list[int] = []

    def throttle(number: int, _: str) -> None:
        requests.append(number)
        raise ModelThrottledException("slow down")

    once = ModelOptions(retry_strategy=FixedDelay(delay=Duration.from_seconds(5), max_attempts=2))
    fake = model(Turn(text="hello"), on_request=throttle)
    result = run(lambda: agent_of(fake, durability=Durability(model=once)))
    assert (len(requests), names(result)) == (2, ["model"])
    assert result.error.error_type == "ModelRequestError"
    assert "slow down" in result.error.error_message


def test_an_agent_whose_context_is_full_shortens_it_and_asks_again() -> None:
    def too_long(_: int, seen: str) -> None:
        if "the first" in seen:
            raise ContextWindowOverflowException("too long")

    def make() -> Agent:
        texts = ["the first", "the second", "the third"]
        earlier = [
            {"role": role, "content": [{"text": text}]}
            for text in texts
            for role in ("user", "assistant")
        ]
        turns = [Turn(text="hello")] * 9
        return agent_of(model(*turns, on_request=too_long), messages=earlier)

    handler = workflow(make)
    result = LocalDurableTestRunner(handler).run_sync({})
    assert result.result["text"] == "hello"
    assert [each.attempt for each in result.operations][:2] == [1, 1]
    assert names(result)[:2] == ["model", "model"]
    check_crash_safety_sync(handler, {}).raise_if_failed()


@tool
async def picture() -> dict[str, Any]:
    """Take a picture."""
    image = {"format": "png", "source": {"bytes": b"\x89PNG"}}
    return {"status": "success", "content": [{"image": image}]}


def test_bytes_come_back_as_bytes() -> None:
    seen: dict[int, str] = {}
    turns = (calls("picture"), calls("sleep", days=1), Turn(text="nice"))
    result = run(lambda: agent_of(model(*turns, on_request=seen.__setitem__), picture, sleep))
    assert result.succeeded
    assert "b'\\x89PNG'" in seen[2]  # a request of another invocation than the picture's


def test_every_kind_of_content_is_streamed_from_its_record() -> None:
    content = [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"reasoningContent": {"reasoningText": {"text": "well"}}},
        {"reasoningContent": {"redactedContent": b"\x00secret"}},
        {"text": "hello"},
        {
            "citationsContent": {
                "citations": [{"title": "a"}, {"title": "b"}],
                "content": [{"text": "as they say"}],
            }
        },
        {"toolUse": {"toolUseId": "1", "name": "look", "input": {"place": "Rome"}}},
        {"toolUse": {"toolUseId": "2", "name": "wait", "input": {}, "reasoningSignature": "s"}},
    ]
    answer = {
        "stop_reason": "tool_use",
        "message": {"role": "assistant", "content": content},
        "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
        "metrics": {"latencyMs": 4},
    }

    async def stream() -> Any:
        for chunk in _chunks(answer):
            yield chunk

    async def last() -> Any:
        return [event async for event in process_stream(stream())][-1]

    event = asyncio.run(last())
    assert isinstance(event, ModelStopReason)
    assert event["stop"] == tuple(answer.values())


def test_what_a_guardrail_takes_out_of_the_prompt_stays_out() -> None:
    class Guarded(FakeModel):
        async def stream(self, *args: Any, **kwargs: Any) -> Any:
            yield {"redactContent": {"redactUserContentMessage": "[redacted]"}}
            async for chunk in super().stream(*args, **kwargs):
                yield chunk

    handler = workflow(lambda: agent_of(Guarded(Spec(turns=[Turn(text="hello")]))))
    result = LocalDurableTestRunner(handler).run_sync({})
    assert result.result["messages"][0]["content"] == [{"text": "[redacted]"}]
    check_replay_sync(handler, result).raise_if_failed()


def test_the_agents_own_handler_gets_the_answer_in_one_piece() -> None:
    pieces: list[str] = []
    words: list[str] = []

    def make() -> Agent:
        async def show(**event: Any) -> None:
            if "data" in event:
                words.append(event["data"])

        agent = agent_of(model(Turn(text="one two")), durability=Durability(stream_handler=show))
        agent.callback_handler = lambda **event: "data" in event and pieces.append(event["data"])
        return agent

    run(make)
    assert words == ["one ", "two "]
    assert pieces == ["one two ", "one two "]  # on the first run, and on replay


def test_a_tool_with_options_by_name_wins_over_its_marks() -> None:
    @in_workflow
    async def marked() -> str:
        """Do nothing."""
        return "done"

    durability = Durability(tools={"marked": ToolOptions()})
    fake = model(calls("marked"), Turn(text="done"))
    result = run(lambda: agent_of(fake, tool(marked), durability=durability))
    assert [each.sub_type for each in result.operations][:2] == ["Step", "Step"]


@pytest.mark.parametrize("is_cut_off", [True, False])
def test_a_hook_does_not_repeat_an_at_most_once_call(is_cut_off: bool) -> None:
    done: list[str] = []

    @tool
    @at_most_once
    async def refund(order: str) -> str:
        """Refund an order."""
        done.append(order)
        raise ConnectionError("lost")

    def try_again(event: AfterToolCallEvent) -> None:
        looks.append(event)
        event.retry = event.exception is not None and len(looks) < 4

    looks: list[Any] = []

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> str:
        looks.clear()
        fake = model(calls("refund", order="17"), Turn(text="fine"))
        agent = agent_of(fake, refund)
        agent.add_hook(try_again, AfterToolCallEvent)
        return str(await agent.invoke_async("go"))

    runner = LocalDurableTestRunner(handler)
    if is_cut_off:
        runner.crash_in("refund")
    result = runner.run_sync(None)
    assert len(done) == 1
    assert len(looks) == 4
    assert result.status == ("FAILED" if is_cut_off else "SUCCEEDED")


class Judge(FakeModel):
    """A model that counts what it is asked, and refuses each request but the first."""

    def __init__(self) -> None:
        super().__init__(Spec(turns=()))
        self.asked = 0

    async def stream(self, *args: Any, **kwargs: Any) -> Any:
        self.asked += 1
        turn = Turn(text="yes" if self.asked == 1 else "no")
        async for chunk in model(turn).stream([], *args[1:], **kwargs):
            yield chunk


@pytest.mark.parametrize("is_given", [True, False])
def test_the_model_that_is_asked_beside_the_loop_is_asked_in_steps(is_given: bool) -> None:
    judge = Judge()

    async def ask(event: BeforeToolCallEvent) -> None:
        inner = Agent(model=event.agent.aux_model, callback_handler=None)
        if "yes" not in str(await inner.invoke_async("May it?")):
            event.cancel_tool = "no"

    class Player(Judge):
        """A model that plays the agent's part too."""

        async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            if "May it?" in repr(messages):
                async for chunk in judge.stream(messages):
                    yield chunk
                return
            turns = model(calls("look", place="Rome"), Turn(text="done"))
            async for chunk in turns.stream(messages):
                yield chunk

    def make() -> Agent:
        options = {"aux_model": judge} if is_given else {}
        agent = agent_of(Player(), look, name="clerk", **options)
        agent.add_hook(ask, BeforeToolCallEvent)
        return agent

    handler = workflow(make)
    result = LocalDurableTestRunner(handler).run_sync({})
    assert names(result) == ["clerk: model", "clerk: side model", "look", "clerk: model", "pause"]
    assert judge.asked == 1
    check_replay_sync(handler, result).raise_if_failed()
