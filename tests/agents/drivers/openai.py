"""The driver of the adapter for the OpenAI Agents SDK."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, ModelResponse, Usage, function_tool, set_tracing_disabled
from agents.exceptions import MaxTurnsExceeded
from agents.models.interface import Model
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
    ResponseUsage,
)
from tests.agents.driver import Outcome, Spec, Turn

from durable_execution_sdk.agents.openai import DurableRunner

# Where no workflow runs, the framework would send traces from a thread.
set_tracing_disabled(disabled=True)


def items_of(number: int, turn: Turn) -> list[Any]:
    """The items of a model's answer: calls of tools whose ids have the number of the turn, or a text."""
    items: list[Any] = [
        ResponseFunctionToolCall(
            id=f"fc-{number}-{index}",
            call_id=f"{number}-{index}",
            name=call.tool,
            arguments=json.dumps(dict(call.arguments)),
            type="function_call",
        )
        for index, call in enumerate(turn.calls)
    ]
    if turn.text:
        text = ResponseOutputText(text=turn.text, type="output_text", annotations=[])
        items.append(
            ResponseOutputMessage(
                id=f"msg-{number}",
                content=[text],
                role="assistant",
                status="completed",
                type="message",
            )
        )
    return items


def asked(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the instructions, the history and the schema of the output from the arguments of a request."""
    names = ("system_instructions", "input", "model_settings", "tools", "output_schema")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    return given["system_instructions"], given["input"], given["output_schema"]


class FakeModel(Model):
    """A model that plays the turns of a spec."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def answer(
        self, instructions: str | None, history: str | list[Any], schema: Any
    ) -> tuple[str, list[Any]]:
        items = [] if isinstance(history, str) else history
        calls = [each for each in items if each.get("type") == "function_call"]
        number = len({each["call_id"].partition("-")[0] for each in calls})
        self.spec.on_request(number, f"{instructions} {history!r}")
        turn = self.spec.turns[number]
        if (
            turn.text
            and schema is not None
            and list(schema.json_schema()["properties"]) == ["response"]
        ):
            # The framework asks for types that are no models of pydantic in a field.
            turn = Turn(text=f'{{"response": {turn.text}}}')
        return turn.text, items_of(number, turn)

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        _, items = self.answer(*asked(args, kwargs))
        usage = Usage(requests=1, input_tokens=10, output_tokens=5, total_tokens=15)
        return ModelResponse(output=items, usage=usage, response_id=None)

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        text, items = self.answer(*asked(args, kwargs))
        for number, word in enumerate(text.split(" ") if text else ()):
            yield ResponseTextDeltaEvent(
                content_index=0,
                delta=f"{word} ",
                item_id="msg",
                logprobs=[],
                output_index=0,
                sequence_number=number,
                type="response.output_text.delta",
            )
        usage = ResponseUsage.model_construct(
            input_tokens=10,
            output_tokens=5,
            total_tokens=15,
            input_tokens_details=Usage().input_tokens_details,
            output_tokens_details=Usage().output_tokens_details,
        )
        response = Response.model_construct(id="response", output=items, usage=usage)
        yield ResponseCompletedEvent.model_construct(
            type="response.completed", response=response, sequence_number=99
        )


class Driver:
    """Runs agents of the OpenAI Agents SDK."""

    tool_error: type[Exception] = ValueError
    lacks = frozenset[str]()
    limit_error = MaxTurnsExceeded.__name__

    async def run(self, spec: Spec) -> Outcome:
        agent: Agent[Any] = Agent(
            name=spec.name,
            instructions=spec.instructions,
            model=FakeModel(spec),
            output_type=spec.output,
            tools=[
                function_tool(tool, failure_error_function=lambda _, error: str(error))
                for tool in spec.tools
            ],
        )

        def stream_handler(event: Any) -> None:
            if event.type == "response.output_text.delta" and spec.on_text is not None:
                spec.on_text(event.delta)

        result = await DurableRunner.run(
            agent,
            spec.prompt,
            tools=spec.tool_options,
            model=spec.model,
            stream_handler=None if spec.on_text is None else stream_handler,
            max_turns=spec.request_limit or 99,
        )
        usage = result.context_wrapper.usage
        return Outcome(result.final_output, usage.requests, usage.input_tokens, usage.output_tokens)
