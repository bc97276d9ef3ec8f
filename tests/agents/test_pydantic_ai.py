"""The parts of the adapter for Pydantic AI that the suite of all adapters does not have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("pydantic_ai")

from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, RunContext, Tool, UsageLimits
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturn,
    ToolReturnPart,
)
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.toolsets import CombinedToolset, FunctionToolset
from pydantic_ai.toolsets._dynamic import DynamicToolset
from pydantic_ai.usage import RequestUsage, RunUsage

from durable_execution_sdk import (
    DurableContext,
    Duration,
    NoRetry,
    durable_execution,
)
from durable_execution_sdk.agents import (
    ModelOptions,
    ToolOptions,
    at_most_once,
    human_approval,
    in_workflow,
    tool_options,
)
from durable_execution_sdk.agents.pydantic_ai import Durability
from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)

pytestmark = pytest.mark.agents


def playing(*answers: Any) -> FunctionModel:
    """Return a model whose answers are texts, or lists of calls of tools."""

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        turn = sum(isinstance(each, ModelResponse) for each in messages)
        given = answers[turn]
        parts: list[Any] = (
            [TextPart(given)]
            if isinstance(given, str)
            else [ToolCallPart(name, args, f"{turn}-{at}") for at, (name, args) in enumerate(given)]
        )
        return ModelResponse(parts, usage=RequestUsage(input_tokens=10, output_tokens=5))

    return FunctionModel(answer)


def agent_of(
    *answers: Any, name: str = "clerk", durability: Any = None, **options: Any
) -> Agent[Any, Any]:
    capabilities = [durability or Durability()]
    return Agent(playing(*answers), name=name, capabilities=capabilities, **options)


def handling(body: Callable[[DurableContext], Any]) -> Any:
    """Return a handler that awaits the body, and then waits a day, so that all of it is replayed."""

    @durable_execution
    async def handler(event: Any, ctx: DurableContext) -> Any:
        result = await body(ctx)
        await ctx.wait(Duration.from_days(1), name="pause")
        return result

    return handler


def run(body: Callable[[DurableContext], Any]) -> Any:
    handler = handling(body)
    result = LocalDurableTestRunner(handler).run_sync(None)
    check_replay_sync(handler, result).raise_if_failed()
    return result


def names(result: Any) -> list[str]:
    return [each.name for each in result.operations]


def test_ids_and_the_clock_are_the_same_on_every_replay() -> None:
    seen: list[Any] = []

    async def note(run_context: RunContext[None]) -> str:
        seen.append((run_context.run_id, run_context.conversation_id))
        return "be brief"

    agent = agent_of("fine", instructions=note)

    async def body(ctx: DurableContext) -> str:
        result = await agent.run("go", timeout=60) if "timeout" in TAKES else await agent.run("go")
        seen.append(result.run_id)
        return result.output

    TAKES = Agent.run.__kwdefaults__ or {}
    assert run(body).result == "fine"
    assert len(seen) >= 4
    assert len({each for each in seen if isinstance(each, tuple)}) == 1
    assert len({each for each in seen if isinstance(each, str)}) == 1


def test_plain_functions_run_in_threads_as_the_framework_has_it() -> None:
    done: list[str] = []

    def look(place: str) -> str:
        done.append(place)
        return f"sun in {place}"

    @human_approval(when=lambda _: False)
    def buy(what: str) -> str:
        done.append(what)
        return f"bought {what}"

    def instructions() -> str:
        return "be brief"

    agent = agent_of(
        [("look", {"place": "Rome"}), ("buy", {"what": "hat"})],
        "done",
        tools=[look, buy],
        instructions=instructions,
    )

    async def body(ctx: DurableContext) -> str:
        return (await agent.run("go")).output

    result = run(body)
    assert result.result == "done"
    assert sorted(done) == ["Rome", "hat"]
    assert sorted(set(names(result))) == ["asyncio thread", "buy", "clerk: model", "look", "pause"]


def test_an_error_of_a_tool_that_is_not_for_the_model_is_retried_and_then_ends_the_run() -> None:
    tried: list[int] = []

    class BankIsClosed(Exception): ...

    async def pay() -> str:
        tried.append(1)
        if len(tried) == 2:
            return "paid"
        raise BankIsClosed("until tomorrow")

    async def broken() -> str:
        raise BankIsClosed("for ever")

    tools = [pay, broken]
    options = {"broken": ToolOptions(retry_strategy=NoRetry())}
    agent = agent_of(
        [("pay", {})], [("broken", {})], "x", tools=tools, durability=Durability(tools=options)
    )

    async def body(ctx: DurableContext) -> str:
        try:
            await agent.run("go")
        except BankIsClosed as error:
            return str(error)
        return "no error"

    result = run(body)
    assert "for ever" in result.result
    assert names(result) == ["clerk: model", "pay", "clerk: model", "broken", "pause"]
    assert [each.attempt for each in result.operations[:4]] == [1, 2, 1, 1]


class Place(BaseModel):
    name: str
    seen: datetime


@dataclass
class Point:
    x: int


def test_results_of_tools_of_any_type_are_the_same_on_replay() -> None:
    kept: list[Any] = []

    async def find() -> Any:
        return Place(name="Rome", seen=datetime(2026, 1, 2, tzinfo=UTC))

    async def point() -> Any:
        return [Point(1), {"a": None}, 1.5]

    async def picture() -> Any:
        return ToolReturn(
            return_value="a picture",
            content=[BinaryContent(b"\x00\xff", media_type="image/png")],
            metadata={"n": 1},
        )

    agent = agent_of(
        [("find", {}), ("point", {}), ("picture", {})], "done", tools=[find, point, picture]
    )

    async def body(ctx: DurableContext) -> str:
        result = await agent.run("go")
        [request] = [
            each
            for each in result.all_messages()
            if isinstance(each, ModelRequest) and isinstance(each.parts[0], ToolReturnPart)
        ]
        kept.append(
            [
                (getattr(part, "content", None), getattr(part, "metadata", None))
                for part in request.parts
            ]
        )
        return result.output

    assert run(body).result == "done"
    assert len(kept) >= 2
    assert all(repr(each) == repr(kept[0]) for each in kept)
    assert "\\x00\\xff" in repr(kept[0])


def test_a_result_without_json_is_told_at_once() -> None:
    async def odd() -> Any:
        return object()

    agent = agent_of([("odd", {})], "done", tools=[odd])

    async def body(ctx: DurableContext) -> str:
        return (await agent.run("go")).output

    result = LocalDurableTestRunner(handling(body)).run_sync(None)
    assert result.status == "FAILED"
    assert "has no JSON form" in result.error.error_message
    assert result.operation("odd").attempt == 1


def test_a_conversation_goes_on_after_days() -> None:
    first = agent_of("I am Ada.")

    def recall(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse([TextPart("Ada" if "I am Ada." in repr(messages) else "who?")])

    second = Agent(FunctionModel(recall), name="clerk", capabilities=[Durability()])

    async def body(ctx: DurableContext) -> str:
        result = await first.run("Who are you?")
        await ctx.wait(Duration.from_days(30))
        return (await second.run("And?", message_history=result.all_messages())).output

    assert run(body).result == "Ada"


def test_usage_is_shared_and_limited_over_runs() -> None:
    agent = agent_of("one")

    async def body(ctx: DurableContext) -> Any:
        usage = RunUsage()
        limits = UsageLimits(request_limit=2)
        for _ in range(2):
            await agent.run("go", usage=usage, usage_limits=limits)
            await ctx.wait(Duration.from_days(1))
        try:
            await agent.run("go", usage=usage, usage_limits=limits)
        except Exception as error:
            return [type(error).__name__, usage.requests, usage.input_tokens]

    assert run(body).result == ["UsageLimitExceeded", 2, 20]


def test_agents_run_beside_one_another() -> None:
    agents = {
        each: agent_of([("look", {})], each, name=each, tools=[Tool(_look, name="look")])
        for each in "abc"
    }

    async def body(ctx: DurableContext) -> Any:
        async def one(name: str) -> str:
            return (await agents[name].run("go")).output

        return list(await asyncio.gather(*(one(name) for name in "abc")))

    handler = handling(body)
    result = LocalDurableTestRunner(handler).run_sync(None)
    assert result.result == ["a", "b", "c"]
    check_schedules_sync(handler, None, seeds=range(8)).raise_if_failed()
    check_crash_safety_sync(handler, None, max_points=12).raise_if_failed()


async def _look() -> str:
    return "seen"


def test_a_sub_agent_in_workflow_code_is_recorded_and_not_run_again() -> None:
    inner = agent_of([("look", {})], "inner answer", name="inner", tools=[Tool(_look, name="look")])
    runs: list[int] = []

    @in_workflow
    async def ask(question: str) -> str:
        runs.append(1)
        return (await inner.run(question)).output

    outer = agent_of([("ask", {"question": "?"})], "outer answer", name="outer", tools=[ask])

    async def body(ctx: DurableContext) -> str:
        return (await outer.run("go")).output

    result = LocalDurableTestRunner(handling(body)).run_sync(None)
    assert result.result == "outer answer"
    assert [each.name for each in result.children("ask")] == [
        "inner: model",
        "look",
        "inner: model",
    ]
    assert runs == [1]


def test_an_error_of_a_tool_in_workflow_code_goes_to_the_model() -> None:
    @in_workflow
    async def ask() -> str:
        await DurableContext.current().step(lambda: 1, name="inside")
        raise ModelRetry("ask another")

    agent = agent_of([("ask", {})], "I see", tools=[ask])

    async def body(ctx: DurableContext) -> str:
        result = await agent.run("go")
        assert "ask another" in repr(result.all_messages())
        return result.output

    assert run(body).result == "I see"


def test_a_stream_in_a_handler_has_the_recorded_answer() -> None:
    async def words(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        yield "one "
        yield "two"

    agent = Agent(FunctionModel(stream_function=words), name="clerk", capabilities=[Durability()])

    async def body(ctx: DurableContext) -> str:
        async with agent.run_stream("go") as stream:
            return await stream.get_output()

    result = run(body)
    assert result.result == "one two"
    assert names(result) == ["clerk: model", "pause"]


def test_nodes_of_a_run_can_be_taken_one_by_one() -> None:
    agent = agent_of([("look", {})], "done", tools=[Tool(_look, name="look")])

    async def body(ctx: DurableContext) -> Any:
        async with agent.iter("go") as nodes:
            kinds = [type(node).__name__ async for node in nodes]
        return [len(kinds) > 3, nodes.result.output if nodes.result else None]

    assert run(body).result == [True, "done"]


def test_output_that_does_not_fit_goes_back_to_the_model() -> None:
    agent = agent_of(
        [("final_result", {"name": 5})],
        [("final_result", {"name": "Rome", "seen": "2026-01-02T00:00:00Z"})],
        output_type=Place,
    )

    async def body(ctx: DurableContext) -> str:
        return (await agent.run("go")).output.name

    result = run(body)
    assert result.result == "Rome"
    assert names(result) == ["clerk: model", "clerk: model", "pause"]


def test_toolsets_that_are_made_for_a_run_are_steps_too() -> None:
    def build(_: RunContext[None]) -> FunctionToolset[None]:
        return FunctionToolset([Tool(_look, name="look")])

    agent = agent_of([("look", {})], "done", toolsets=[DynamicToolset(build, id="made")])

    async def body(ctx: DurableContext) -> str:
        return (await agent.run("go")).output

    result = run(body)
    assert result.result == "done"
    assert names(result).count("look") == 1
    assert "made: get tools" in names(result)


def test_a_toolset_that_comes_with_the_run_is_refused() -> None:
    agent = agent_of([("look", {})], "done")

    async def body(ctx: DurableContext) -> str:
        return (
            await agent.run("go", toolsets=[FunctionToolset([Tool(_look, name="look")])])
        ).output

    result = LocalDurableTestRunner(handling(body)).run_sync(None)
    assert result.error.is_a("UserError")


def test_sync_methods_are_refused_in_workflow_code() -> None:
    agent = agent_of("done")

    async def in_thread(ctx: DurableContext) -> str:
        return await asyncio.to_thread(lambda: agent.run_sync("go").output)

    async def in_loop(ctx: DurableContext) -> str:
        return agent.run_sync("go").output

    for body, words in ((in_thread, "in another thread"), (in_loop, "loop is already running")):
        result = LocalDurableTestRunner(handling(body)).run_sync(None)
        assert result.status == "FAILED"
        assert words in result.error.error_message


def test_guards_by_name_refuse_to_run_outside_of_a_handler() -> None:
    options = {"look": ToolOptions(approval=human_approval())}
    agent = agent_of(
        [("look", {})],
        "done",
        tools=[Tool(_look, name="look")],
        durability=Durability(tools=options),
    )
    with pytest.raises(Exception, match="need a person's approval"):
        asyncio.run(agent.run("go"))


def test_one_interrupted_tool_ends_the_run_and_the_others() -> None:
    @at_most_once
    async def pay() -> str:
        await asyncio.sleep(0.001)
        return "paid"

    agent = agent_of([("pay", {}), ("look", {})], "done", tools=[pay, Tool(_look, name="look")])

    async def body(ctx: DurableContext) -> str:
        return (await agent.run("go")).output

    runner = LocalDurableTestRunner(handling(body))
    runner.crash_in("pay")
    result = runner.run_sync(None)
    assert result.error.is_a("StepInterruptedError")
    assert names(result).count("clerk: model") == 1


class Client:
    max_retries = 2


class Wired(TestModel):
    """A model with a client of HTTP."""

    def __init__(self) -> None:
        super().__init__(custom_output_text="fine")
        self.client = Client()
        self.seen: list[int] = []

    async def request(self, *args: Any, **kwargs: Any) -> ModelResponse:
        self.seen.append(self.client.max_retries)
        return await super().request(*args, **kwargs)

    @asynccontextmanager
    async def request_stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        self.seen.append(self.client.max_retries)
        async with super().request_stream(*args, **kwargs) as stream:
            yield stream


@pytest.mark.parametrize("streams", [False, True])
def test_the_client_makes_one_attempt_in_a_step_and_its_own_number_outside(streams: bool) -> None:
    model = Wired()

    async def ignore(_: Any, events: AsyncIterator[Any]) -> None:
        async for _event in events:
            pass

    durability = Durability(event_stream_handler=ignore if streams else None)
    agent = Agent(model, name="clerk", capabilities=[durability])

    async def body(ctx: DurableContext) -> str:
        return (await agent.run("go")).output

    assert run(body).result == "fine"
    assert model.seen == [0]
    assert model.client.max_retries == 2
    asyncio.run(agent.run("go"))
    assert model.seen == [0, 2]


def test_the_clients_of_models_that_stand_in_for_one_another_make_one_attempt() -> None:
    class Failing(Wired):
        async def request(self, *args: Any, **kwargs: Any) -> ModelResponse:
            await super().request(*args, **kwargs)
            raise ModelHTTPError(503, "busy")

    models = [Failing(), Wired()]
    agent = Agent(FallbackModel(*models), name="clerk", capabilities=[Durability()])

    async def body(ctx: DurableContext) -> str:
        return (await agent.run("go")).output

    assert run(body).result == "fine"
    assert [model.seen for model in models] == [[0], [0]]
    assert [model.client.max_retries for model in models] == [2, 2]


class Counting(WrapperModel):
    """A model that counts tokens at its provider."""

    counted = 0

    async def count_tokens(self, *args: Any, **kwargs: Any) -> RequestUsage:
        Counting.counted += 1
        return RequestUsage(input_tokens=7)


def test_tokens_are_counted_in_steps() -> None:
    Counting.counted = 0
    model = Counting(playing("fine"))
    agent = Agent(model, name="clerk", capabilities=[Durability()])
    limits = UsageLimits(count_tokens_before_request=True, input_tokens_limit=10)

    async def body(ctx: DurableContext) -> str:
        return (await agent.run("go", usage_limits=limits)).output

    result = run(body)
    assert result.result == "fine"
    assert names(result) == ["clerk: count tokens", "clerk: model", "pause"]
    assert Counting.counted == 1
    asyncio.run(agent.run("go", usage_limits=limits))
    assert Counting.counted == 2


TOOLSETS: dict[str, Callable[[FunctionToolset[Any]], Any]] = {
    "prefixed": lambda tools: tools.prefixed("my"),
    "renamed": lambda tools: tools.renamed({"my_refund_once": "refund_once", "my_nap": "nap"}),
    "both": lambda tools: CombinedToolset([tools.prefixed("my").filtered(lambda _, __: True)]),
}


@pytest.mark.parametrize("kind", TOOLSETS)
def test_toolsets_that_give_other_names_keep_marks(kind: str) -> None:
    @in_workflow
    async def nap(days: int) -> str:
        """Sleep."""
        await DurableContext.current().wait(Duration.from_days(days), name="sleep")
        return "slept"

    toolset = TOOLSETS[kind](FunctionToolset([refund_once, nap], id="shop"))
    REFUNDS.clear()

    async def body(ctx: DurableContext) -> str:
        asked = [("my_refund_once", {"order": "17"}), ("my_nap", {"days": 1})]
        return (await agent_of(asked, "done", toolsets=[toolset]).run("go")).output

    assert run(body).result == "done"
    assert REFUNDS == ["17"]
    runner = LocalDurableTestRunner(handling(body))
    runner.crash_in("refund_once")
    result = runner.run_sync(None)
    assert result.error is not None
    assert result.error.is_a("StepInterruptedError")


def test_a_model_may_be_chosen_by_its_key() -> None:
    other: Model = TestModel(custom_output_text="other")
    durability = Durability(models={"other": other}, model=ModelOptions(retry_strategy=NoRetry()))
    agent = agent_of("first", durability=durability)

    async def body(ctx: DurableContext) -> Any:
        return [(await agent.run("go")).output, (await agent.run("go", model="other")).output]

    assert run(body).result == ["first", "other"]


def test_a_test_may_put_a_fake_model_in_place_of_the_agents_own() -> None:
    agent = Agent("openai:gpt-5", name="clerk", capabilities=[Durability()], defer_model_check=True)

    async def body(ctx: DurableContext) -> Any:
        given = await agent.run("go", model=TestModel(custom_output_text="given"))
        with agent.override(model=TestModel(custom_output_text="overridden")):
            return [given.output, (await agent.run("go")).output]

    assert run(body).result == ["given", "overridden"]


@at_most_once
async def refund_once(order: str) -> str:
    """Refund an order."""
    REFUNDS.append(order)
    return f"refunded {order}"


REFUNDS: list[str] = []


def test_a_toolset_that_hides_a_mark_does_not_run_the_function() -> None:
    REFUNDS.clear()
    toolset: Any = DynamicToolset(lambda _: FunctionToolset([refund_once]), id="shop")

    async def body(ctx: DurableContext) -> str:
        calls = [("refund_once", {"order": "17"})]
        return (
            await agent_of(calls, "done", toolsets=[toolset], durability=durability).run("go")
        ).output

    durability: Any = Durability()
    result = LocalDurableTestRunner(handling(body)).run_sync(None)
    assert result.error is not None
    assert "marked at_most_once" in str(result.error)
    assert not REFUNDS
    durability = Durability(tools={"refund_once": ToolOptions(at_most_once=True)})
    assert run(body).result == "done"
    assert REFUNDS == ["17"]


def test_an_output_function_is_code_of_the_workflow_and_may_not_be_at_most_once() -> None:
    REFUNDS.clear()

    async def body(ctx: DurableContext) -> str:
        calls = [("final_result", {"order": "17"})]
        return (await agent_of(calls, output_type=refund_once).run("go")).output

    result = LocalDurableTestRunner(handling(body)).run_sync(None)
    assert result.error is not None
    assert "code of the workflow" in str(result.error)
    assert not REFUNDS


async def _pay(amount: int) -> str:
    return f"paid {amount}"


def _paying(tool: Any = _pay, **options: Any) -> Any:
    agent = agent_of([("pay", {"amount": 90})], "done", tools=[Tool(tool, name="pay")])

    async def body(ctx: DurableContext) -> str:
        return (await agent.run("go", **options)).output

    return handling(body)


def _other(function: Any) -> Any:
    """Return a copy, because a mark stands in an attribute of the function."""

    async def pay(amount: int) -> str:
        return await function(amount)

    return pay


_MARKS = {
    "none": lambda: _pay,
    "at most once": lambda: at_most_once(_other(_pay)),
    "timeout": lambda: tool_options(timeout=Duration.from_seconds(9))(_other(_pay)),
    "approval": lambda: human_approval()(_other(_pay)),
    "other approval": lambda: human_approval(question="Really?", timeout=Duration.from_days(9))(
        _other(_pay)
    ),
    "approval of more": lambda: human_approval(when=lambda given: given["amount"] > 100)(
        _other(_pay)
    ),
}


@pytest.mark.parametrize(
    ("before", "after", "fits"),
    [
        ("none", "at most once", True),
        ("none", "timeout", True),
        ("none", "approval", False),
        ("none", "approval of more", True),
        ("approval", "none", False),
        ("approval", "other approval", True),
        ("approval", "approval of more", False),
    ],
)
def test_which_changes_of_marks_open_executions_can_go_on_with(
    before: str, after: str, fits: bool
) -> None:
    runner = LocalDurableTestRunner(_paying(_MARKS[before]())).sync
    runner.start(None)
    if before == "approval":
        runner.wait_for_callback("approve pay").succeed({"approved": True})
    recorded = runner.complete()
    assert recorded.result == "done"
    assert check_replay_sync(_paying(_MARKS[after]()), recorded).ok is fits


def test_a_lower_limit_ends_executions_that_had_gone_on() -> None:
    recorded = LocalDurableTestRunner(_paying()).run_sync(None)
    lower = _paying(usage_limits=UsageLimits(request_limit=1))
    report = check_replay_sync(lower, recorded)
    assert "UsageLimitExceeded" in str(report)
