"""The driver of the adapter for Pydantic AI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pydantic_ai import Agent, ModelRetry, UsageLimits
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    ToolCallPart,
)
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from pydantic_ai.output import NativeOutput
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.usage import RequestUsage
from tests.agents.driver import Outcome, Spec, Turn

from durable_execution_sdk.agents.pydantic_ai import Durability


class _Fake:
    """A model that plays the turns of a spec."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def turn(self, messages: list[ModelMessage]) -> tuple[int, Turn]:
        number = sum(isinstance(each, ModelResponse) for each in messages)
        self.spec.on_request(number, repr(messages))
        return number, self.spec.turns[number]

    def answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        number, turn = self.turn(messages)
        parts: list[Any] = [
            ToolCallPart(call.tool, dict(call.arguments), tool_call_id=f"{number}-{index}")
            for index, call in enumerate(turn.calls)
        ]
        parts += [TextPart(turn.text)] if turn.text else []
        return ModelResponse(parts=parts, usage=RequestUsage(input_tokens=10, output_tokens=5))

    async def stream(
        self, messages: list[ModelMessage], info: AgentInfo
    ) -> AsyncIterator[str | dict[int, DeltaToolCall]]:
        number, turn = self.turn(messages)
        for word in turn.text.split(" ") if turn.text else ():
            yield f"{word} "
        for index, call in enumerate(turn.calls):
            yield {
                index: DeltaToolCall(call.tool, "{}", tool_call_id=f"{number}-{index}"),
            }


class Driver:
    tool_error = ModelRetry
    lacks: frozenset[str] = frozenset()
    limit_error = "UsageLimitExceeded"

    async def run(self, spec: Spec) -> Outcome:
        fake = _Fake(spec)
        streams = spec.on_text is not None

        async def show(_ctx: Any, events: AsyncIterator[Any]) -> None:
            async for event in events:
                if spec.on_text is None:
                    continue
                if isinstance(event, PartStartEvent):
                    spec.on_text(getattr(event.part, "content", ""))
                elif isinstance(event, PartDeltaEvent):
                    spec.on_text(getattr(event.delta, "content_delta", ""))

        profile = ModelProfile(supports_json_schema_output=True)
        agent: Agent[None, Any] = Agent(
            FunctionModel(fake.answer, stream_function=fake.stream, profile=profile),
            name=spec.name,
            instructions=spec.instructions,
            tools=list(spec.tools),
            output_type=str if spec.output is None else NativeOutput(spec.output),
            capabilities=[
                Durability(
                    tools=spec.tool_options,
                    model=spec.model,
                    event_stream_handler=show if streams else None,
                )
            ],
        )
        limits = UsageLimits(request_limit=spec.request_limit) if spec.request_limit else None
        result = await agent.run(
            spec.prompt, usage_limits=limits or UsageLimits(request_limit=None)
        )
        usage = result.usage
        return Outcome(
            output=result.output,
            requests=usage.requests,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
        )
