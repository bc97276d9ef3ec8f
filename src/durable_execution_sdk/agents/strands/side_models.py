"""The model that an agent of Strands asks beside its loop, as steps.

Judgements of risk, steering, goals and summaries of large results come from ``agent.aux_model``. A replay that asks it again is
billed again, and another answer than the first may lead to other operations.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from durable_execution_sdk.agents.model_requests import ModelOptions
from durable_execution_sdk.agents.strands.records import RecordedModel
from durable_execution_sdk.agents.tool_calls import current_context
from durable_execution_sdk.errors import ContextMisuseError

__all__ = ["record_side_model"]


def record_side_model(agent: Any, agent_name: str | None, options: ModelOptions) -> None:
    """Let the requests that an agent makes beside its loop be steps, where code of the workflow makes them."""
    given = agent._aux_model  # noqa: SLF001 - None where it follows the agent's model, which may change
    if type(given) is not _SideModel:
        agent.aux_model = _SideModel(agent, given, agent_name, options)


class _SideModel:
    """A model whose answers are recorded in workflow code; it passes for the model that it stands for."""

    def __init__(
        self, agent: Any, given: Any, agent_name: str | None, options: ModelOptions
    ) -> None:
        self._agent = agent
        self._given = given
        self._agent_name = agent_name
        self._options = options

    @property
    def _model(self) -> Any:
        return self._agent.model if self._given is None else self._given

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # Strands asks for a Model
        return type(self._model)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Yield an answer as a stream: in workflow code, from its record."""
        model = self._model
        if _is_in_workflow():
            model = RecordedModel(
                model, self._agent, self._agent_name, self._options, work="side model"
            )
        async for chunk in model.stream(*args, **kwargs):
            yield chunk


def _is_in_workflow() -> bool:
    try:
        return current_context() is not None
    except ContextMisuseError:  # a thread that Strands waits for, where no step can be
        return False
