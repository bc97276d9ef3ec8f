"""Let an agent look at a parcel every few days; between two looks nothing runs.

``in_workflow`` makes a tool code of the workflow, so it may wait. The model decides how long. Without a key a fake model
answers; with ``OPENAI_API_KEY`` (and ``pip install 'pydantic-ai-slim[openai]'``) it is ``MODEL``.

Run it with::

    durable run examples/agents/patient_agent/app.py --skip-time --input '"RB 4711"'
"""

import os
from datetime import timedelta

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.agents import in_workflow
from durable_execution_sdk.agents.pydantic_ai import Durability

MODEL = "openai:gpt-5-mini"
PLACES = ["at the sender", "on the ship", "delivered"]
looks: list[str] = []  # those of the carrier, outside of the workflow


async def track(parcel: str) -> str:
    """Ask the carrier for a parcel."""
    looks.append(parcel)
    return PLACES[min(len(looks), len(PLACES)) - 1]


@in_workflow
async def wait_days(days: int) -> str:
    """Wait some days before the next look."""
    ctx = DurableContext.current()
    await ctx.wait(timedelta(days=days), name="days between looks")
    return f"it is {ctx.now():%A}"


def pretend(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Answer as a model might: look, wait for days, and look again, until the parcel is there."""
    last = messages[-1].parts[0]
    turn = len(messages)
    if isinstance(last, ToolReturnPart) and last.content == "delivered":
        return ModelResponse([TextPart("The parcel was delivered.")])
    if isinstance(last, ToolReturnPart) and last.tool_name == "track":
        return ModelResponse([ToolCallPart("wait_days", {"days": 3}, f"call-{turn}")])
    return ModelResponse([ToolCallPart("track", {"parcel": "RB 4711"}, f"call-{turn}")])


agent = Agent(
    MODEL if os.environ.get("OPENAI_API_KEY") else FunctionModel(pretend),
    name="watcher",
    instructions="Track the parcel until it is delivered; wait for days between two looks.",
    tools=[track, wait_days],
    capabilities=[Durability()],
)


@durable_execution
async def watch(parcel: str, ctx: DurableContext) -> str:
    answer: str = (await agent.run(f"Where is {parcel}?")).output
    return answer
