"""Research a topic by an agent: a person approves its plan, searches run at once, and a budget ends it.

Without a key a fake model answers; with ``OPENAI_API_KEY`` (and ``pip install 'pydantic-ai-slim[openai]'``) it is
``MODEL``. The questions of the plan are on the callbacks page of ``durable dev``. Put a real search into ``search``.

Run it with::

    durable run examples/agents/research_agent/app.py --skip-time --input '"tides"'
"""

import os
from dataclasses import asdict, dataclass
from datetime import timedelta

from pydantic_ai import Agent, RunUsage, UsageLimits
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.output import NativeOutput
from pydantic_ai.profiles import ModelProfile

from durable_execution_sdk import CallbackTimeoutError, DurableContext, durable_execution
from durable_execution_sdk.agents import Decision, ask_person
from durable_execution_sdk.agents.pydantic_ai import Durability

MODEL = "openai:gpt-5-mini"
BUDGET = UsageLimits(request_limit=10, total_tokens_limit=50_000)


@dataclass
class Plan:
    questions: list[str]


@dataclass
class Report:
    text: str
    tokens: int


async def search(question: str) -> str:
    """Search the library for an answer to a question."""
    return f"what the library says of: {question}"


def pretend(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Answer as a model might: with a plan, with calls of tools, and with a summary."""
    if not info.function_tools:
        return ModelResponse([TextPart('{"questions": ["why tides?", "how high?", "when?"]}')])
    last = messages[-1].parts
    found = [str(part.content) for part in last if isinstance(part, ToolReturnPart)]
    if found:
        return ModelResponse([TextPart("; ".join(found))])
    questions = str(getattr(last[-1], "content", "")).splitlines()[1:]
    return ModelResponse([ToolCallPart("search", {"question": each}) for each in questions])


def model() -> str | FunctionModel:
    if os.environ.get("OPENAI_API_KEY"):
        return MODEL
    return FunctionModel(pretend, profile=ModelProfile(supports_json_schema_output=True))


planner = Agent(
    model(),
    name="planner",
    instructions="Split the topic into at most five questions.",
    output_type=NativeOutput(Plan),
    capabilities=[Durability()],
)
researcher = Agent(
    model(),
    name="researcher",
    instructions="Search for each question, all at once, and sum up the answers.",
    tools=[search],
    capabilities=[Durability()],
)


@durable_execution
async def research(topic: str, ctx: DurableContext) -> Report:
    usage = RunUsage()  # of both agents: what is replayed counts as it did, and once
    plan = (await planner.run(topic, usage=usage, usage_limits=BUDGET)).output
    try:
        decision = await ask_person(
            f"Research {topic} by these questions?",
            about=asdict(plan),
            result_type=Decision,
            timeout=timedelta(days=2),
            name="plan",
        )
    except CallbackTimeoutError:
        return Report("nobody looked at the plan", usage.total_tokens)
    if not decision.approved:
        return Report(f"not approved: {decision.comment}", usage.total_tokens)
    prompt = "\n".join([f"The topic is {topic}.", *plan.questions])
    answer = await researcher.run(prompt, usage=usage, usage_limits=BUDGET)
    return Report(answer.output, usage.total_tokens)
