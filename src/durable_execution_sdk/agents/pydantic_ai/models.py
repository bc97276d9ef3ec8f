"""Models in the place of those of a run, for the adapter of Pydantic AI: in a step, and in the workflow's code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from pydantic_ai import UserError
from pydantic_ai.models import Model
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.usage import RequestUsage

from durable_execution_sdk.agents.model_requests import ModelOptions, request_model
from durable_execution_sdk.agents.payloads import PydanticSerDes
from durable_execution_sdk.agents.single_attempts import single_attempts
from durable_execution_sdk.agents.tool_calls import current_context

__all__ = ["CountingInSteps", "OneAttempt"]

_USAGE: PydanticSerDes[RequestUsage] = PydanticSerDes(RequestUsage)


class OneAttempt(WrapperModel):
    """A model whose client makes no retries of its own, because the step does."""

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request."""
        with single_attempts([self.wrapped]):
            return await self.wrapped.request(*args, **kwargs)

    @asynccontextmanager
    async def request_stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Send a request, and stream the answer."""
        with single_attempts([self.wrapped]):
            async with self.wrapped.request_stream(*args, **kwargs) as stream:
                yield stream


class CountingInSteps(WrapperModel):
    """A model whose counts of tokens are recorded: the workflow asks for them before a request, to keep a limit."""

    def __init__(self, wrapped: Model, agent: str, options: ModelOptions) -> None:
        super().__init__(wrapped)
        self._agent = agent
        self._options = options

    async def count_tokens(self, *args: Any, **kwargs: Any) -> RequestUsage:
        """Ask the provider how many tokens a request has, in a step."""
        call = partial(self.wrapped.count_tokens, *args, **kwargs)
        if current_context() is None:
            return await call()
        return await request_model(
            self._agent,
            call,
            work="count tokens",
            serdes=_USAGE,
            options=self._options,
            final=(UserError,),
            clients=(self.wrapped,),
        )
