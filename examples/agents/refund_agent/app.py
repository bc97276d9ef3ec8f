"""Let a support agent refund an order, at most once, and ask a person first if it is dear.

``at_most_once`` records the start of the refund before it runs, so that a crash never repeats it; ``human_approval``
asks for large amounts only. Change ``FREE_UP_TO`` and the orders. Without a key a fake model answers; with
``OPENAI_API_KEY`` (and ``pip install 'pydantic-ai-slim[openai]'``) it is ``MODEL``.

Run it with::

    durable run examples/agents/refund_agent/app.py --skip-time --input '"Order 17 came broken"'
"""

import os
import re
from collections.abc import Mapping
from datetime import timedelta

from pydantic_ai import Agent, ModelRetry
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.agents import at_most_once, human_approval
from durable_execution_sdk.agents.pydantic_ai import Durability

MODEL = "openai:gpt-5-mini"
FREE_UP_TO = 50
ORDERS = {"17": 20, "18": 900}
refunds: list[str] = []  # those of the bank, outside of the workflow


async def find_order(number: str) -> int:
    """Find an order, and return what was paid for it."""
    if number not in ORDERS:
        raise ModelRetry(f"there is no order {number}")  # told to the model
    return ORDERS[number]


def is_dear(arguments: Mapping[str, object]) -> bool:
    return int(str(arguments["amount"])) > FREE_UP_TO


@at_most_once
@human_approval(when=is_dear, timeout=timedelta(days=3))
async def refund(number: str, amount: int) -> str:
    """Refund an amount of an order."""
    refunds.append(number)
    return f"refunded {amount} of order {number}"


def pretend(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Answer as a model might: find the order, refund it, and say what happened."""
    number = re.findall(r"[Oo]rder (\d+)", str(messages[0].parts[-1]))[0]
    last = messages[-1].parts[0]
    if not isinstance(last, ToolReturnPart):
        return ModelResponse([ToolCallPart("find_order", {"number": number}, "call-1")])
    if last.tool_name == "find_order":
        arguments = {"number": number, "amount": last.content}
        return ModelResponse([ToolCallPart("refund", arguments, "call-2")])
    return ModelResponse([TextPart(str(last.content))])


agent = Agent(
    MODEL if os.environ.get("OPENAI_API_KEY") else FunctionModel(pretend),
    name="support",
    instructions="Find the order of the complaint, and refund what was paid.",
    tools=[find_order, refund],
    capabilities=[Durability()],
)


@durable_execution
async def support(complaint: str, ctx: DurableContext) -> str:
    answer: str = (await agent.run(complaint)).output
    return answer
