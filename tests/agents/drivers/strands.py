"""The driver of the adapter for Strands."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import pydantic
from strands import Agent, tool
from strands.models.model import Model
from strands.types.exceptions import EventLoopException
from tests.agents.driver import Outcome, Spec, Turn

from durable_execution_sdk.agents.strands import Durability


class FakeModel(Model):
    """A model that plays the turns of a spec, one streamed word after the other."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def update_config(self, **model_config: Any) -> None:
        """Nothing to configure."""

    def get_config(self) -> dict[str, Any]:
        return {}

    async def structured_output(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError
        yield

    async def stream(
        self, messages: Any, tool_specs: Any = None, system_prompt: str | None = None, **_: Any
    ) -> AsyncIterator[Any]:
        number = sum(each["role"] == "assistant" for each in messages)
        self.spec.on_request(number, f"{system_prompt} {messages!r}")
        yield {"messageStart": {"role": "assistant"}}
        uses = self._uses(number, self.spec.turns[number])
        for start, text in uses or [({}, self.spec.turns[number].text)]:
            yield {"contentBlockStart": {"start": start}}
            for piece in [text] if start else [f"{word} " for word in text.split(" ")]:
                delta = {"toolUse": {"input": piece}} if start else {"text": piece}
                yield {"contentBlockDelta": {"delta": delta}}
            yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if uses else "end_turn"}}
        usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
        yield {"metadata": {"usage": usage, "metrics": {"latencyMs": 1}}}

    def _uses(self, number: int, turn: Turn) -> list[tuple[dict[str, Any], str]]:
        calls = [(call.tool, json.dumps(dict(call.arguments))) for call in turn.calls]
        if self.spec.output is not None and not calls:
            calls = [(self.spec.output.__name__, turn.text)]
        return [
            ({"toolUse": {"name": name, "toolUseId": f"{number}-{index}"}}, arguments)
            for index, (name, arguments) in enumerate(calls)
        ]


class LimitReached(Exception):
    """A run ended by a limit, which Strands tells by the result's ``stop_reason``."""


class Driver:
    tool_error = ValueError
    lacks: frozenset[str] = frozenset()
    limit_error = "LimitReached"

    async def run(self, spec: Spec) -> Outcome:
        def show(**event: Any) -> None:
            if spec.on_text is not None and "data" in event:
                spec.on_text(event["data"])

        durability = Durability(tools=spec.tool_options, model=spec.model, stream_handler=show)
        agent = Agent(
            FakeModel(spec),
            name=spec.name,
            system_prompt=spec.instructions,
            tools=[tool(each) for each in spec.tools],
            callback_handler=None,
            plugins=[durability],
        )
        try:
            result = await agent.invoke_async(
                spec.prompt,
                structured_output_model=model_of(spec.output),
                limits={"turns": spec.request_limit} if spec.request_limit else None,
            )
        except EventLoopException as error:  # as Strands wraps what ends a run
            raise error.original_exception from error
        if result.stop_reason.startswith("limit"):
            raise LimitReached(result.stop_reason)
        usage = result.metrics.accumulated_usage
        output: Any = str(result).strip() if spec.output is None else result.structured_output
        if dataclasses.is_dataclass(spec.output):
            output = spec.output(**output.model_dump())
        return Outcome(
            output=output,
            requests=result.metrics.cycle_count,
            input_tokens=usage["inputTokens"],
            output_tokens=usage["outputTokens"],
        )


def model_of(kind: type[Any] | None) -> type[pydantic.BaseModel] | None:
    """Return a pydantic model of a type of output, which is what Strands takes."""
    if kind is None or issubclass(kind, pydantic.BaseModel):
        return kind
    fields = {each.name: (each.type, ...) for each in dataclasses.fields(kind)}
    made: Any = pydantic.create_model(kind.__name__, __doc__=kind.__doc__, **fields)
    return made
