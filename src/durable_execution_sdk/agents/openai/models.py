"""Models whose requests are steps in a workflow."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

from agents import ModelResponse, Usage
from agents.exceptions import ModelBehaviorError, UserError
from agents.models.interface import Model, ModelProvider
from agents.models.multi_provider import MultiProvider
from agents.retry import ModelRetryAdvice, ModelRetryNormalizedError
from openai.types.responses import Response, ResponseCompletedEvent, ResponseUsage
from pydantic import TypeAdapter

from durable_execution_sdk.agents.marks import ToolOptions
from durable_execution_sdk.agents.model_requests import ModelOptions, request_model
from durable_execution_sdk.agents.tool_calls import current_context
from durable_execution_sdk.errors import SerDesError
from durable_execution_sdk.serdes import SerDesContext

__all__ = ["RUN", "DurableModel", "DurableProvider", "RunSettings"]

StreamHandler = Callable[[Any], Awaitable[object] | object]


@dataclass(frozen=True)
class RunSettings:
    """The settings of the run that the code belongs to, with those of the agents that it runs as tools."""

    model: ModelOptions = field(default_factory=ModelOptions)
    tools: Mapping[str, ToolOptions] = field(default_factory=dict[str, ToolOptions])
    provider: ModelProvider = field(default_factory=MultiProvider)
    stream_handler: StreamHandler | None = None


RUN: ContextVar[RunSettings] = ContextVar("durable_openai_run", default=RunSettings())  # noqa: B039 - it is frozen


class DurableModel(Model):
    """A model, or the name of one, whose requests are steps in a workflow."""

    def __init__(
        self, inner: Model | str | None, agent: str | None, provider: ModelProvider | None = None
    ) -> None:
        self.inner = inner
        self.agent = agent
        self._provider = provider

    @property
    def _model(self) -> Model:
        """The model; it is looked up in steps alone, since a replay may have no key for the provider."""
        if isinstance(self.inner, Model):
            return self.inner
        return (self._provider or RUN.get().provider).get_model(self.inner)

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Request an answer: in a workflow, as a step."""
        if current_context() is None:
            return await self._model.get_response(*args, **kwargs)
        is_streamed = RUN.get().stream_handler is not None
        return await self._request(args, kwargs, is_streamed=is_streamed)

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Stream an answer; in a workflow, the step streams it, and the workflow gets the event of its end."""
        if current_context() is None:
            async for event in self._model.stream_response(*args, **kwargs):
                yield event
            return
        yield _completed(await self._request(args, kwargs, is_streamed=True))

    async def _request(self, args: Any, kwargs: Any, *, is_streamed: bool) -> ModelResponse:
        run = RUN.get()

        async def call() -> ModelResponse:
            if is_streamed:
                events = self._model.stream_response(*args, **kwargs)
                return await _read(events, run.stream_handler)
            return await self._model.get_response(*args, **kwargs)

        return await request_model(
            self.agent,
            call,
            serdes=_ANSWERS,
            options=run.model,
            final=(ModelBehaviorError, UserError),
            clients=(self,),
        )

    def get_retry_advice(self, request: Any) -> ModelRetryAdvice | None:
        """Forbid the runner's own retries in a workflow: the step has made all attempts."""
        if current_context() is None:
            return self._model.get_retry_advice(request)
        return ModelRetryAdvice(
            suggested=False,
            reason="the step of the request has made all attempts",
            normalized=ModelRetryNormalizedError(is_abort=True),
        )

    async def _cleanup_on_run_end(self, owner: object) -> None:
        clean_up = getattr(self.inner, "_cleanup_on_run_end", None)
        if clean_up is not None:
            await clean_up(owner)

    def __getattr__(self, name: str) -> Any:
        # The runner asks models for abilities, such as a default key for the provider's prompt cache.
        try:
            model = self._model
        except Exception as error:
            raise AttributeError(name) from error
        return getattr(model, name)


class DurableProvider(ModelProvider):
    """A provider of models whose requests are steps, for a run whose ``RunConfig`` names the model."""

    def __init__(self, inner: ModelProvider) -> None:
        self.inner = inner

    def get_model(self, model_name: str | None) -> Model:
        """Return the durable model of this name."""
        return DurableModel(model_name, None, self.inner)

    async def aclose(self) -> None:
        """Close the provider."""
        await self.inner.aclose()


async def _read(events: AsyncIterator[Any], stream_handler: StreamHandler | None) -> ModelResponse:
    """Read the events of an answer to its end, and return the answer."""
    items: list[Any] = []
    async for event in events:
        if stream_handler is not None:
            seen = stream_handler(event)
            if isawaitable(seen):
                await seen
        if event.type == "response.output_item.done":
            items.append(event.item)
        elif event.type == "response.completed":
            return _response(event.response, items)
        elif event.type in ("response.incomplete", "response.failed", "error", "response.error"):
            raise ModelBehaviorError(f"the model's answer ended with {event.type}: {event!r}")
    raise ModelBehaviorError("the model's answer did not end")


def _response(response: Response, items: list[Any]) -> ModelResponse:
    usage = Usage()
    if used := response.usage:
        usage = Usage(
            requests=1,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            total_tokens=used.total_tokens,
            input_tokens_details=used.input_tokens_details,
            output_tokens_details=used.output_tokens_details,
        )
    return ModelResponse(output=response.output or items, usage=usage, response_id=response.id)


def _completed(answer: ModelResponse) -> ResponseCompletedEvent:
    """Return the last event of the stream of an answer."""
    used = answer.usage
    usage = ResponseUsage.construct(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        total_tokens=used.total_tokens,
        input_tokens_details=used.input_tokens_details,
        output_tokens_details=used.output_tokens_details,
    )
    response = Response.construct(
        id=answer.response_id or "", output=answer.output, usage=usage if used.requests else None
    )
    return ResponseCompletedEvent.construct(
        type="response.completed", sequence_number=0, response=response
    )


class _Answers:
    """The serdes of answers: readable JSON, and the framework's own types."""

    _usage: TypeAdapter[Usage] = TypeAdapter(Usage)

    def serialize(self, value: ModelResponse, context: SerDesContext, /) -> str:
        """Write an answer. Raises ``SerDesError`` if it has items that are not JSON."""
        try:
            return json.dumps(
                {
                    "output": [_dumped(item) for item in value.output],
                    "usage": self._usage.dump_python(value.usage, mode="json"),
                    **{name: getattr(value, name, None) for name in _OTHERS},
                },
                ensure_ascii=False,
            )
        except (TypeError, ValueError) as error:
            raise SerDesError(f"{context.what}: {error}") from error

    def deserialize(self, payload: str, context: SerDesContext, /) -> ModelResponse:
        """Read an answer back, as leniently as OpenAI's client reads those of the API."""
        try:
            read = json.loads(payload)
            answer = ModelResponse(
                output=[], usage=self._usage.validate_python(read["usage"]), response_id=None
            )
            answer.output = Response.construct(output=read["output"]).output
        except (KeyError, TypeError, ValueError) as error:
            raise SerDesError(f"{context.what}: {error}") from error
        for name in _OTHERS:
            setattr(answer, name, read.get(name))
        return answer


_OTHERS = ("response_id", "request_id", "raw_usage")
_ANSWERS = _Answers()


def _dumped(item: Any) -> Any:
    dump = getattr(item, "model_dump", None)
    return dump(mode="json", exclude_unset=True, warnings=False) if dump else item
