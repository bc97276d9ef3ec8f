"""The driver of the adapter for LangChain."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import ModelCallLimitMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain.tools import tool
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import ToolException
from tests.agents.driver import Outcome, Spec

from durable_execution_sdk.agents.langchain import Durability

USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


class FakeModel(BaseChatModel):
    """A model that plays the turns of a spec."""

    spec: Any

    @property
    def _llm_type(self) -> str:
        return "fake"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind()

    def _turn(self, messages: Any) -> dict[str, Any]:
        number = sum(isinstance(each, AIMessage) for each in messages)
        self.spec.on_request(number, repr(messages))
        turn = self.spec.turns[number]
        calls = [(call.tool, dict(call.arguments)) for call in turn.calls]
        text = turn.text
        if self.spec.output is not None and not calls:
            calls, text = [(self.spec.output.__name__, json.loads(text))], ""
        tool_calls = [
            {"name": name, "args": arguments, "id": f"{number}-{index}", "type": "tool_call"}
            for index, (name, arguments) in enumerate(calls)
        ]
        return {"content": text, "tool_calls": tool_calls, "id": f"answer-{number}"}

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        message = AIMessage(**self._turn(messages), usage_metadata=USAGE)
        return ChatResult(generations=[ChatGeneration(message=message)])


class StreamingModel(FakeModel):
    async def _astream(
        self, messages: Any, *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        turn = self._turn(messages)
        for word in turn["content"].split(" "):
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} ", id=turn["id"]))
        yield ChatGenerationChunk(
            message=AIMessageChunk(content="", id=turn["id"], usage_metadata=USAGE)
        )


class Driver:
    tool_error = ToolException
    lacks: frozenset[str] = frozenset()
    limit_error = "ModelCallLimitExceededError"

    async def run(self, spec: Spec) -> Outcome:
        on_text = spec.on_text

        def show(chunk: AIMessageChunk) -> None:
            if on_text is not None:
                on_text(chunk.text)

        durability = Durability(
            tools=spec.tool_options, model=spec.model, stream_handler=show if on_text else None
        )
        limits: list[Any] = []
        if spec.request_limit is not None:
            limits = [ModelCallLimitMiddleware(run_limit=spec.request_limit, exit_behavior="error")]
        tools = [tool(each) for each in spec.tools]
        for each in tools:
            each.handle_tool_error = True
        agent: Any = create_agent(
            (StreamingModel if on_text else FakeModel)(spec=spec),
            tools=tools,
            system_prompt=spec.instructions,
            middleware=[*limits, durability],
            response_format=None if spec.output is None else ToolStrategy(spec.output),
            name=spec.name,
        )
        prompt = HumanMessage(spec.prompt)
        result = await agent.ainvoke({"messages": [prompt]}, {"recursion_limit": 1000})
        answers = [each for each in result["messages"] if isinstance(each, AIMessage)]
        return Outcome(
            output=answers[-1].text.strip()
            if spec.output is None
            else result["structured_response"],
            requests=len(answers),
            input_tokens=sum(each.usage_metadata["input_tokens"] for each in answers),
            output_tokens=sum(each.usage_metadata["output_tokens"] for each in answers),
        )
